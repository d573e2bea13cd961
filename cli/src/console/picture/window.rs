//! One page of a buyer's history: at most [`EVENTS`] lines, and the state after each.

use std::ops::Range;

use contract::stored::Commit;
use domain::{Fact, OfferId, Stage, State};

use crate::{Entry, Line};

/// The number of events on a page, so that each has its place in the picture.
const EVENTS: usize = 50;

/// The number of offers that have a lane of their own.
const OFFERS: usize = 12;

/// A page of a buyer's history.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// The number of lines of the whole history.
    pub(crate) total: usize,
    /// The number of pages.
    pub(crate) pages: usize,
    /// The number of this page; 1 is the newest.
    pub(crate) number: usize,
    first: usize,
    end: usize,
    /// The offers that this page's events name, as far as they have a lane.
    pub(super) offers: Vec<OfferId>,
    /// The number of further offers that they name.
    pub(super) other_offers: usize,
    /// What came just before the page.
    pub(super) before: Option<Step>,
    /// The page's lines, oldest first.
    pub(crate) steps: Vec<Step>,
}

/// A line of the history, with the stages after it of the offers that have a lane.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) line: Line,
    pub(super) stages: Vec<Option<Stage>>,
}

impl Window {
    /// The place of a page in a history; pages beyond the oldest are the oldest.
    pub(crate) fn of(commits: &[Commit], number: usize) -> Self {
        let lines = commits.iter().map(|commit| commit.facts.len() + usize::from(commit.emptied.is_some()));
        let total = lines.sum();
        let pages = usize::div_ceil(total, EVENTS);
        let number = number.clamp(1, pages.max(1));
        let end = total.saturating_sub((number - 1) * EVENTS);
        let first = end.saturating_sub(EVENTS);
        let mut window = Self { total, pages, number, first, end, ..Self::default() };
        let mut line = 0;
        let mut offers: Vec<&OfferId> = Vec::new();
        for commit in commits {
            line += usize::from(commit.emptied.is_some());
            for fact in &commit.facts {
                if (first..end).contains(&line) {
                    offers.extend(named(fact));
                }
                line += 1;
            }
        }
        for offer in offers {
            if !window.offers.contains(offer) {
                window.offers.push(offer.clone());
            }
        }
        window.other_offers = window.offers.len().saturating_sub(OFFERS);
        window.offers.truncate(OFFERS);
        window
    }

    /// The lines that the window needs: its own, and the last one before it.
    pub(crate) const fn wanted(&self) -> Range<usize> {
        self.first.saturating_sub(1)..self.end
    }

    /// Adds a line that the window needs, with the state after it.
    pub(crate) fn add(&mut self, line: Line, state: &State) {
        let stages = self.offers.iter().map(|offer| state.offers.get(offer).map(|known| known.stage));
        let step = Step { line, stages: stages.collect() };
        if self.first > 0 && self.before.is_none() && self.steps.is_empty() {
            self.before = Some(step);
        } else {
            self.steps.push(step);
        }
    }
}

impl Step {
    /// The offer that the line is about, if it is about one.
    pub(super) fn offer(&self) -> Option<&OfferId> {
        match &self.line.entry {
            Entry::Fact(Fact::Event(event)) => Some(&event.offer),
            Entry::Fact(Fact::Voided { offer, .. }) => Some(offer),
            Entry::Fact(Fact::Migrated(_) | Fact::HandedOver(_) | Fact::Reset(_) | Fact::Erased(_))
            | Entry::Emptied(_) => None,
        }
    }
}

/// The offers that a fact names.
fn named(fact: &Fact) -> Vec<&OfferId> {
    match fact {
        Fact::Event(event) => vec![&event.offer],
        Fact::Voided { offer, .. } => vec![offer],
        Fact::Migrated(known) | Fact::HandedOver(known) => known.offers.keys().collect(),
        Fact::Reset(_) | Fact::Erased(_) => Vec::new(),
    }
}
