//! `leads tail`: what is being recorded and performed, as it happens.
//!
//! Of all buyers it sees the commits in the index `feed`: those with effects, or after which events are held. Of one
//! buyer it reads the stream itself and so sees every commit.

mod rows;

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::pin::pin;

use contract::stored::{self, Commit};
use domain::{BuyerId, Sequence};
use event_store::{Commits as _, StoreError, load, slice, tail_after};
use futures::future::{Either, select};
use jiff::{SignedDuration, Timestamp};
use platform::clock::{Clock as _, SystemClock};

use crate::args::Tail;
use crate::output::{Output, interrupted};
use crate::pass::rest;
use crate::{Exit, Failure, Tables};
use rows::Row;

/// How often, in seconds, is looked for new commits.
const POLL: u32 = 2;

/// How far back each look begins before the previous one: an index entry may arrive late, or a slow clock may have
/// written it.
const OVERLAP: SignedDuration = SignedDuration::from_secs(30);

/// The number of commits read at once from each partition of the index.
const AT_ONCE: usize = 100;

/// The number of commits whose effects are awaited. Beyond it, the oldest is no longer awaited.
const MOST_AWAITED: usize = 1000;

/// The number of commits whose effects are looked at again in one round.
const AGAIN: usize = 20;

pub(crate) async fn command<O: Write, E: Write>(
    tail: &Tail,
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    output.aside(match &tail.buyer {
        Some(_) => "Reading the buyer's stream. Ctrl-C ends.",
        None => {
            "Reading the index of commits with effects or held events; --buyer shows every commit of a buyer. Ctrl-C ends."
        }
    })?;
    output.err.flush().map_err(Failure::Write)?;
    let mut follower = Follower { tail, tables, output, awaited: VecDeque::new() };
    match select(pin!(follower.follow()), pin!(interrupted())).await {
        Either::Left((ended, _)) => ended?,
        Either::Right(_) => {}
    }
    output.flush()?;
    Ok(Exit::Good)
}

struct Follower<'a, 'o, O, E> {
    tail: &'a Tail,
    tables: &'a Tables,
    output: &'a mut Output<'o, O, E>,
    /// Commits whose effects are not all settled, with only those that are not reported yet.
    awaited: VecDeque<Commit>,
}

/// The place up to which a look has come.
enum Place {
    /// In the stream of one buyer.
    Stream(BuyerId, Sequence),
    /// In the index: the start, the place, and the commits seen in the overlap.
    Feed { start: Timestamp, after: Timestamp, seen: BTreeMap<(BuyerId, Sequence), Timestamp> },
}

impl<O: Write, E: Write> Follower<'_, '_, O, E> {
    /// Follows until writing fails. A request that fails is reported and repeated, because an outage may be what is
    /// being watched; only the first look must succeed.
    async fn follow(&mut self) -> Result<(), Failure> {
        let mut place = self.start().await?;
        let mut has_looked = false;
        loop {
            let looked = match self.look(&mut place).await {
                Ok(is_through) if is_through => self.look_again().await.map(|()| true),
                looked => looked,
            };
            self.output.flush()?;
            match looked {
                Ok(false) => {}
                Ok(true) => rest(f64::from(POLL), 1).await,
                Err(failure @ Failure::Write(_)) => return Err(failure),
                Err(failure) if !has_looked => return Err(failure),
                Err(failure) => {
                    failure.print(self.output.err);
                    rest(f64::from(POLL), 1).await;
                }
            }
            has_looked = true;
        }
    }

    async fn start(&self) -> Result<Place, Failure> {
        let Some(buyer) = &self.tail.buyer else {
            // From the tick before, so that the first look reads something and finds a missing permission.
            let since = self.tail.since.unwrap_or_else(|| SystemClock.now());
            let start = earlier(since, SignedDuration::from_millis(1));
            return Ok(Place::Feed { start, after: start, seen: BTreeMap::new() });
        };
        let failed = |source| Failure::Stream { buyer: buyer.clone(), source };
        let streams = &self.tables.streams;
        let last = match self.tail.since {
            None => load(streams, buyer).await.map_err(failed)?.state.sequence,
            Some(since) => {
                let commits = event_store::history(streams, buyer).await.map_err(failed)?;
                let earlier = commits.iter().take_while(|commit| commit.recorded_at < since);
                earlier.last().map(Commit::last).unwrap_or_default()
            }
        };
        Ok(Place::Stream(buyer.clone(), last))
    }

    /// Shows what follows the place. Returns whether everything recorded so far is shown.
    async fn look(&mut self, place: &mut Place) -> Result<bool, Failure> {
        let tables = self.tables;
        match place {
            Place::Stream(buyer, last) => {
                let read = tail_after(&tables.streams, buyer, Some(*last)).await;
                let (_, commits) = read.map_err(|source| Failure::Stream { buyer: buyer.clone(), source })?;
                self.pause(1).await;
                for commit in commits {
                    *last = commit.last();
                    self.show(commit).await?;
                }
                Ok(true)
            }
            Place::Feed { start, after, seen } => {
                let until = SystemClock.now();
                let read = slice(&tables.streams, *after, until, AT_ONCE).await;
                let slice = read.map_err(Failure::Streams)?;
                // One request for each partition.
                self.pause(8).await;
                for entry in slice.entries {
                    let key = (entry.buyer, entry.sequence);
                    if seen.contains_key(&key) {
                        continue;
                    }
                    let commit = self.commit(&key.0, key.1).await?;
                    seen.insert(key, entry.recorded_at);
                    if let Some(commit) = commit {
                        self.show(commit).await?;
                    }
                }
                let is_through = slice.through >= until;
                *after = if is_through { earlier(until, OVERLAP).max(*start) } else { slice.through };
                seen.retain(|_, recorded_at| *recorded_at > *after);
                Ok(is_through)
            }
        }
    }

    /// Reads one commit. One that this version cannot read is reported, and the others go on.
    async fn commit(&mut self, buyer: &BuyerId, sequence: Sequence) -> Result<Option<Commit>, Failure> {
        let failed = |source| Failure::Stream { buyer: buyer.clone(), source };
        let page = self.tables.streams.page(buyer, Some(sequence.next()), 1).await.map_err(failed)?;
        self.pause(1).await;
        match page.commits.first().map(stored::decode).transpose() {
            Ok(commit) => Ok(commit),
            Err(error) => {
                failed(StoreError::Undecodable(error)).print(self.output.err);
                Ok(None)
            }
        }
    }

    /// Shows a commit, and its effects as far as they are settled.
    async fn show(&mut self, commit: Commit) -> Result<(), Failure> {
        for row in rows::facts(&commit, self.tail.contact) {
            self.write(&row)?;
        }
        if commit.effects.is_empty() { Ok(()) } else { self.settle(commit).await }
    }

    /// Looks again at effects that were not settled.
    async fn look_again(&mut self) -> Result<(), Failure> {
        for _ in 0..AGAIN.min(self.awaited.len()) {
            let Some(commit) = self.awaited.pop_front() else { break };
            self.settle(commit).await?;
        }
        Ok(())
    }

    /// Shows the effects that are settled, and awaits the others.
    async fn settle(&mut self, mut commit: Commit) -> Result<(), Failure> {
        let buyer = commit.buyer.clone();
        let about = match self.tables.leads.about(&buyer).await {
            Ok(about) => about,
            Err(source) => {
                self.awaited.push_back(commit);
                return Err(Failure::Leads { buyer, source });
            }
        };
        self.pause(1).await;
        let (rows, open) = rows::settled(&commit, &about, SystemClock.now());
        for row in rows {
            self.write(&row)?;
        }
        if !open.is_empty() {
            commit.effects = open;
            self.awaited.push_back(commit);
        }
        if self.awaited.len() > MOST_AWAITED
            && let Some(oldest) = self.awaited.pop_front()
        {
            let (buyer, sequence) = (&oldest.buyer, oldest.first);
            self.output.aside(&format!("The effects of {buyer}/{sequence} are no longer awaited."))?;
        }
        Ok(())
    }

    fn write(&mut self, row: &Row) -> Result<(), Failure> {
        let line = if self.output.is_json { row.json().to_string() } else { row.text() };
        self.output.line(&line)
    }

    async fn pause(&self, requests: u32) {
        rest(f64::from(requests), self.tail.rate).await;
    }
}

fn earlier(moment: Timestamp, by: SignedDuration) -> Timestamp {
    moment.saturating_sub(by).unwrap_or(Timestamp::MIN)
}
