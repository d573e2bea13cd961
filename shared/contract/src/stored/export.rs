//! The lines of an export: all streams as JSON Lines, each commit exactly as it is stored.
//!
//! A file is a header, then each buyer followed by its commits, then an end. A line whose fields are not exactly these
//! is refused, so that no later version's content is lost on the way.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::StoredCommit;

/// The version of this format.
pub const EXPORT: u32 = 1;

/// One line of an export. A reader of version 1 refuses every other version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Line {
    /// The first line.
    Export(Header),
    /// The beginning of a buyer.
    Buyer(ExportedBuyer),
    /// A commit of the buyer named last, oldest first.
    Commit(Box<StoredCommit>),
    /// The last line. Without it, the file is cut off.
    End(Totals),
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Header {
    /// The version of the format, [`EXPORT`].
    pub version: u32,
    /// Whether the commits are as they are stored. Otherwise contacts, free text and snapshots are removed, and the
    /// file cannot be imported.
    pub has_contacts: bool,
}

/// A buyer, and how far its effects were settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExportedBuyer {
    /// The buyer's id.
    pub buyer: String,
    /// The number of commits that follow.
    pub commits: u64,
    /// The sequence through which effects were settled.
    pub through: u64,
    /// The digests of addresses that get no more e-mail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stopped: Vec<String>,
    /// The outcomes of effects that were not sent, by sequence and effect key. The sequence is a text, because serde
    /// cannot read another key in a tagged enum (serde-rs/serde#1183).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outcomes: BTreeMap<String, BTreeMap<String, String>>,
}

/// What a whole file contains.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Totals {
    /// The number of buyers.
    pub buyers: u64,
    /// The number of commits.
    pub commits: u64,
}

impl Line {
    /// The line as JSON, without its line feed.
    #[must_use]
    pub fn write(&self) -> String {
        crate::json(self)
    }

    /// Reads a line.
    ///
    /// # Errors
    /// The rule that the line breaks, without its content, which may be personal data.
    pub fn parse(line: &[u8]) -> Result<Self, &'static str> {
        let parsed = serde_json::from_slice(line);
        let line =
            parsed.map_err(|_| "not a line of an export: export again with `leads export --contact`")?;
        match line {
            Self::Export(Header { version, .. }) if version != EXPORT => {
                Err("written by another version of `leads export`: use the `leads` that wrote the file")
            }
            Self::Export(_) | Self::Buyer(_) | Self::Commit(_) | Self::End(_) => Ok(line),
        }
    }
}
