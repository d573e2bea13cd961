//! `leads audit`: every stream against its cursor.

use std::io::Write;
use std::mem;
use std::time::Duration;

use domain::{BuyerId, Sequence};
use effects::leads::{Behind, Cursor, Cursors as _};
use event_store::CommitKey;
use event_store::surroundings::{Machine, Surroundings};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::output::{Output, count, moment, table};
use crate::{Exit, Failure, Tables};

/// How many cursors are read at once.
const AT_ONCE: usize = 16;

/// How long after its recording a commit is left to the doorbell.
const LEFT_TO_THE_DOORBELL: SignedDuration = SignedDuration::from_mins(2);

/// Why a buyer is behind that an audit marked.
const FOUND_SHORT: &str = "found short by an audit";

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Effects are not settled, and nobody is called to do it.
    Short {
        /// How far they are settled.
        through: Sequence,
        /// The last fact of the last commit that must be looked at.
        head: Sequence,
        /// When the first of those that are not settled was recorded.
        since: Timestamp,
        /// It is marked behind now, and due.
        is_repaired: bool,
    },
    /// Effects are not settled, and it is tried again.
    Behind {
        /// How far they are settled.
        through: Sequence,
        /// When the first commit that is not settled was recorded; `None` if there is none that must be looked at.
        since: Option<Timestamp>,
        /// The mark.
        behind: Behind,
    },
    /// Commits are missing between two others.
    Gap {
        /// The first sequence number that is missing.
        from: Sequence,
        /// The last one that is missing.
        to: Sequence,
    },
}

/// What an audit read, and what it found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Audit {
    /// By buyer, in the order of the table.
    pub findings: Vec<(BuyerId, Finding)>,
    /// How many streams there are; one cursor was read for each.
    pub streams: u64,
    /// How many commits.
    pub commits: u64,
    /// Read units of the streams table.
    pub read_units: f64,
}

/// Reads the keys of the whole streams table, at most so many read units a second, and each buyer's cursor. With `repair`,
/// buyers that are short are marked behind and due; the sweeper does the rest, this performs no effect.
///
/// # Errors
/// [`Failure::Streams`], [`Failure::Leads`].
pub async fn audit(
    tables: &Tables,
    rate: u32,
    repair: bool,
    surroundings: &impl Surroundings,
) -> Result<Audit, Failure> {
    let mut audit = Audit::default();
    let mut stream = Stream::default();
    let mut place = None;
    loop {
        let page = tables.streams.keys(place.take()).await.map_err(Failure::Streams)?;
        audit.read_units += page.read_units;
        audit.commits += page.keys.len() as u64;
        let mut whole = Vec::new();
        for key in page.keys {
            if stream.buyer.as_ref() != Some(&key.buyer) {
                whole.push(mem::take(&mut stream));
            }
            stream.take(key);
        }
        place = page.next;
        if place.is_none() {
            whole.push(mem::take(&mut stream));
        }
        judge(tables, whole, repair, surroundings, &mut audit).await?;
        if place.is_none() {
            return Ok(audit);
        }
        tokio::time::sleep(Duration::from_secs_f64(page.read_units / f64::from(rate.max(1)))).await;
    }
}

async fn judge(
    tables: &Tables,
    streams: Vec<Stream>,
    repair: bool,
    surroundings: &impl Surroundings,
    audit: &mut Audit,
) -> Result<(), Failure> {
    let streams = streams.into_iter().filter_map(|stream| Some((stream.buyer.clone()?, stream)));
    let cursors = stream::iter(streams).map(async |(buyer, stream)| {
        let cursor = tables.leads.cursor(&buyer).await;
        let cursor = cursor.map_err(|source| Failure::Leads { buyer: buyer.clone(), source })?;
        Ok::<_, Failure>((buyer, stream, cursor))
    });
    let judged: Vec<_> = cursors.buffered(AT_ONCE).try_collect().await?;
    audit.streams += judged.len() as u64;
    for (buyer, stream, cursor) in judged {
        for mut finding in stream.findings(&cursor, surroundings.now()) {
            if let Finding::Short { through, is_repaired, .. } = &mut finding
                && repair
            {
                *is_repaired = call_the_sweeper(&buyer, *through, FOUND_SHORT, tables, surroundings).await?;
            }
            audit.findings.push((buyer.clone(), finding));
        }
    }
    Ok(())
}

/// One stream, as its keys tell it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Stream {
    buyer: Option<BuyerId>,
    /// The last sequence number so far, if the item says it.
    last: Option<Sequence>,
    gaps: Vec<Finding>,
    /// Commits that must be looked at: their last sequence number, and when they were recorded.
    calling: Vec<(Sequence, Timestamp)>,
}

/// Has the sweeper go on with a buyer in its next run; `false` if the cursor has moved from there, or the buyer is marked already.
pub(crate) async fn call_the_sweeper(
    buyer: &BuyerId,
    through: Sequence,
    reason: &str,
    tables: &Tables,
    surroundings: &impl Surroundings,
) -> Result<bool, Failure> {
    let behind = Behind {
        mark: surroundings.nonce(),
        reason: reason.to_owned(),
        attempts: 0,
        not_before: surroundings.now(),
    };
    let marked = tables.leads.mark_short(buyer, through, &behind).await;
    marked.map_err(|source| Failure::Leads { buyer: buyer.clone(), source })
}

impl Stream {
    fn take(&mut self, key: CommitKey) {
        let expected =
            if self.buyer.is_none() { Some(Sequence::START.next()) } else { self.last.map(Sequence::next) };
        if let Some(from) = expected.filter(|expected| *expected < key.first) {
            self.gaps.push(Finding::Gap { from, to: Sequence::new(key.first.get() - 1) });
        }
        self.last = key.last;
        if key.is_in_feed {
            self.calling.push((key.last.unwrap_or(key.first), key.recorded_at));
        }
        self.buyer = Some(key.buyer);
    }

    fn findings(self, cursor: &Cursor, now: Timestamp) -> Vec<Finding> {
        let mut findings = self.gaps;
        let through = cursor.through;
        let since = self.calling.iter().find(|(last, _)| *last > through).map(|(_, at)| *at);
        let head = self.calling.last().map(|(last, _)| *last);
        if let Some(behind) = &cursor.behind {
            findings.push(Finding::Behind { through, since, behind: behind.clone() });
        } else if let Some((since, head)) = since.zip(head)
            && now.duration_since(since) > LEFT_TO_THE_DOORBELL
        {
            findings.push(Finding::Short { through, head, since, is_repaired: false });
        }
        findings
    }
}

pub(crate) async fn command<O: Write, E: Write>(
    rate: u32,
    repair: bool,
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    output.aside(&format!(
        "Reading the keys of the whole streams table, at most {rate} read units a second, and a cursor for each stream."
    ))?;
    let audit = audit(tables, rate, repair, &Machine).await?;
    if output.is_json {
        output.json(&audit.json())?;
    } else {
        output.line(&audit.text())?;
    }
    Ok(if audit.findings.is_empty() { Exit::Good } else { Exit::Findings })
}

impl Audit {
    /// What was found, for people.
    #[must_use]
    pub fn text(&self) -> String {
        let found = match self.findings.len() {
            0 => "nothing found".to_owned(),
            number => count(number as u64, "finding"),
        };
        let read = format!(
            "{}, {}: {found}. Read units: {} for the streams, {} for the cursors.",
            count(self.streams, "stream"),
            count(self.commits, "commit"),
            self.read_units,
            self.streams,
        );
        if self.findings.is_empty() {
            return read;
        }
        let rows = self
            .findings
            .iter()
            .map(|(buyer, finding)| [buyer.to_string(), finding.name().to_owned(), finding.text()]);
        format!("{}\n{read}", table(&["buyer", "finding", ""], rows))
    }

    /// The same for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let findings: Vec<Value> = self.findings.iter().map(|(buyer, finding)| finding.json(buyer)).collect();
        json!({
            "streams": self.streams,
            "commits": self.commits,
            "readUnits": self.read_units,
            "findings": findings,
        })
    }
}

impl Finding {
    /// `short`, `behind` or `gap`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Short { .. } => "short",
            Self::Behind { .. } => "behind",
            Self::Gap { .. } => "gap",
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Short { through, head, since, is_repaired } => format!(
                "settled through {through} of {head}, since {}, and nobody called{}",
                moment(*since),
                if *is_repaired { "; marked behind, the next sweep goes on" } else { "" }
            ),
            Self::Behind { through, since, behind } => format!(
                "settled through {through}{}; {} in vain, next at {}: {}",
                since.map(|since| format!(", since {}", moment(since))).unwrap_or_default(),
                count(u64::from(behind.attempts), "attempt"),
                moment(behind.not_before),
                behind.reason
            ),
            Self::Gap { from, to } => format!("no commit for {from} to {to}"),
        }
    }

    fn json(&self, buyer: &BuyerId) -> Value {
        let mut row = json!({ "buyerId": buyer.as_str(), "finding": self.name() });
        match self {
            Self::Short { through, head, since, is_repaired } => {
                row["through"] = json!(through.get());
                row["head"] = json!(head.get());
                row["since"] = json!(since.to_string());
                row["isRepaired"] = json!(is_repaired);
            }
            Self::Behind { through, since, behind } => {
                row["through"] = json!(through.get());
                row["since"] = json!(since.map(|since| since.to_string()));
                row["behind"] = crate::show::behind_json(behind);
            }
            Self::Gap { from, to } => {
                row["from"] = json!(from.get());
                row["to"] = json!(to.get());
            }
        }
        row
    }
}
