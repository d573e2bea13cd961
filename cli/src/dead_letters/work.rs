//! Works through the dead-letter queue, which is FIFO: while letters of a buyer are in flight, SQS hands out no others
//! of that buyer. A look therefore sees at most the first ten letters of each buyer; later ones become visible once
//! earlier ones are deleted.
//!
//! The work is done in rounds. A round receives until SQS hands out nothing new. Selected letters are redriven or
//! dropped immediately; the others stay in flight, so that SQS continues with other buyers, and are released at the end
//! of the round. A round that redrove or dropped a letter is followed by another one, because later letters may have
//! become visible. The work ends after a round without progress, or when twice as many letters were done as the queue
//! held: then letters arrive as fast as they are removed.
//!
//! Source: Amazon SQS Developer Guide, "FIFO queue delivery logic".

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::queue::{DeadLetterQueue, HANDED_OUT, Letter, Selection};
use crate::Failure;

/// The maximum number of letters kept in flight in one round. SQS itself allows 20,000.
const MOST_IN_FLIGHT: usize = 10_000;

/// The number of letters that may always be done, because the count of SQS lags by up to a minute.
const FEW: u64 = 1_000;

/// The number of buyers with a failed letter after which the work ends.
const MOST_FAILURES: usize = 10;

/// What to do with the selected letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Look at them without changing anything.
    Looking,
    /// Send the letters to the queue of offer events, then delete them from the dead-letter queue.
    Redriving,
    /// Delete them.
    Dropping,
}

/// The result of working through the queue.
#[derive(Debug, Default)]
pub struct Done {
    /// The selected letters that were seen, redriven or dropped, without their bodies. Letters of a buyer are in the
    /// order of the queue.
    pub letters: Vec<Letter>,
    /// The number of letters seen that are not selected and remain in the queue.
    pub others: usize,
    /// Buyers with at least ten remaining letters. SQS may hold more of them, but hands out only the first ten.
    pub hiding: BTreeSet<String>,
    /// Letters that could not be redriven or dropped, at most one of each buyer: its later letters were not touched.
    pub failures: Vec<(Letter, Failure)>,
    /// The approximate number of letters in the queue at the beginning.
    pub about: u64,
    /// Whether the work ended before SQS had handed out all it would.
    pub is_cut_short: bool,
    /// Whether `go_on` ended it.
    pub is_interrupted: bool,
}

/// Works through the queue until `go_on`, which gets the number of letters seen, returns `false`. Letters that are not
/// redriven or dropped are visible again when this returns.
///
/// # Errors
/// [`Failure::DeadLetters`] if the queue does not answer. A letter that cannot be redriven or dropped is not an error; it
/// is in [`Done::failures`].
pub async fn work(
    queue: &DeadLetterQueue,
    selection: &Selection,
    doing: Doing,
    now: Timestamp,
    mut go_on: impl FnMut(u64) -> bool,
) -> Result<Done, Failure> {
    let about = queue.about_how_many().await?;
    let most = usize::try_from(about.saturating_mul(2).max(FEW)).unwrap_or(usize::MAX);
    let done = Done { about, ..Done::default() };
    let mut worker = Worker { queue, selection, doing, now, most, seen: 0, done, sent: BTreeSet::new() };
    loop {
        let before = worker.done.letters.len();
        let mut in_flight = InFlight::default();
        let ended = worker.round(&mut in_flight, &mut go_on).await;
        queue.release(&in_flight.receipts()).await;
        ended?;
        let is_looking = doing == Doing::Looking;
        let done = &mut worker.done;
        done.others = in_flight.letters.len() - if is_looking { done.letters.len() } else { 0 };
        done.hiding = in_flight.hiding();
        if is_looking || done.is_interrupted || done.letters.len() == before || worker.is_enough() {
            return Ok(worker.done);
        }
    }
}

struct Worker<'a> {
    queue: &'a DeadLetterQueue,
    selection: &'a Selection,
    doing: Doing,
    now: Timestamp,
    most: usize,
    /// The number of letters looked at, in all rounds.
    seen: u64,
    done: Done,
    /// The new message ids of redriven letters. If the recorder sets one aside again, it is not redriven in the same
    /// run.
    sent: BTreeSet<String>,
}

/// Letters that stay in flight until the round ends: buyer and receipt handle by id.
#[derive(Default)]
struct InFlight {
    letters: BTreeMap<String, (String, String)>,
}

impl InFlight {
    /// Keeps a letter in flight. Returns `false` if it was already kept: then its visibility time-out had expired and
    /// SQS handed it out again.
    fn keep(&mut self, letter: &Letter) -> bool {
        let kept = (letter.buyer.clone(), letter.receipt.clone());
        self.letters.insert(letter.id.clone(), kept).is_none()
    }

    fn receipts(&self) -> Vec<String> {
        self.letters.values().map(|(_, receipt)| receipt.clone()).collect()
    }

    fn hiding(&self) -> BTreeSet<String> {
        let mut buyers = BTreeMap::<&String, usize>::new();
        for (buyer, _) in self.letters.values() {
            *buyers.entry(buyer).or_default() += 1;
        }
        buyers.into_iter().filter(|(_, count)| *count >= HANDED_OUT).map(|(buyer, _)| buyer.clone()).collect()
    }
}

impl Worker<'_> {
    async fn round(
        &mut self,
        in_flight: &mut InFlight,
        go_on: &mut impl FnMut(u64) -> bool,
    ) -> Result<(), Failure> {
        loop {
            let mut letters = self.queue.receive().await?;
            if letters.is_empty() {
                return Ok(());
            }
            let cut_off = cut_off(&mut letters);
            self.queue.release(&cut_off).await;
            let mut is_new = false;
            let mut letters = letters.into_iter();
            while let Some(letter) = letters.next() {
                if !go_on(self.seen) {
                    let rest = std::iter::once(letter).chain(letters).map(|letter| letter.receipt);
                    self.queue.release(&rest.collect::<Vec<_>>()).await;
                    (self.done.is_interrupted, self.done.is_cut_short) = (true, true);
                    return Ok(());
                }
                self.seen += 1;
                is_new |= self.settle(letter, in_flight).await;
            }
            // All letters of this batch were seen before in this round, so SQS has no new ones to hand out.
            if !is_new || self.is_enough() {
                return Ok(());
            }
            if in_flight.letters.len() >= MOST_IN_FLIGHT {
                self.done.is_cut_short = true;
                return Ok(());
            }
        }
    }

    /// Looks at, redrives or drops one letter. Returns whether it was new in this round.
    async fn settle(&mut self, mut letter: Letter, in_flight: &mut InFlight) -> bool {
        let is_stopped = self.done.failures.iter().any(|(failed, _)| failed.buyer == letter.buyer);
        let is_ours = letter.source_id().is_some_and(|id| self.sent.contains(&id));
        if is_stopped || is_ours || !self.selection.takes(&letter, self.now) {
            return in_flight.keep(&letter);
        }
        let result = match self.doing {
            Doing::Looking => {
                let is_new = in_flight.keep(&letter);
                if is_new {
                    letter.body.clear();
                    self.done.letters.push(letter);
                }
                return is_new;
            }
            Doing::Redriving => self.queue.redrive(&letter).await.map(|id| self.sent.extend([id])),
            Doing::Dropping => self.queue.delete(&letter).await,
        };
        letter.body.clear();
        match result {
            Ok(()) => self.done.letters.push(letter),
            Err(failure) => {
                in_flight.keep(&letter);
                self.done.failures.push((letter, failure));
            }
        }
        true
    }

    fn is_enough(&mut self) -> bool {
        let is_enough = self.doing != Doing::Looking && self.done.letters.len() >= self.most
            || self.done.failures.len() >= MOST_FAILURES;
        self.done.is_cut_short |= is_enough;
        is_enough
    }
}

/// Takes the last buyer's letters out of a full batch and returns their receipt handles, so that the caller can make
/// them visible again. A full batch may contain only some of that buyer's letters, and SQS hands out the others only
/// when these are no longer in flight; the next batch then begins with this buyer. A batch of one buyer stays whole.
fn cut_off(letters: &mut Vec<Letter>) -> Vec<String> {
    let last = letters.last().map(|letter| letter.buyer.clone());
    let is_whole = letters.len() < HANDED_OUT || letters.first().map(|letter| &letter.buyer) == last.as_ref();
    if is_whole {
        return Vec::new();
    }
    let of_last = letters.extract_if(.., |letter| Some(&letter.buyer) == last.as_ref());
    of_last.map(|letter| letter.receipt).collect()
}

/// Finds one letter by id; `None` if SQS does not hand it out.
///
/// # Errors
/// [`Failure::DeadLetters`].
pub async fn find(queue: &DeadLetterQueue, id: &str) -> Result<Option<Letter>, Failure> {
    let mut in_flight = InFlight::default();
    let found = look_for(queue, id, &mut in_flight).await;
    queue.release(&in_flight.receipts()).await;
    found
}

async fn look_for(
    queue: &DeadLetterQueue,
    id: &str,
    in_flight: &mut InFlight,
) -> Result<Option<Letter>, Failure> {
    loop {
        let mut letters = queue.receive().await?;
        let mut is_new = false;
        let found = letters.iter().find(|letter| letter.id == id).cloned();
        queue.release(&cut_off(&mut letters)).await;
        for letter in letters {
            is_new |= in_flight.keep(&letter);
        }
        if found.is_some() || !is_new || in_flight.letters.len() >= MOST_IN_FLIGHT {
            return Ok(found);
        }
    }
}
