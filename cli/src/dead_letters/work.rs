//! Going through the dead-letter queue, which is FIFO: while letters of a buyer are handed out, SQS hands out no further
//! ones of that buyer. So a look sees at most the first ten of each; to get further, the first ones must be deleted.
//!
//! It goes in rounds. In a round everything is taken that SQS hands out: what is selected is redriven or dropped at once,
//! what is not stays handed out, so that SQS goes on to other buyers, and is released at the round's end. As long as a
//! round got something done there is another one, for that has made room behind what was released. It ends there, or where
//! twice as many letters are done as there seemed to be: then they come as fast as they go.
//!
//! Source: Amazon SQS Developer Guide, "FIFO queue delivery logic".

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::letter::{Letter, Selection};
use super::queue::{DeadLetterQueue, HANDED_OUT};
use crate::Failure;

/// The most letters that are held back in one round. SQS itself ends at 20,000.
const MOST_HELD_BACK: usize = 10_000;

/// So many letters may be done, however few there seem to be: the count is late by a minute.
const FEW: u64 = 1_000;

/// Of how many buyers a letter may fail before it is no use going on.
const MOST_FAILURES: usize = 10;

/// What is done with the letters that are selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Nothing: they are looked at.
    Looking,
    /// They are sent to the queue of offer events, and deleted.
    Redriving,
    /// They are deleted.
    Dropping,
}

/// What became of the letters.
#[derive(Debug, Default)]
pub struct Done {
    /// Those that are selected and were handed out: looked at, redriven or dropped. In the order of the queue within each
    /// buyer; without their bodies.
    pub letters: Vec<Letter>,
    /// How many others were seen, and are still there.
    pub others: usize,
    /// Buyers of whom there may be more behind the first ten, which SQS does not hand out while those are there.
    pub hiding: BTreeSet<String>,
    /// Letters that could not be done, at most one of each buyer: nothing behind it was touched.
    pub failures: Vec<(Letter, Failure)>,
    /// About how many there were in the queue at the beginning, in all.
    pub about: u64,
    /// It ended before all was seen that SQS would hand out.
    pub is_cut_short: bool,
}

/// Goes through the queue. What is not redriven or dropped is visible again when this returns.
///
/// # Errors
/// [`Failure::DeadLetters`], if the queue does not answer at all. A letter that cannot be done is none: see
/// [`Done::failures`].
pub async fn work(
    queue: &DeadLetterQueue,
    selection: &Selection,
    doing: Doing,
    now: Timestamp,
) -> Result<Done, Failure> {
    let about = queue.about_how_many().await?;
    let most = usize::try_from(about.saturating_mul(2).max(FEW)).unwrap_or(usize::MAX);
    let done = Done { about, ..Done::default() };
    let mut worker = Worker { queue, selection, doing, now, most, done, sent: BTreeSet::new() };
    loop {
        let before = worker.done.letters.len();
        let mut held_back = HeldBack::default();
        let ended = worker.round(&mut held_back).await;
        queue.release(&held_back.receipts()).await;
        ended?;
        let is_looking = doing == Doing::Looking;
        let done = &mut worker.done;
        done.others = held_back.letters.len() - if is_looking { done.letters.len() } else { 0 };
        done.hiding = held_back.hiding();
        if is_looking || done.letters.len() == before || worker.is_enough() {
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
    done: Done,
    /// The ids that redriven letters got: what the recorder sets aside again of them is not redriven in the same run.
    sent: BTreeSet<String>,
}

/// Letters that are handed out and stay so until the round ends: id, buyer and receipt.
#[derive(Default)]
struct HeldBack {
    letters: BTreeMap<String, (String, String)>,
}

impl HeldBack {
    /// `false` if it was held back before: its time had run out, and it was handed out again.
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
    async fn round(&mut self, held_back: &mut HeldBack) -> Result<(), Failure> {
        loop {
            let mut letters = self.queue.receive().await?;
            if letters.is_empty() {
                return Ok(());
            }
            let cut_off = cut_off(&mut letters);
            self.queue.release(&cut_off).await;
            let mut is_new = false;
            for letter in letters {
                is_new |= self.settle(letter, held_back).await;
            }
            // A whole batch of old acquaintances: their time has run out, and there is nobody else.
            if !is_new || self.is_enough() {
                return Ok(());
            }
            if held_back.letters.len() >= MOST_HELD_BACK {
                self.done.is_cut_short = true;
                return Ok(());
            }
        }
    }

    /// Tells whether it was not seen before in this round.
    async fn settle(&mut self, mut letter: Letter, held_back: &mut HeldBack) -> bool {
        let is_stopped = self.done.failures.iter().any(|(failed, _)| failed.buyer == letter.buyer);
        let is_ours = letter.source_id().is_some_and(|id| self.sent.contains(&id));
        if is_stopped || is_ours || !self.selection.takes(&letter, self.now) {
            return held_back.keep(&letter);
        }
        let result = match self.doing {
            Doing::Looking => {
                let is_new = held_back.keep(&letter);
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
                held_back.keep(&letter);
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

/// Takes the last buyer's letters out of a full batch that began with another buyer's, and tells their receipts: it may
/// have cut them off, and while they are handed out, those behind them are not. Released, they come again whole.
fn cut_off(letters: &mut Vec<Letter>) -> Vec<String> {
    let last = letters.last().map(|letter| letter.buyer.clone());
    let is_whole = letters.len() < HANDED_OUT || letters.first().map(|letter| &letter.buyer) == last.as_ref();
    if is_whole {
        return Vec::new();
    }
    let of_last = letters.extract_if(.., |letter| Some(&letter.buyer) == last.as_ref());
    of_last.map(|letter| letter.receipt).collect()
}

/// Looks for one letter; `None` if SQS does not hand it out.
///
/// # Errors
/// [`Failure::DeadLetters`].
pub async fn find(queue: &DeadLetterQueue, id: &str) -> Result<Option<Letter>, Failure> {
    let mut held_back = HeldBack::default();
    let found = look_for(queue, id, &mut held_back).await;
    queue.release(&held_back.receipts()).await;
    found
}

async fn look_for(
    queue: &DeadLetterQueue,
    id: &str,
    held_back: &mut HeldBack,
) -> Result<Option<Letter>, Failure> {
    loop {
        let mut letters = queue.receive().await?;
        let mut is_new = false;
        let found = letters.iter().find(|letter| letter.id == id).cloned();
        queue.release(&cut_off(&mut letters)).await;
        for letter in letters {
            is_new |= held_back.keep(&letter);
        }
        if found.is_some() || !is_new || held_back.letters.len() >= MOST_HELD_BACK {
            return Ok(found);
        }
    }
}
