//! Why things are as they are: a stream and what the world was told, put side by side. Pure.

use contract::stored::{Commit, Emptied};
use domain::{Effect, Event, Fact, LeadId, OfferVersion, Sequence, State};
use jiff::Timestamp;
use leads_store::{About, Outcome, Status};

/// One fact of a buyer's history, or what is left of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its place in the stream.
    pub sequence: Sequence,
    /// What happened.
    pub entry: Entry,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// What became of it on arrival.
    pub fate: Fate,
    /// The leads open after it.
    pub open_leads: Vec<LeadId>,
    /// What it called for, in order.
    pub effects: Vec<Explained>,
}

/// What a place in the stream holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A fact.
    Fact(Fact),
    /// Nothing any more: the facts from here to `last` were taken out.
    Emptied(Emptied),
}

impl Entry {
    /// The word for it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Fact(fact) => fact.name(),
            Self::Emptied(_) => "emptied",
        }
    }

    /// The event, if it is one.
    #[must_use]
    pub const fn event(&self) -> Option<&Event> {
        match self {
            Self::Fact(fact) => fact.event(),
            Self::Emptied(_) => None,
        }
    }
}

/// What became of an event on arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It was its offer's next version.
    Applied {
        /// The versions that had been held for it and were applied with it.
        released: Vec<OfferVersion>,
    },
    /// It was early, and waits for what comes before it.
    Held,
    /// It was recorded already, and changed nothing.
    Duplicate,
    /// It was no event.
    Taken,
}

impl Fate {
    /// `applied`, `held`, `duplicate` or `taken`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Applied { .. } => "applied",
            Self::Held => "held",
            Self::Duplicate => "duplicate",
            Self::Taken => "taken",
        }
    }
}

/// An effect and how it was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// What was to be done.
    pub effect: Effect,
    /// How that stands.
    pub settled: Settled,
    /// Why, where the e-mail ledger says so: an error code.
    pub reason: Option<String>,
}

/// How an effect stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The cursor has not come to it yet.
    Pending,
    /// An e-mail that a worker is at.
    Sending,
    /// An e-mail that was definitely not sent, and is tried again.
    Retry,
    /// It went out.
    Sent,
    /// Its one e-mail went out, or was tried, for an earlier effect of the same key.
    AlreadySent,
    /// A later fact had overtaken it.
    Superseded,
    /// It can never go out.
    Rejected,
    /// An e-mail that may have gone out.
    Unknown,
    /// An e-mail that was given up.
    Abandoned,
    /// Another system performed it.
    Suppressed,
}

impl Settled {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sending => Status::Sending.name(),
            Self::Retry => Status::Retry.name(),
            Self::Sent => Outcome::Sent.name(),
            Self::AlreadySent => Outcome::AlreadySent.name(),
            Self::Superseded => Outcome::Superseded.name(),
            Self::Rejected => Outcome::Rejected.name(),
            Self::Unknown => Outcome::Unknown.name(),
            Self::Abandoned => Status::Abandoned.name(),
            Self::Suppressed => Outcome::Suppressed.name(),
        }
    }
}

impl From<Outcome> for Settled {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Sent => Self::Sent,
            Outcome::AlreadySent => Self::AlreadySent,
            // `passed` is never written: the ledger has the mail.
            Outcome::Unknown | Outcome::Passed => Self::Unknown,
            Outcome::Rejected => Self::Rejected,
            Outcome::Superseded => Self::Superseded,
            Outcome::Suppressed => Self::Suppressed,
            Outcome::Retry => Self::Retry,
            Outcome::Abandoned => Self::Abandoned,
        }
    }
}

impl From<Status> for Settled {
    fn from(status: Status) -> Self {
        match status {
            Status::Sending => Self::Sending,
            Status::Sent => Self::Sent,
            Status::Rejected => Self::Rejected,
            Status::Retry => Self::Retry,
            Status::Unknown => Self::Unknown,
            Status::Abandoned => Self::Abandoned,
            Status::Superseded => Self::Superseded,
            Status::Suppressed => Self::Suppressed,
        }
    }
}

/// Folds a whole stream again, event by event, and says of each effect how it was settled. Performs nothing.
#[must_use]
pub fn explain(commits: &[Commit], about: &About) -> Vec<Line> {
    let mut state = State::default();
    let mut lines = Vec::new();
    for commit in commits {
        if let Some(emptied) = commit.emptied {
            lines.push(Line {
                sequence: commit.first,
                entry: Entry::Emptied(emptied),
                recorded_at: commit.recorded_at,
                fate: Fate::Taken,
                open_leads: Vec::new(),
                effects: commit.effects.iter().map(|effect| explained(effect, commit, about)).collect(),
            });
        }
        for fact in &commit.facts {
            let fate = fold(&mut state, fact);
            let effects = commit.effects.iter().filter(|effect| effect.sequence == state.sequence);
            lines.push(Line {
                sequence: state.sequence,
                entry: Entry::Fact(fact.clone()),
                recorded_at: commit.recorded_at,
                fate,
                open_leads: state.open_leads().collect(),
                effects: effects.map(|effect| explained(effect, commit, about)).collect(),
            });
        }
    }
    lines
}

/// Folds a fact and tells what became of it. The effects that count are those decided then, not those that this fold would
/// decide.
fn fold(state: &mut State, fact: &Fact) -> Fate {
    let Some(event) = fact.event() else {
        drop(state.fold_fact(fact));
        return Fate::Taken;
    };
    let is_held = state.held.get(&event.offer).is_some_and(|held| held.contains_key(&event.version));
    let next = state.next_version_of(&event.offer);
    drop(state.fold(event));
    if event.version == next {
        let through = state.version_of(&event.offer).unwrap_or(event.version);
        Fate::Applied { released: versions_after(event.version, through) }
    } else if event.version < next || is_held {
        Fate::Duplicate
    } else {
        Fate::Held
    }
}

fn versions_after(first: OfferVersion, last: OfferVersion) -> Vec<OfferVersion> {
    (first.get()..last.get()).filter_map(|before| OfferVersion::new(before + 1)).collect()
}

/// The former system performs what was decided in shadow. Of all else: a mail that the ledger says went out did; then what was written of the effect's settling; then the rest of the
/// ledger, which is responsible for every mail that the cursor has passed: this effect's entry, or that of a later opening
/// that took its mail over, or of an earlier one that has it. Then the cursor: any other effect behind it went out.
fn explained(effect: &Effect, commit: &Commit, about: &About) -> Explained {
    if commit.is_shadow {
        // Nothing is written of it: the cursor only moves past.
        return Explained { effect: effect.clone(), settled: Settled::Suppressed, reason: None };
    }
    let key = effect.key();
    let is_past = effect.sequence <= about.cursor.through;
    let entry = about.ledger.get(&key).filter(|_| effect.kind.is_email());
    let of_this = entry.filter(|entry| entry.sequence == effect.sequence);
    let outcome = about.settled.get(&effect.sequence).and_then(|outcomes| outcomes.get(&key));
    let settled = match (outcome, of_this) {
        // It may have been sent, its worker crashed, and its reason been overtaken since.
        (_, Some(entry)) if entry.status == Status::Sent => Settled::Sent,
        (Some(outcome), _) => Settled::from(*outcome),
        (_, Some(entry)) => Settled::from(entry.status),
        (_, None) if !is_past => Settled::Pending,
        (_, None) => match entry {
            None => Settled::Sent,
            Some(entry) if entry.sequence > effect.sequence => Settled::Superseded,
            Some(entry) if entry.status == Status::Sent => Settled::AlreadySent,
            Some(entry) => Settled::from(entry.status),
        },
    };
    Explained { effect: effect.clone(), settled, reason: of_this.and_then(|entry| entry.reason.clone()) }
}
