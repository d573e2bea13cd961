//! Explains a buyer's history: folds the stream again and combines it with the leads table. Pure.

use contract::stored::{Act, Commit, Emptied};
use domain::{Effect, Event, Fact, LeadId, OfferVersion, Sequence, State};
use jiff::Timestamp;
use leads_store::{About, Outcome, Status};
use serde_json::{Value, json};

/// One line of a buyer's history: a fact, or the remains of a commit whose facts were removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The sequence number.
    pub sequence: Sequence,
    /// The fact, or a note that an older version of the software removed the facts here.
    pub entry: Entry,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// How it was handled on arrival.
    pub fate: Fate,
    /// Whose act it is, if an operator's.
    pub act: Option<Act>,
    /// The leads open after it.
    pub open_leads: Vec<LeadId>,
    /// The effects decided with it, in order.
    pub effects: Vec<Explained>,
}

/// The content of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A fact.
    Fact(Fact),
    /// The facts from this sequence number through `last` were removed by an older version of the software.
    Emptied(Emptied),
}

impl Entry {
    /// The name of the fact, or `emptied`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Fact(fact) => fact.name(),
            Self::Emptied(_) => "emptied",
        }
    }

    /// The event, if the fact is one.
    #[must_use]
    pub const fn event(&self) -> Option<&Event> {
        match self {
            Self::Fact(fact) => fact.event(),
            Self::Emptied(_) => None,
        }
    }
}

/// How a fact was handled on arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The event was the next version of its offer.
    Applied {
        /// The held versions that were applied after it.
        released: Vec<OfferVersion>,
    },
    /// The event was early and was held until its predecessor comes.
    Held,
    /// The event was already recorded and changed nothing.
    Duplicate,
    /// The fact is not an event; it was folded.
    Taken,
}

impl Fate {
    /// The name of the fate: `applied`, `held`, `duplicate` or `taken`.
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

/// An effect and its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// The effect.
    pub effect: Effect,
    /// Its status.
    pub settled: Settled,
    /// The reason from the e-mail ledger, if it has one, for example an error code.
    pub reason: Option<String>,
    /// Who had the e-mail sent again, and why.
    pub act: Option<Act>,
}

/// The status of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The cursor has not reached it.
    Pending,
    /// An e-mail that a worker has claimed.
    Sending,
    /// An e-mail that was certainly not sent and will be retried.
    Retry,
    /// It was performed.
    Sent,
    /// An earlier effect of the same key has the e-mail, sent or attempted.
    AlreadySent,
    /// A later fact overtook it.
    Superseded,
    /// An e-mail that was refused permanently.
    Rejected,
    /// An e-mail that may have been sent.
    Unknown,
    /// An e-mail that was given up.
    Abandoned,
    /// An effect decided in shadow, which the former system performed.
    Suppressed,
}

impl Settled {
    /// The name of the status.
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
            // `passed` is never stored: the ledger has the e-mail.
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

/// Folds a whole stream again, fact by fact, and determines the status of each stored effect. Performs nothing.
#[must_use]
pub fn explain(commits: &[Commit], about: &About) -> Vec<Line> {
    let mut lines = Vec::new();
    explain_some(commits, about, |_| true, |line, _| lines.push(line));
    lines
}

/// Like [`explain`], but passes on only the lines whose number, from 0, is wanted, each with the state after it. Returns
/// the state after all. A long stream with many open leads would not fit into memory as lines.
pub(crate) fn explain_some(
    commits: &[Commit],
    about: &About,
    is_wanted: impl Fn(usize) -> bool,
    mut take: impl FnMut(Line, &State),
) -> State {
    let mut state = State::default();
    let mut numbers = 0..;
    let mut is_next_wanted = || numbers.next().is_some_and(&is_wanted);
    for commit in commits {
        if let Some(emptied) = commit.emptied
            && is_next_wanted()
        {
            let line = Line {
                sequence: commit.first,
                entry: Entry::Emptied(emptied),
                recorded_at: commit.recorded_at,
                fate: Fate::Taken,
                act: commit.act.clone(),
                open_leads: Vec::new(),
                effects: commit.effects.iter().map(|effect| explained(effect, commit, about)).collect(),
            };
            take(line, &state);
        }
        for fact in &commit.facts {
            let fate = fold(&mut state, fact);
            if !is_next_wanted() {
                continue;
            }
            let effects = commit.effects.iter().filter(|effect| effect.sequence == state.sequence);
            let line = Line {
                sequence: state.sequence,
                entry: Entry::Fact(fact.clone()),
                recorded_at: commit.recorded_at,
                fate,
                act: commit.act.clone(),
                open_leads: state.open_leads().collect(),
                effects: effects.map(|effect| explained(effect, commit, about)).collect(),
            };
            take(line, &state);
        }
    }
    state
}

/// Folds a fact and returns its fate.
fn fold(state: &mut State, fact: &Fact) -> Fate {
    let Some(event) = fact.event() else {
        state.fold(fact);
        return Fate::Taken;
    };
    let is_held = state.held.get(&event.offer).is_some_and(|held| held.contains_key(&event.version));
    let next = state.next_version_of(&event.offer);
    state.fold(fact);
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

/// The status of one effect. An effect decided in shadow is suppressed, because the former system performs it. For all
/// others these sources decide, in this order:
///
/// 1. The effect's own ledger entry, if it is `sent`.
/// 2. The stored outcome of the effect.
/// 3. The effect's own ledger entry.
/// 4. The cursor, if it has not reached the effect: it is pending.
/// 5. The ledger entry of the same key: a later opening took the e-mail over, or an earlier effect has it.
/// 6. The cursor, which has passed the effect: it was performed.
pub(crate) fn explained(effect: &Effect, commit: &Commit, about: &About) -> Explained {
    if commit.is_shadow {
        // No outcome is stored for it: the cursor only moves past it.
        return Explained { effect: effect.clone(), settled: Settled::Suppressed, reason: None, act: None };
    }
    let key = effect.key();
    let is_past = effect.sequence <= about.cursor.through;
    let entry = about.ledger.get(&key).filter(|_| effect.kind.is_email());
    let of_this = entry.filter(|entry| entry.sequence == effect.sequence);
    let outcome = about.settled.get(&effect.sequence).and_then(|outcomes| outcomes.get(&key));
    let settled = match (outcome, of_this) {
        // The worker may have crashed after sending, and a later fact may have overtaken the premise since then.
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
    let (reason, act) = of_this.map(|entry| (entry.reason.clone(), entry.act.clone())).unwrap_or_default();
    Explained { effect: effect.clone(), settled, reason, act }
}

/// A buyer's mode, which decides whether Leadstream or the former system announces its leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The buyer is in shadow: the former system announces its leads.
    Shadow {
        /// Whether an answer of the former system is recorded.
        is_asked: bool,
    },
    /// The buyer is live: Leadstream announces its leads since the former system handed it over.
    HandedOver {
        /// The sequence number at which the handover was recorded.
        at: Sequence,
    },
    /// The buyer is live and was never handed over.
    Live,
}

impl Mode {
    /// The mode after a whole stream, given oldest commit first.
    #[must_use]
    pub fn of(commits: &[Commit]) -> Self {
        let (mut is_asked, mut handed_over) = (false, None);
        for commit in commits {
            for (number, fact) in (commit.first.get()..).zip(&commit.facts) {
                match fact {
                    Fact::Migrated(_) => is_asked = true,
                    Fact::HandedOver(_) => handed_over = Some(Sequence::new(number)),
                    Fact::Reset(kept) => is_asked = kept.as_ref().is_some_and(|state| state.is_asked),
                    Fact::Event(_) | Fact::Voided { .. } | Fact::Erased(_) => {}
                }
            }
        }
        match (commits.last().is_none_or(|commit| commit.is_shadow), handed_over) {
            (true, _) => Self::Shadow { is_asked },
            (false, Some(at)) => Self::HandedOver { at },
            (false, None) => Self::Live,
        }
    }

    /// The mode as text.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::Shadow { is_asked: true } => {
                "in shadow; an answer of the former system is recorded".to_owned()
            }
            Self::Shadow { is_asked: false } => {
                "in shadow; the former system has not been asked yet".to_owned()
            }
            Self::HandedOver { at } => format!("live; handed over at sequence number {at}"),
            Self::Live => "live".to_owned(),
        }
    }

    pub(crate) fn json(self) -> Value {
        match self {
            Self::Shadow { is_asked } => json!({ "is": "shadow", "isAsked": is_asked }),
            Self::HandedOver { at } => json!({ "is": "handed-over", "handedOverAt": at.get() }),
            Self::Live => json!({ "is": "live" }),
        }
    }
}
