//! What becomes of one buyer's events: decided against a head, all of a batch in one commit.

use std::borrow::Cow;

use contract::stored::Commit;
use domain::{Arrival, Event, Fact, Sequence, State};
use event_store::{Appending, Head};

use crate::dead_letters::Reason;

/// What becomes of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is recorded at this sequence number.
    Recorded(Sequence),
    /// It is recorded, and waits for an earlier version.
    Held(Sequence),
    /// It is recorded already.
    Duplicate,
    /// It can never be recorded.
    Dead(Reason),
}

/// Decisions about a buyer's events, in their order, and what is to be appended.
#[derive(Debug)]
pub(crate) struct Decided {
    pub(crate) decisions: Vec<Decision>,
    pub(crate) appending: Appending,
    /// Whether a repeat was too old for the state: then the history must be asked, and all decided again.
    pub(crate) needs_history: bool,
}

impl Decided {
    /// Whether something is refused: never on a remembered head, for it may be stale.
    pub(crate) fn has_dead(&self) -> bool {
        self.decisions.iter().any(|decision| matches!(decision, Decision::Dead(_)))
    }
}

/// What becomes of each message, in their order: of those that are events the next decision, of the others their reason.
/// `None` for an event that was not decided.
pub(crate) fn in_turn<'a, T: 'a>(
    read: &'a [Result<T, Reason>],
    decisions: Vec<Decision>,
) -> impl Iterator<Item = Option<Decision>> + 'a {
    let mut decisions = decisions.into_iter();
    read.iter().map(move |read| match read {
        Ok(_) => decisions.next(),
        Err(reason) => Some(Decision::Dead(reason.clone())),
    })
}

/// Decides events one after the other. `history` is the whole stream, if it was read; `known` what a former system knows of
/// the buyer, who is seen for the first time.
pub(crate) fn decide<'a>(
    head: Head,
    history: Option<&[Commit]>,
    known: Option<&State>,
    events: impl IntoIterator<Item = &'a Event>,
) -> Decided {
    let mut appending = Appending::onto(head);
    // Written even if it contains all of these events already: the former system has handed the buyer over by answering.
    if let Some(known) = known {
        appending.take(Fact::Migrated(Box::new(known.clone())));
    }
    let mut needs_history = false;
    let mut decisions = Vec::new();
    for event in events {
        let event = &as_recordable(event, appending.state());
        let sequence = appending.state().sequence.next();
        let decision = match appending.state().arrival_of(event) {
            Arrival::Next => Decision::Recorded(sequence),
            Arrival::Early => Decision::Held(sequence),
            Arrival::Duplicate => Decision::Duplicate,
            Arrival::Contradiction => Decision::Dead(Reason::Contradiction),
            Arrival::Voided => Decision::Dead(Reason::Voided),
            Arrival::TooManyHeld => Decision::Dead(Reason::TooManyHeld),
            Arrival::OldRepeat => {
                if let Some(history) = history {
                    let facts = history.iter().flat_map(|commit| &commit.facts).chain(appending.facts());
                    compare(event, facts.filter_map(Fact::event), appending.state())
                } else {
                    needs_history = true;
                    Decision::Duplicate
                }
            }
        };
        if matches!(decision, Decision::Recorded(_) | Decision::Held(_)) {
            appending.take(Event::clone(event).into());
        }
        decisions.push(decision);
    }
    Decided { decisions, appending, needs_history }
}

/// The event as it may be recorded of this buyer.
fn as_recordable<'a>(event: &'a Event, state: &State) -> Cow<'a, Event> {
    if state.is_erased { Cow::Owned(event.without_personal_data()) } else { Cow::Borrowed(event) }
}

/// Compares an old repeat with what was recorded of its offer version.
fn compare<'a>(event: &Event, mut recorded: impl Iterator<Item = &'a Event>, state: &State) -> Decision {
    let known = recorded.find(|known| known.offer == event.offer && known.version == event.version);
    match known {
        // An erased buyer's commits may not be emptied yet: they say more than may be said now.
        Some(known) if as_recordable(known, state).change.digest() != event.change.digest() => {
            Decision::Dead(Reason::Contradiction)
        }
        Some(_) | None => Decision::Duplicate,
    }
}

#[cfg(test)]
mod tests {
    use super::{Decision, Reason, in_turn};

    #[test]
    fn an_event_without_decision_is_never_taken_for_a_duplicate() {
        let read = [Ok(1), Err(Reason::WrongGroup), Ok(2), Ok(3)];
        let becomes: Vec<_> = in_turn(&read, vec![Decision::Duplicate]).collect();
        let dead = Decision::Dead(Reason::WrongGroup);
        assert_eq!(becomes, [Some(Decision::Duplicate), Some(dead), None, None]);
    }
}
