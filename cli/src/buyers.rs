//! Commands on many buyers: selecting them (named, from a file, a sample, or all) and working on each, a few at a time.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

use domain::BuyerId;
use event_store::CommitKey;
use futures::stream::{FuturesUnordered, StreamExt as _};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

pub use crate::failure::BadLine;
use crate::output::{Output, Progress, count, harmless};
use crate::pass::{rest, unless};
use crate::{Failure, Tables};

/// A selection of buyers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Which {
    /// The buyers named on the command line.
    Named(Vec<BuyerId>),
    /// The buyers listed in this file.
    File(PathBuf),
    /// A reproducible sample of this size.
    Sample(u64),
    /// Every buyer that has a stream.
    All,
}

impl Which {
    /// Whether the operator named each buyer.
    pub(crate) const fn names_each(&self) -> bool {
        match self {
            Self::Named(_) | Self::File(_) => true,
            Self::Sample(_) | Self::All => false,
        }
    }

    /// The named buyers without repeats; `None` if they have to be found by a scan. A file is read here, so that its
    /// faults are reported before anything else happens.
    pub(crate) fn listed(&self) -> Result<Option<Listed>, Failure> {
        let listed = match self {
            Self::Named(buyers) => Listed::of(buyers.iter().cloned()),
            Self::File(path) => {
                let file = path.display().to_string();
                let text = fs::read(path).map_err(|source| Failure::Read { file: file.clone(), source })?;
                listed(&text).map_err(|lines| Failure::Buyers { file: file.clone(), lines })?
            }
            Self::Sample(_) | Self::All => return Ok(None),
        };
        if listed.buyers.is_empty() {
            return Err(Failure::Usage("the file contains no buyer's id".to_owned()));
        }
        Ok(Some(listed))
    }

    /// The selected buyers: those listed, or those found by a scan of the streams table. `None` if interrupted.
    pub(crate) async fn resolve<O: Write, E: Write>(
        &self,
        listed: Option<Listed>,
        rate: u32,
        tables: &Tables,
        interrupted: &mut (impl Future<Output = ()> + Unpin),
        output: &mut Output<'_, O, E>,
    ) -> Result<Option<Vec<BuyerId>>, Failure> {
        self.resolve_since(listed, None, rate, tables, interrupted, output).await
    }

    /// The same, but a scan finds only buyers with a commit recorded at or after `since`.
    pub(crate) async fn resolve_since<O: Write, E: Write>(
        &self,
        listed: Option<Listed>,
        since: Option<Timestamp>,
        rate: u32,
        tables: &Tables,
        interrupted: &mut (impl Future<Output = ()> + Unpin),
        output: &mut Output<'_, O, E>,
    ) -> Result<Option<Vec<BuyerId>>, Failure> {
        if let Some(Listed { buyers, blank, repeated }) = listed {
            if blank + repeated > 0 {
                let (blank, repeated) = (count(blank, "blank line"), count(repeated, "repeat"));
                let buyers = count(buyers.len() as u64, "buyer");
                output.aside(&format!("{buyers}; {blank} and {repeated} skipped."))?;
            }
            return Ok(Some(buyers));
        }
        output.aside(&format!(
            "Reading the keys of the whole streams table to find every buyer, at most {rate} read units per second."
        ))?;
        let progress = Progress::counting("commits read");
        let found = scan(tables, since, rate, interrupted, &progress).await;
        progress.end();
        let Some(all) = found? else { return Ok(None) };
        Ok(Some(match self {
            Self::Sample(size) => sample(all, *size),
            Self::Named(_) | Self::File(_) | Self::All => all.into_iter().collect(),
        }))
    }
}

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

/// The number of characters shown of a bad line.
const SHOWN: usize = 40;

impl Listed {
    /// These buyers, without repeats.
    fn of(buyers: impl IntoIterator<Item = BuyerId>) -> Self {
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

/// Every buyer with a commit recorded at or after `since`, from the keys of the whole streams table. Reads at most `rate` units per second. `None`
/// if interrupted.
///
/// A scan is not a snapshot of the table: a buyer first recorded while it runs may be missing.
async fn scan(
    tables: &Tables,
    since: Option<Timestamp>,
    rate: u32,
    interrupted: &mut (impl Future<Output = ()> + Unpin),
    progress: &Progress,
) -> Result<Option<BTreeSet<BuyerId>>, Failure> {
    let (mut buyers, mut commits, mut place) = (BTreeSet::new(), 0, None);
    loop {
        let Some(page) = unless(interrupted, tables.streams.keys(place)).await else { return Ok(None) };
        let page = page.map_err(Failure::Streams)?;
        commits += page.keys.len() as u64;
        let is_wanted = |key: &CommitKey| since.is_none_or(|since| key.recorded_at >= since);
        buyers.extend(page.keys.into_iter().filter(is_wanted).map(|key| key.buyer));
        progress.note(format!(" of {}", count(buyers.len() as u64, "buyer")));
        progress.at(commits);
        place = page.next;
        if place.is_none() {
            return Ok(Some(buyers));
        }
        if unless(interrupted, rest(page.read_units, rate)).await.is_none() {
            return Ok(None);
        }
    }
}

/// A sample of these buyers, chosen by a hash of their ids: the same buyers give the same sample, and a few more or
/// fewer buyers change it only a little.
#[must_use]
pub fn sample(buyers: impl IntoIterator<Item = BuyerId>, size: u64) -> Vec<BuyerId> {
    let mut hashed: Vec<_> =
        buyers.into_iter().map(|buyer| (Sha256::digest(buyer.as_str().as_bytes()), buyer)).collect();
    hashed.sort();
    hashed.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    let mut sample: Vec<BuyerId> = hashed.into_iter().map(|(_, buyer)| buyer).collect();
    sample.sort();
    sample
}

/// The number of consecutive failures after which the remaining buyers are not tried, because the cause is then not one
/// buyer.
const GIVE_UP_AFTER: usize = 20;

/// The message printed after [`Ended::GaveUp`].
pub(crate) const GAVE_UP: &str = "Given up: too many buyers in a row failed. Fix the cause and run it again.";

/// How the work on many buyers ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Every buyer was tried.
    Whole,
    /// The user interrupted it.
    Interrupted,
    /// Too many consecutive buyers failed.
    GaveUp,
}

/// Runs `work` on each buyer, at most `at_once` at a time. `done` is called with each outcome as it arrives, and
/// returns `Break` for a failed one.
///
/// Once `interrupted` completes, no further buyer is started. Work in progress is dropped if it only reads; otherwise
/// it is awaited, so that its outcome is known.
pub(crate) async fn each<'a, T, X>(
    buyers: impl IntoIterator<Item = &'a BuyerId>,
    (at_once, only_reads): (u16, bool),
    interrupted: &mut (impl Future<Output = ()> + Unpin),
    work: impl AsyncFn(&'a BuyerId) -> T,
    mut done: impl FnMut(&'a BuyerId, T) -> Result<ControlFlow<()>, X>,
) -> Result<Ended, X> {
    let mut waiting = buyers.into_iter();
    let work = &work;
    let mut in_progress = FuturesUnordered::new();
    let (mut in_a_row, mut ended) = (0, Ended::Whole);
    loop {
        while ended == Ended::Whole && in_progress.len() < usize::from(at_once) {
            let Some(buyer) = waiting.next() else { break };
            in_progress.push(async move { (buyer, work(buyer).await) });
        }
        if in_progress.is_empty() {
            return Ok(ended);
        }
        let outcome = tokio::select! {
            biased;
            () = &mut *interrupted, if ended == Ended::Whole => {
                ended = Ended::Interrupted;
                if only_reads {
                    return Ok(ended);
                }
                continue;
            }
            outcome = in_progress.next() => outcome,
        };
        let Some((buyer, outcome)) = outcome else { return Ok(ended) };
        in_a_row = if done(buyer, outcome)?.is_break() { in_a_row + 1 } else { 0 };
        if in_a_row >= GIVE_UP_AFTER && ended == Ended::Whole {
            ended = Ended::GaveUp;
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::BuyerId;

    use super::{listed, sample};

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

    fn buyers(numbers: std::ops::Range<u32>) -> impl Iterator<Item = BuyerId> {
        numbers.filter_map(|number| BuyerId::parse(&format!("buyer-{number}")).ok())
    }

    #[test]
    fn a_sample_does_not_depend_on_the_order_of_the_buyers() {
        let one = sample(buyers(0..1000), 50);
        let mut turned: Vec<_> = buyers(0..1000).collect();
        turned.reverse();
        assert_eq!(sample(turned, 50), one);
        assert_eq!(one.len(), 50);
        let smaller = sample(buyers(0..1000), 10);
        assert!(
            smaller.iter().all(|buyer| one.contains(buyer)),
            "a larger sample contains every smaller one"
        );
        assert_eq!(sample(buyers(0..3), 50).len(), 3);
    }

    #[test]
    fn a_few_new_buyers_change_a_sample_only_a_little() {
        let (before, after) = (sample(buyers(0..1000), 100), sample(buyers(0..1010), 100));
        let kept = before.iter().filter(|buyer| after.contains(buyer)).count();
        assert!(kept >= 95, "{kept}");
    }
}
