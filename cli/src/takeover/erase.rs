//! `leads erase`: who a buyer is gets forgotten, in the stream and in the leads table; and which copies are left elsewhere.

use std::cell::Cell;
use std::io::Write;

use contract::stored::StoredCommit;
use domain::{BuyerId, Sequence};
use event_store::{Appended, Clearing, Commits, DynamoStreams, EventStore, NotErased, Page, StoreError};
use futures::future::{Either, select};
use leads_store::Cursors as _;
use platform::clock::SystemClock;
use serde_json::json;

use super::{of_stream, recorded};
use crate::audit::call_the_sweeper;
use crate::interrupt::interrupted;
use crate::output::{Output, count, table};
use crate::progress::Progress;
use crate::show::unknown;
use crate::{Exit, Failure, Tables};

/// Why an erased buyer is marked as behind: a commit without effects is in no index, so a lost doorbell would never be noticed.
const AWAITED: &str = "erased by an operator";

/// Every copy of personal data that erasing a buyer does not reach, and how old it can get.
///
/// Source: `MessageRetentionPeriod` and `PointInTimeRecoverySpecification` in `infra/template.yaml`. DynamoDB keeps 35 days for
/// point-in-time recovery where `RecoveryPeriodInDays` is not set (Amazon DynamoDB Developer Guide, "Point-in-time backups").
const COPIES: [(&str, &str); 8] = [
    ("events of the buyer still in the queue OfferEvents", "14 days after they were sent"),
    (
        "dead letters of its events: `leads dead-letters drop --buyer BUYER --yes`",
        "14 days after the event was sent",
    ),
    ("messages in the queue SalesTeam", "14 days after they were sent"),
    ("the data of that queue's consumer, which deletes them on `lead.closed.v1`", "that consumer's own"),
    ("receipts of SES in the queue EmailReceipts (addresses)", "14 days"),
    ("their dead letters in EmailReceiptsDeadLetters (addresses)", "14 days"),
    ("positions in the queue ReactorFailures (the buyer's id, no contact)", "14 days"),
    ("point-in-time recovery of both tables; backups made by hand stay until deleted", "35 days"),
];

/// The streams table, with a count of the commits that were read and cleared.
struct Counted<'a> {
    streams: &'a DynamoStreams,
    read: Cell<u64>,
    cleared: Cell<u64>,
    erased_at: Cell<Option<Sequence>>,
    progress: Progress,
}

impl Commits for Counted<'_> {
    async fn page(
        &self,
        buyer: &BuyerId,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let page = self.streams.page(buyer, before, limit).await?;
        self.read.set(self.read.get() + page.commits.len() as u64);
        self.progress.at(self.read.get());
        Ok(page)
    }
}

impl EventStore for Counted<'_> {
    async fn append(&self, commit: &StoredCommit) -> Result<Appended, StoreError> {
        let appended = self.streams.append(commit).await?;
        if appended == Appended::Written {
            self.erased_at.set(Some(Sequence::new(commit.sequence)));
        }
        Ok(appended)
    }
}

impl Clearing for Counted<'_> {
    async fn clear(&self, cleared: &StoredCommit) -> Result<(), StoreError> {
        self.streams.clear(cleared).await?;
        self.cleared.set(self.cleared.get() + 1);
        self.progress.note(format!(", {} cleared", self.cleared.get()));
        Ok(())
    }
}

/// Forgets who a buyer is: in the stream at once, in the leads table once the closings of its leads are announced.
pub(crate) async fn command<O: Write, E: Write>(
    buyer: &BuyerId,
    is_confirmed: bool,
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    if !is_confirmed {
        return Err(Failure::NotConfirmed { what: format!("erasing {buyer}") });
    }
    let store = Counted {
        streams: &tables.streams,
        read: Cell::new(0),
        cleared: Cell::new(0),
        erased_at: Cell::new(None),
        progress: Progress::counting("commits read"),
    };
    let ended = select(Box::pin(forget(buyer, &store, tables)), Box::pin(interrupted())).await;
    store.progress.end();
    match ended {
        Either::Right(_) => cut_off(buyer, &store, output),
        Either::Left((forgotten, _)) => match forgotten? {
            Forgotten::Unknown => unknown(buyer, output),
            Forgotten::NotYet(sequence) => {
                recorded(buyer, "erased", sequence, output)?;
                output.aside(
                    "The closings of its leads are not announced yet. Run it again in a minute to clear the leads table.",
                )?;
                Ok(Exit::Findings)
            }
            Forgotten::Whole(sequence) => {
                recorded(buyer, "erased", sequence, output)?;
                let cleared = count(store.cleared.get(), "commit");
                let header = ["copies elsewhere", "kept for at most"];
                let copies = table(&header, COPIES.map(|(what, age)| [what, age]));
                output.aside(&format!(
                    "{cleared} cleared. Nothing personal is left in the two tables.\n{copies}"
                ))?;
                Ok(Exit::Good)
            }
        },
    }
}

/// How far forgetting came.
enum Forgotten {
    /// There is no such buyer.
    Unknown,
    /// The stream is cleared; the leads table must wait for the closings.
    NotYet(Sequence),
    /// Both tables are cleared.
    Whole(Sequence),
}

async fn forget(buyer: &BuyerId, store: &Counted<'_>, tables: &Tables) -> Result<Forgotten, Failure> {
    let erased = event_store::erase(store, &SystemClock, buyer).await;
    let sequence = match erased.map_err(|source| of_stream(buyer, source))? {
        Ok(sequence) => sequence,
        Err(NotErased::UnknownBuyer) => return Ok(Forgotten::Unknown),
    };
    store.erased_at.set(Some(sequence));
    // A worker that loaded the buyer before may still write a contact; once the cursor is past the erasure, none can.
    let of_leads = |source| Failure::Leads { buyer: buyer.clone(), source };
    let cursor = tables.leads.cursor(buyer).await.map_err(of_leads)?;
    if cursor.through < sequence {
        call_the_sweeper(buyer, cursor.through, AWAITED, tables, &SystemClock).await?;
        return Ok(Forgotten::NotYet(sequence));
    }
    tables.leads.forget(buyer).await.map_err(of_leads)?;
    Ok(Forgotten::Whole(sequence))
}

fn cut_off<O: Write, E: Write>(
    buyer: &BuyerId,
    store: &Counted<'_>,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let (cleared, at) = (store.cleared.get(), store.erased_at.get());
    if output.is_json {
        let at = at.map(Sequence::get);
        output.json(&json!({
            "buyerId": buyer.as_str(), "isComplete": false, "sequence": at, "clearedCommits": cleared,
        }))?;
    } else {
        let recorded = at.map_or_else(String::new, |at| format!("recorded at sequence number {at}, "));
        let cleared = count(cleared, "commit");
        output.line(&format!(
            "{buyer}: INTERRUPTED: {recorded}{cleared} cleared so far. Run it again to go on."
        ))?;
    }
    Ok(Exit::Interrupted)
}
