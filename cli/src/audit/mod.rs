//! `leads audit`: compares every stream with its cursor.
//!
//! Commits are grouped by buyer in any order in which the table returns them. Memory holds one entry per buyer, not a
//! list of commits.

mod stream;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::pin::pin;

use domain::{BuyerId, Sequence};
use event_store::CommitKey;
use futures::future::FutureExt as _;
use futures::stream::{StreamExt as _, TryStreamExt as _};
use leads_store::{Behind, LeadsStore as _};
use platform::clock::{Clock, SystemClock};
use stream::Stream;
pub use stream::{Audit, Finding};

use crate::output::{Output, Progress, count, interrupted};
use crate::pass::{rest, unless};
use crate::{Exit, Failure, Tables};

/// The number of cursors read concurrently.
const AT_ONCE: usize = 16;

/// The reason in the mark of a buyer whom an audit marked as behind.
const FOUND_SHORT: &str = "found short by an audit";

/// Reads the keys of the whole streams table, at most `rate` read units per second, and each buyer's cursor. With
/// `repair`, buyers that are short are marked as behind and due, so that the sweeper retries them. The audit itself
/// performs no effect. `progress` is called with the counts after each page.
///
/// Once `interrupted` completes, the audit returns its findings so far. `short` and `behind` are certain as soon as
/// they are found, because each follows from a cursor that was read, and `short` also from a commit that was read. A
/// gap is certain only at the end: a commit may still come later in the scan, and a scan may miss one. Every hole left
/// by the scan is therefore read again with a consistent read; only sequence numbers still missing are reported as a
/// gap.
///
/// # Errors
/// [`Failure::Streams`], [`Failure::Leads`].
pub async fn audit(
    tables: &Tables,
    rate: u32,
    repair: bool,
    clock: &impl Clock,
    interrupted: impl Future<Output = ()>,
    progress: impl FnMut(&Audit),
) -> Result<Audit, Failure> {
    let (streams, audit) = (BTreeMap::new(), Audit::default());
    let interrupted = pin!(interrupted);
    let mut auditor = Auditor { tables, rate, repair, clock, interrupted, progress, streams, audit };
    let is_complete = auditor.read_all().await?.is_some() && auditor.confirm_holes().await?.is_some();
    let Auditor { streams, mut audit, .. } = auditor;
    let of_cursors = streams.into_iter().filter_map(|(buyer, stream)| stream.finding(buyer));
    audit.findings.extend(of_cursors);
    audit.findings.sort_by(|(one, _), (other, _)| one.cmp(other));
    audit.is_complete = is_complete;
    Ok(audit)
}

struct Auditor<'a, S, I, P> {
    tables: &'a Tables,
    rate: u32,
    repair: bool,
    clock: &'a S,
    interrupted: I,
    progress: P,
    streams: BTreeMap<BuyerId, Stream>,
    audit: Audit,
}

/// The result of a step; `None` if the audit was interrupted.
type Finished<T> = Result<Option<T>, Failure>;

impl<S: Clock, I: Future<Output = ()> + Unpin, P: FnMut(&Audit)> Auditor<'_, S, I, P> {
    async fn read_all(&mut self) -> Finished<()> {
        let mut place = None;
        loop {
            let tables = self.tables;
            let Some(page) = self.unless_interrupted(tables.streams.keys(place)).await else {
                return Ok(None);
            };
            let page = page.map_err(Failure::Streams)?;
            self.audit.read_units += page.read_units;
            if self.join(&page.keys).await?.is_none() {
                return Ok(None);
            }
            (self.progress)(&self.audit);
            place = page.next;
            if place.is_none() {
                return Ok(Some(()));
            }
            if self.rest_after(page.read_units).await.is_none() {
                return Ok(None);
            }
        }
    }

    /// Reads every hole left by the scan again, and reports the sequence numbers still missing as gaps.
    async fn confirm_holes(&mut self) -> Finished<()> {
        let holes = self.streams.iter().map(|(buyer, stream)| (buyer.clone(), stream.holes()));
        let holes: Vec<_> = holes.filter(|(_, holes)| !holes.is_empty()).collect();
        for (buyer, holes) in holes {
            for (from, to) in holes {
                let tables = self.tables;
                let reading = tables.streams.keys_within(&buyer, from, to);
                let Some(read) = self.unless_interrupted(reading).await else { return Ok(None) };
                let read = read.map_err(Failure::Streams)?;
                self.audit.read_units += read.read_units;
                if self.join(&read.keys).await?.is_none() {
                    return Ok(None);
                }
                if self.rest_after(read.read_units).await.is_none() {
                    return Ok(None);
                }
            }
            let left = self.streams.get(&buyer).map(Stream::holes).unwrap_or_default();
            let gaps = left.into_iter().map(|(from, to)| (buyer.clone(), Finding::Gap { from, to }));
            self.audit.findings.extend(gaps);
        }
        Ok(Some(()))
    }

    /// Adds commits to their streams and reads the cursor of every new stream. With `repair`, marks the buyers who turn
    /// out to be short.
    async fn join(&mut self, keys: &[CommitKey]) -> Finished<()> {
        let new: BTreeSet<&BuyerId> =
            keys.iter().map(|key| &key.buyer).filter(|buyer| !self.streams.contains_key(buyer)).collect();
        let (tables, clock) = (self.tables, self.clock);
        let cursors = futures::stream::iter(new).map(async |buyer| {
            let cursor = tables.leads.cursor(buyer).await;
            let cursor = cursor.map_err(|source| Failure::Leads { buyer: buyer.clone(), source })?;
            Ok::<_, Failure>((buyer.clone(), Stream::new(cursor, clock.now())))
        });
        let met = self.unless_interrupted(cursors.buffer_unordered(AT_ONCE).try_collect::<Vec<_>>()).await;
        let Some(met) = met.transpose()? else { return Ok(None) };
        self.streams.extend(met);
        self.audit.streams = self.streams.len() as u64;
        self.audit.commits += keys.len() as u64;
        let mut short = Vec::new();
        for key in keys {
            if self.streams.get_mut(&key.buyer).is_some_and(|stream| stream.add(key)) {
                short.push(&key.buyer);
            }
        }
        if self.repair { self.mark(short).await } else { Ok(Some(())) }
    }

    async fn mark(&mut self, short: Vec<&BuyerId>) -> Finished<()> {
        for buyer in short {
            // An interrupt takes effect between two marks, so that the outcome of each mark is known and reported.
            if (&mut self.interrupted).now_or_never().is_some() {
                return Ok(None);
            }
            let Some(stream) = self.streams.get_mut(buyer) else { continue };
            if let Some(through) = stream.short_through()
                && schedule_retry(buyer, through, FOUND_SHORT, self.tables, self.clock).await?
            {
                stream.set_repaired();
            }
        }
        Ok(Some(()))
    }

    /// Waits for as long as the rate demands after a read of this many units.
    async fn rest_after(&mut self, read_units: f64) -> Option<()> {
        self.unless_interrupted(rest(read_units, self.rate)).await
    }

    /// Awaits read-only work; `None` if the audit is interrupted first.
    async fn unless_interrupted<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        unless(&mut self.interrupted, work).await
    }
}

/// Marks a buyer as behind and due, so that the next sweep retries its effects. Returns `false` if the cursor is no
/// longer at `through` or the buyer is already marked.
pub(crate) async fn schedule_retry(
    buyer: &BuyerId,
    through: Sequence,
    reason: &str,
    tables: &Tables,
    clock: &impl Clock,
) -> Result<bool, Failure> {
    let behind =
        Behind { mark: clock.nonce(), reason: reason.to_owned(), attempts: 0, not_before: clock.now() };
    let marked = tables.leads.mark_short(buyer, through, &behind).await;
    marked.map_err(|source| Failure::Leads { buyer: buyer.clone(), source })
}

pub(crate) async fn command<O: Write, E: Write>(
    rate: u32,
    repair: bool,
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    output.aside(&format!(
        "Reading the keys of the whole streams table, at most {rate} read units per second, and one cursor per stream. \
         Ctrl-C prints the findings so far."
    ))?;
    let progress = Progress::counting("commits read");
    let seen = |audit: &Audit| {
        progress.note(format!(" of {}", count(audit.streams, "stream")));
        progress.at(audit.commits);
    };
    let audit = audit(tables, rate, repair, &SystemClock, interrupted(), seen).await;
    progress.end();
    let audit = audit?;
    if output.is_json {
        output.json(&audit.json())?;
    } else {
        output.line(&audit.text())?;
    }
    Ok(match (audit.is_complete, audit.findings.is_empty()) {
        (false, _) => Exit::Interrupted,
        (true, false) => Exit::Findings,
        (true, true) => Exit::Good,
    })
}
