//! Decides on one buyer's events against a head; all new events of a batch go into one commit.

use std::borrow::Cow;

use domain::{Arrival, Event, Known, Sequence, State};
use event_store::{Appending, Head, handed_over, migrated};

use crate::dead_letters::Cause;

/// The decision on one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The event is recorded at this sequence number.
    Recorded(Sequence),
    /// The event is recorded at this sequence number and held, because an earlier version is missing.
    Held(Sequence),
    /// The event is already recorded.
    Duplicate,
    /// The event can never be recorded.
    Dead(Cause),
}

impl Decision {
    /// The sequence at which the event is recorded, if it is.
    pub(crate) const fn sequence(&self) -> Option<Sequence> {
        match self {
            Self::Recorded(sequence) | Self::Held(sequence) => Some(*sequence),
            Self::Duplicate | Self::Dead(_) => None,
        }
    }
}

/// The decisions on a buyer's events, in order, and the commit to append.
#[derive(Debug)]
pub(crate) struct Decided {
    pub(crate) decisions: Vec<Decision>,
    pub(crate) appending: Appending,
}

/// How a buyer's standing between shadow and live changes with these events.
///
/// Source of the rules: `docs/adr/0021-beside-the-former-system.md`.
#[derive(Debug, Clone)]
pub(crate) enum Standing {
    /// The buyer stays live or in shadow, as before.
    Same,
    /// The buyer goes live, because it has no facts yet and there is no former system.
    New,
    /// The buyer stays in shadow, and the former system's answer is recorded before the events.
    Migrated(Known),
    /// The buyer goes live, and the former system's answer is recorded after the events, even if none of them is new.
    HandedOver(Known),
}

impl Decided {
    /// Whether an event is refused. A refusal must not be decided on a remembered head, which may be stale.
    pub(crate) fn has_dead(&self) -> bool {
        self.decisions.iter().any(|decision| matches!(decision, Decision::Dead(_)))
    }
}

/// The decision on each message, in order: the next of `decisions` for a message that is an event, otherwise a dead
/// letter with its cause. `None` for an event without a decision.
pub(crate) fn for_each_message<'a, T: 'a>(
    read: &'a [Result<T, Cause>],
    decisions: Vec<Decision>,
) -> impl Iterator<Item = Option<Decision>> + 'a {
    let mut decisions = decisions.into_iter();
    read.iter().map(move |read| match read {
        Ok(_) => decisions.next(),
        Err(cause) => Some(Decision::Dead(cause.clone())),
    })
}

/// Decides on events one after the other.
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
            // The former system's answer is recorded afterwards and may fill the gap.
            (Arrival::Early, _) | (Arrival::TooManyHeld, Standing::HandedOver(_)) => Decision::Held(sequence),
            (Arrival::Duplicate, _) => Decision::Duplicate,
            (Arrival::Contradiction, _) => Decision::Dead(Cause::Contradiction),
            (Arrival::Voided, _) => Decision::Dead(Cause::Voided),
            (Arrival::TooManyHeld, _) => Decision::Dead(Cause::TooManyHeld),
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

/// The event in the form in which it may be recorded: without personal data if the buyer is erased.
fn as_recordable<'a>(event: &'a Event, state: &State) -> Cow<'a, Event> {
    if state.is_erased { Cow::Owned(event.without_personal_data()) } else { Cow::Borrowed(event) }
}

#[cfg(test)]
mod tests {
    use domain::{Known, Sequence, State};
    use event_store::Head;
    use testkit::{accepted, made, withdrawn};

    use super::{Cause, Decision, Standing, decide, for_each_message};

    #[test]
    fn an_undecided_event_is_never_taken_for_a_duplicate() {
        let read = [Ok(1), Err(Cause::WrongGroup), Ok(2), Ok(3)];
        let decisions: Vec<_> = for_each_message(&read, vec![Decision::Duplicate]).collect();
        let dead = Decision::Dead(Cause::WrongGroup);
        assert_eq!(decisions, [Some(Decision::Duplicate), Some(dead), None, None]);
    }

    #[test]
    fn an_event_counts_as_held_only_if_the_former_systems_answer_does_not_fill_its_gap() {
        let mut state = State::default();
        for event in [made("car-1"), accepted("car-1").v(2)] {
            state.fold(&event.into());
        }
        let known = Known { offers: state.offers.into(), ..Known::default() };
        let events = [withdrawn("car-1").v(3), withdrawn("car-1").v(5), withdrawn("car-2").v(2)];
        let decided = decide(Head::default(), &Standing::HandedOver(known), events.iter());
        let held = |number| Decision::Held(Sequence::new(number));
        assert_eq!(decided.decisions, [Decision::Recorded(Sequence::new(1)), held(2), held(3)]);
    }
}
