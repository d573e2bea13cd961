//! A file of buyers' ids.

use std::collections::BTreeSet;
use std::fmt;

use domain::BuyerId;

use crate::output::harmless;

/// Buyers in the order in which they were named, without repeats.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// The buyers.
    pub buyers: Vec<BuyerId>,
    /// The number of blank lines.
    pub blank: u64,
    /// The number of lines that name a buyer again.
    pub repeated: u64,
}

/// A line that is not a buyer's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// The line's number, from 1.
    pub line: u64,
    /// The beginning of the line, made safe for a terminal.
    pub text: String,
}

/// The number of characters shown of a bad line.
const SHOWN: usize = 40;

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: `{}`", self.line, self.text)
    }
}

impl Listed {
    /// These buyers, without repeats.
    pub(super) fn of(buyers: impl IntoIterator<Item = BuyerId>) -> Self {
        let (mut listed, mut seen) = (Self::default(), BTreeSet::new());
        for buyer in buyers {
            if seen.insert(buyer.clone()) {
                listed.buyers.push(buyer);
            } else {
                listed.repeated += 1;
            }
        }
        listed
    }
}

/// Parses a file of ids, one per line. White space around an id and a leading byte order mark are ignored.
///
/// # Errors
/// All lines that are not ids.
pub fn listed(text: &[u8]) -> Result<Listed, Vec<BadLine>> {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let (mut buyers, mut bad, mut blank) = (Vec::new(), Vec::new(), 0);
    // A final line feed ends the last line; it does not begin another one.
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    for (line, bytes) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        let written = bytes.trim_ascii();
        if written.is_empty() {
            blank += 1;
            continue;
        }
        if let Some(buyer) = std::str::from_utf8(written).ok().and_then(|id| BuyerId::parse(id).ok()) {
            buyers.push(buyer);
        } else {
            let shown: String = String::from_utf8_lossy(written).chars().take(SHOWN).collect();
            bad.push(BadLine { line, text: harmless(&shown) });
        }
    }
    if bad.is_empty() { Ok(Listed { blank, ..Listed::of(buyers) }) } else { Err(bad) }
}

#[cfg(test)]
mod tests {
    use super::listed;

    #[test]
    fn blank_lines_and_repeats_are_skipped_and_counted() {
        let listed = listed("\u{feff}bob\r\n\n  ada\t\nbob\n \nbob".as_bytes()).expect("a list");
        let names: Vec<&str> = listed.buyers.iter().map(domain::BuyerId::as_str).collect();
        assert_eq!((names, listed.blank, listed.repeated), (vec!["bob", "ada"], 2, 2));
        assert_eq!(
            super::listed(b"ada\n").map(|listed| listed.blank),
            Ok(0),
            "a final line feed adds no blank line"
        );
    }

    #[test]
    fn every_line_that_is_not_an_id_is_reported_with_its_number() {
        let long = "x".repeat(129);
        let text = [b"ada\na/b\n\xff\xfe\nc\x1b[2Jd\n".as_slice(), long.as_bytes()].concat();
        let bad = listed(&text).expect_err("bad lines");
        let shown: Vec<String> = bad.iter().map(ToString::to_string).collect();
        let expected = [
            "line 2: `a/b`".to_owned(),
            "line 3: `\u{fffd}\u{fffd}`".to_owned(),
            r"line 4: `c\u{1b}[2Jd`".to_owned(),
            format!("line 5: `{}`", "x".repeat(40)),
        ];
        assert_eq!(shown, expected);
    }
}
