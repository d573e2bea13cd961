//! `leads erase`: erases a buyer's personal data from the stream and the leads table, and lists the copies that remain
//! elsewhere.

use std::cell::Cell;
use std::io::Write;

use contract::stored::StoredCommit;
use domain::{BuyerId, Sequence};
use event_store::{Appended, Clearing, Commits, EventStore, NotErased, Page, StoreError};
use futures::future::{Either, select};
use leads_store::LeadsStore as _;
use platform::clock::SystemClock;
use serde_json::json;

use super::{of_stream, recorded};
use crate::audit::schedule_retry;
use crate::output::{Output, Progress, count, interrupted, table};
use crate::show::unknown;
use crate::{Exit, Failure, Tables};

/// The reason in the mark of an erased buyer. The mark is needed because a commit without effects is in no index, so a
/// lost doorbell would never be noticed.
const BEHIND_REASON: &str = "erased by an operator";

/// Every copy of personal data that an erasure does not reach, and how long it is kept.
///
/// Source: `MessageRetentionPeriod` and `PointInTimeRecoverySpecification` in `infra/template.yaml`. DynamoDB keeps 35
/// days for point-in-time recovery where `RecoveryPeriodInDays` is not set (Amazon DynamoDB Developer Guide,
/// "Point-in-time backups").
const COPIES: [(&str, &str); 8] = [
    ("events in the queue OfferEvents", "14 days after they were sent"),
    (
        "dead letters of the events; to delete them: `leads dead-letters drop --buyer BUYER --yes`",
        "14 days after they were set aside",
    ),
    ("messages in the queue SalesTeam", "14 days after they were sent"),
    ("contacts stored by the consumer of SalesTeam", "until it deletes them on `lead.closed.v1`"),
    ("addresses in SES events in the queue EmailReceipts", "14 days"),
    ("addresses in their dead letters in EmailReceiptsDeadLetters", "14 days"),
    ("the buyer's id, but no contact, in the queue ReactorFailures", "14 days"),
    ("point-in-time recovery of both tables", "35 days; manual backups until they are deleted"),
];

/// The streams table, counting the commits that were read and cleared.
struct Counted<'a> {
    tables: &'a Tables,
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
        let page = self.tables.page(buyer, before, limit).await?;
        self.read.set(self.read.get() + page.commits.len() as u64);
        self.progress.at(self.read.get());
        Ok(page)
    }
}

impl EventStore for Counted<'_> {
    async fn append(&self, commit: &StoredCommit) -> Result<Appended, StoreError> {
        let appended = self.tables.append(commit).await?;
        if appended == Appended::Written {
            self.erased_at.set(Some(Sequence::new(commit.sequence)));
        }
        Ok(appended)
    }
}

impl Clearing for Counted<'_> {
    async fn clear(&self, cleared: &StoredCommit) -> Result<(), StoreError> {
        self.tables.streams.clear(cleared).await?;
        self.cleared.set(self.cleared.get() + 1);
        self.progress.note(format!(", {} cleared", self.cleared.get()));
        Ok(())
    }
}

/// Erases a buyer's personal data: from the stream immediately, from the leads table once the sales team has been
/// notified of the closings of its leads.
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
        tables,
        read: Cell::new(0),
        cleared: Cell::new(0),
        erased_at: Cell::new(None),
        progress: Progress::counting("commits read"),
    };
    let ended = select(Box::pin(erase(buyer, &store, tables)), Box::pin(interrupted())).await;
    store.progress.end();
    match ended {
        Either::Right(_) => print_interrupted(buyer, &store, output),
        Either::Left((erasure, _)) => match erasure? {
            Erasure::NoSuchBuyer => unknown(buyer, output),
            Erasure::OnlyStream(sequence) => {
                recorded(buyer, "erased", sequence, output)?;
                output.aside(
                    "The closings of its leads are not settled yet. Run it again in a minute to clear the leads table.",
                )?;
                Ok(Exit::Findings)
            }
            Erasure::Complete(sequence) => {
                recorded(buyer, "erased", sequence, output)?;
                let cleared = count(store.cleared.get(), "commit");
                let header = ["copies elsewhere", "kept for at most"];
                let copies = table(&header, COPIES.map(|(what, age)| [what, age]));
                output.aside(&format!(
                    "{cleared} cleared. The two tables contain no more personal data of this buyer.\n{copies}"
                ))?;
                Ok(Exit::Good)
            }
        },
    }
}

/// How far an erasure got. The number is the sequence of the fact `erased`.
enum Erasure {
    /// The buyer is unknown.
    NoSuchBuyer,
    /// The stream is cleared; the leads table waits until the closings are settled.
    OnlyStream(Sequence),
    /// Both tables are cleared.
    Complete(Sequence),
}

async fn erase(buyer: &BuyerId, store: &Counted<'_>, tables: &Tables) -> Result<Erasure, Failure> {
    let erased = event_store::erase(store, &SystemClock, buyer).await;
    let sequence = match erased.map_err(|source| of_stream(buyer, source))? {
        Ok(sequence) => sequence,
        Err(NotErased::UnknownBuyer) => return Ok(Erasure::NoSuchBuyer),
    };
    store.erased_at.set(Some(sequence));
    // A worker that loaded the buyer before the erasure may still write a contact to the leads table. Once the cursor
    // has passed the erasure, no such write can succeed.
    let of_leads = |source| Failure::Leads { buyer: buyer.clone(), source };
    let cursor = tables.leads.cursor(buyer).await.map_err(of_leads)?;
    if cursor.through < sequence {
        schedule_retry(buyer, cursor.through, BEHIND_REASON, tables, &SystemClock).await?;
        return Ok(Erasure::OnlyStream(sequence));
    }
    tables.leads.forget(buyer).await.map_err(of_leads)?;
    Ok(Erasure::Complete(sequence))
}

fn print_interrupted<O: Write, E: Write>(
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
            "{buyer}: INTERRUPTED: {recorded}{cleared} cleared so far. Run it again to continue."
        ))?;
    }
    Ok(Exit::Interrupted)
}
