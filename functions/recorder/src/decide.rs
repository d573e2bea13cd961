//! What becomes of one buyer's events: decided against a head, all of a batch in one commit.

use std::borrow::Cow;

use domain::{Arrival, Event, Known, Sequence, State};
use event_store::{Appending, Head, handed_over, migrated};

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
}

/// What is to become of a buyer beside the former system, with these events.
///
/// Source of the rules: `docs/adr/0021-beside-the-former-system.md`.
#[derive(Debug, Clone)]
pub(crate) enum Standing {
    /// Nothing: live or in shadow as before.
    Same,
    /// Goes live, for there is no former system, and nothing is recorded yet.
    New,
    /// Stays in shadow; what the former system knows is recorded first.
    Migrated(Known),
    /// Goes live; what the former system answered is recorded last, even if no event is new.
    HandedOver(Known),
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

/// Decides events one after the other.
pub(crate) fn decide<'a>(
    head: Head,
    standing: &Standing,
    events: impl Iterator<Item = &'a Event> + Clone,
) -> Decided {
    let mut appending = Appending::onto(head);
    match standing {
        Standing::New => appending = appending.live(),
        Standing::Migrated(known) => appending.take(migrated(appending.state(), known)),
        Standing::Same | Standing::HandedOver(_) => {}
    }
    let mut decisions = Vec::new();
    for event in events.clone() {
        let event = &as_recordable(event, appending.state());
        let sequence = appending.state().sequence.next();
        let decision = match (appending.state().arrival_of(event), standing) {
            (Arrival::Next, _) => Decision::Recorded(sequence),
            // What the former system knows follows, and may fill the gap.
            (Arrival::Early, _) | (Arrival::TooManyHeld, Standing::HandedOver(_)) => Decision::Held(sequence),
            (Arrival::Duplicate, _) => Decision::Duplicate,
            (Arrival::Contradiction, _) => Decision::Dead(Reason::Contradiction),
            (Arrival::Voided, _) => Decision::Dead(Reason::Voided),
            (Arrival::TooManyHeld, _) => Decision::Dead(Reason::TooManyHeld),
        };
        if matches!(decision, Decision::Recorded(_) | Decision::Held(_)) {
            appending.take(Event::clone(event).into());
        }
        decisions.push(decision);
    }
    if let Standing::HandedOver(known) = standing {
        appending.take(handed_over(appending.state(), known));
        for (event, decision) in events.zip(&mut decisions) {
            if let Decision::Held(sequence) = *decision
                && appending.state().version_of(&event.offer) >= Some(event.version)
            {
                *decision = Decision::Recorded(sequence);
            }
        }
    }
    Decided { decisions, appending }
}

/// The event as it may be recorded of this buyer.
fn as_recordable<'a>(event: &'a Event, state: &State) -> Cow<'a, Event> {
    if state.is_erased { Cow::Owned(event.without_personal_data()) } else { Cow::Borrowed(event) }
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
