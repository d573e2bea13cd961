//! The rules in `ARCHITECTURE.md`, "The rules", one test each.

#![expect(clippy::unwrap_used, reason = "test code")]

use domain::{
    Arrival, CloseReason, Effect, EffectKind, Event, HELD_LIMIT, LeadId, OfferChange, OfferVersion,
    REMEMBERED_DIGESTS, Sequence, State,
};
use testkit::{acceptance_withdrawn, accepted, append, contact, made, made_by, offer, rejected, withdrawn};

struct Given(State);

fn given(events: &[Event]) -> Given {
    let mut state = State::default();
    for event in events {
        state.fold(&event.into());
    }
    Given(state)
}

struct When {
    state: State,
    effects: Vec<Effect>,
}

impl Given {
    fn when(mut self, event: &Event) -> When {
        let effects = append(&mut self.0, event);
        When { state: self.0, effects }
    }
}

impl When {
    #[track_caller]
    fn then_effects(self, keys: &[&str]) -> Self {
        let decided: Vec<String> = self.effects.iter().map(Effect::key).collect();
        assert_eq!(decided, keys);
        self
    }

    #[track_caller]
    fn then_open(self, leads: &[&str]) -> Self {
        let open: Vec<String> = self.state.open_leads().map(|lead| lead.to_string()).collect();
        assert_eq!(open, leads);
        self
    }

    #[track_caller]
    fn then_held(self, count: usize) -> Self {
        assert_eq!(self.state.held_count(), count);
        self
    }
}

fn reason_of(when: &When) -> Vec<CloseReason> {
    when.effects
        .iter()
        .filter_map(|effect| match effect.kind {
            EffectKind::LeadClosed { reason, .. } => Some(reason),
            EffectKind::QuoteRequest { .. }
            | EffectKind::LeadOpened { .. }
            | EffectKind::AcceptedEmail { .. }
            | EffectKind::QuoteInvitation { .. } => None,
        })
        .collect()
}

#[test]
fn a_first_offer_opens_the_low_lead_and_invites_to_a_quote() {
    given(&[])
        .when(&made("car-1"))
        .then_effects(&["quote/car-1", "opened/low/1", "quote-email"])
        .then_open(&["low/1"]);
}

#[test]
fn a_second_offer_is_quoted_and_opens_no_second_low_lead() {
    given(&[made("car-1")]).when(&made("car-2")).then_effects(&["quote/car-2"]).then_open(&["low/1"]);
}

#[test]
fn an_offer_beside_an_accepted_one_opens_no_low_lead() {
    given(&[made("car-1"), accepted("car-1").v(2)])
        .when(&made("car-2"))
        .then_effects(&["quote/car-2"])
        .then_open(&["high/car-1/2"]);
}

#[test]
fn accepting_closes_the_low_lead_opens_a_high_one_and_mails_the_buyer() {
    let when = given(&[made("car-1")]).when(&accepted("car-1").v(2));
    assert_eq!(reason_of(&when), [CloseReason::OfferAccepted]);
    when.then_effects(&["closed/low/1", "opened/high/car-1/2", "accepted-email/car-1/2"])
        .then_open(&["high/car-1/2"]);
}

#[test]
fn every_accepted_offer_has_a_high_lead_of_its_own() {
    given(&[made("car-1"), made("car-2"), accepted("car-1").v(2)])
        .when(&accepted("car-2").v(2))
        .then_effects(&["opened/high/car-2/2", "accepted-email/car-2/2"])
        .then_open(&["high/car-1/2", "high/car-2/2"]);
}

#[test]
fn withdrawing_an_acceptance_opens_a_new_low_lead() {
    let when = given(&[made("car-1"), accepted("car-1").v(2)]).when(&acceptance_withdrawn("car-1").v(3));
    assert_eq!(reason_of(&when), [CloseReason::AcceptanceWithdrawn]);
    when.then_effects(&["closed/high/car-1/2", "opened/low/3", "quote-email"]).then_open(&["low/3"]);
}

#[test]
fn rejecting_an_accepted_offer_closes_its_high_lead_only() {
    let history = [made("car-1"), made("car-2"), accepted("car-1").v(2), accepted("car-2").v(2)];
    let when = given(&history).when(&rejected("car-1").v(3));
    assert_eq!(reason_of(&when), [CloseReason::OfferRejected]);
    when.then_effects(&["closed/high/car-1/2"]).then_open(&["high/car-2/2"]);
}

#[test]
fn the_last_offer_closing_closes_the_low_lead() {
    let when = given(&[made("car-1"), made("car-2"), withdrawn("car-1").v(2)]).when(&withdrawn("car-2").v(2));
    assert_eq!(reason_of(&when), [CloseReason::OfferWithdrawn]);
    when.then_effects(&["closed/low/1"]).then_open(&[]);
}

#[test]
fn a_pending_offer_opens_a_low_lead_when_the_accepted_one_closes() {
    given(&[made("car-1"), made("car-2"), accepted("car-1").v(2)])
        .when(&rejected("car-1").v(3))
        .then_effects(&["closed/high/car-1/2", "opened/low/4", "quote-email"])
        .then_open(&["low/4"]);
}

#[test]
fn an_early_event_is_held_and_has_no_effects() {
    given(&[made("car-1")])
        .when(&acceptance_withdrawn("car-1").v(3))
        .then_effects(&[])
        .then_open(&["low/1"])
        .then_held(1);
}

#[test]
fn a_late_event_reverted_by_held_successors_has_no_effects() {
    given(&[made("car-1"), acceptance_withdrawn("car-1").v(3)])
        .when(&accepted("car-1").v(2))
        .then_effects(&[])
        .then_open(&["low/1"])
        .then_held(0);
}

#[test]
fn an_offer_already_withdrawn_when_it_arrives_has_no_effects() {
    given(&[withdrawn("car-1").v(2)]).when(&made("car-1")).then_effects(&[]).then_open(&[]).then_held(0);
}

#[test]
fn a_lead_open_before_and_after_an_arrival_keeps_its_name() {
    // Accepted at version 2. The withdrawal (3) arrives after the second acceptance (4), so the lead was never
    // announced as closed.
    given(&[made("car-1"), accepted("car-1").v(2), accepted("car-1").v(4)])
        .when(&acceptance_withdrawn("car-1").v(3))
        .then_effects(&[])
        .then_open(&["high/car-1/2"]);
}

#[test]
fn a_second_acceptance_has_its_own_lead_and_e_mail() {
    given(&[made("car-1"), accepted("car-1").v(2), acceptance_withdrawn("car-1").v(3)])
        .when(&accepted("car-1").v(4))
        .then_effects(&["closed/low/3", "opened/high/car-1/4", "accepted-email/car-1/4"]);
}

#[test]
fn same_content_is_a_duplicate_and_other_content_a_contradiction() {
    let Given(state) = given(&[made("car-1"), accepted("car-1").v(2), withdrawn("car-1").v(4)]);
    let mut stranger = contact();
    stranger.email = "other.canary@example.com".to_owned();
    assert_eq!(state.arrival_of(&made("car-1")), Arrival::Duplicate);
    assert_eq!(state.arrival_of(&made_by("car-1", stranger)), Arrival::Contradiction);
    assert_eq!(state.arrival_of(&rejected("car-1").v(2)), Arrival::Contradiction);
    assert_eq!(state.arrival_of(&withdrawn("car-1").v(4)), Arrival::Duplicate, "held");
    assert_eq!(state.arrival_of(&rejected("car-1").v(4)), Arrival::Contradiction, "held");
    assert_eq!(state.arrival_of(&acceptance_withdrawn("car-1").v(3)), Arrival::Next);
    assert_eq!(state.arrival_of(&rejected("car-1").v(5)), Arrival::Early);
}

#[test]
fn versions_older_than_the_remembered_digests_are_duplicates() {
    let mut history = vec![made("car-1")];
    for version in (2..u32::try_from(REMEMBERED_DIGESTS).unwrap() + 2).step_by(2) {
        history.extend([accepted("car-1").v(version), acceptance_withdrawn("car-1").v(version + 1)]);
    }
    let Given(state) = given(&history);
    let is_duplicate = |event: &Event| state.arrival_of(event) == Arrival::Duplicate;
    assert!(history[history.len() - 10..].iter().all(is_duplicate));
    let Event { change: OfferChange::Made { car, .. }, .. } = made("car-2") else { unreachable!() };
    let other = Event { change: OfferChange::Made { car, contact: None }, ..made("car-1") };
    assert_eq!(state.arrival_of(&other), Arrival::Duplicate);
}

#[test]
fn a_closed_offer_remembers_only_its_last_digest() {
    let Given(state) = given(&[made("car-1"), accepted("car-1").v(2), withdrawn("car-1").v(3)]);
    assert_eq!(state.arrival_of(&rejected("car-1").v(2)), Arrival::Duplicate);
    assert_eq!(state.arrival_of(&rejected("car-1").v(3)), Arrival::Contradiction);
}

#[test]
fn events_are_held_up_to_the_limit_and_the_next_one_is_always_taken() {
    let mut state = State::default();
    state.fold(&made("car-1").into());
    for version in 3..3 + u32::try_from(HELD_LIMIT).unwrap() {
        assert_eq!(state.arrival_of(&accepted("car-1").v(version)), Arrival::Early);
        state.fold(&accepted("car-1").v(version).into());
    }
    assert_eq!(state.arrival_of(&accepted("car-2").v(2)), Arrival::TooManyHeld);
    assert_eq!(state.arrival_of(&accepted("car-1").v(2)), Arrival::Next);
    state.fold(&accepted("car-1").v(2).into());
    assert_eq!(state.held_count(), 0);
}

#[test]
fn a_recorded_duplicate_takes_a_sequence_and_changes_nothing_else() {
    let Given(mut state) = given(&[made("car-1"), accepted("car-1").v(2)]);
    let before = state.clone();
    assert_eq!(append(&mut state, accepted("car-1").v(2)), []);
    assert_eq!(state.sequence, Sequence::new(3));
    state.sequence = before.sequence;
    assert_eq!(state, before);
}

#[test]
fn overtaken_effects_are_dropped_except_closings() {
    let calls = |state: &State, kind: &EffectKind| state.still_calls_for(kind);
    let Given(pending) = given(&[made("car-1")]);
    let Given(accepted_once) = given(&[made("car-1"), accepted("car-1").v(2)]);
    let Given(closed) = given(&[made("car-1"), accepted("car-1").v(2), withdrawn("car-1").v(3)]);
    let version = |number| OfferVersion::new(number).unwrap();
    let quote = EffectKind::QuoteRequest { offer: offer("car-1") };
    let invitation = EffectKind::QuoteInvitation { offer: offer("car-1") };
    let mail = EffectKind::AcceptedEmail { offer: offer("car-1"), accepted_at: version(2) };
    let low = LeadId::Low { opened_at: Sequence::new(1) };
    let opening = EffectKind::LeadOpened { lead: low.clone(), offer: offer("car-1") };
    let closing = EffectKind::LeadClosed { lead: low, reason: CloseReason::OfferAccepted };

    assert_eq!(
        [&quote, &invitation, &mail, &opening].map(|kind| calls(&pending, kind)),
        [true, true, false, true]
    );
    assert_eq!(
        [&quote, &invitation, &mail, &opening].map(|kind| calls(&accepted_once, kind)),
        [true, false, true, false]
    );
    assert_eq!([&quote, &invitation, &mail, &opening].map(|kind| calls(&closed, kind)), [false; 4]);
    assert!([&pending, &accepted_once, &closed].iter().all(|state| calls(state, &closing)));
}

#[test]
fn lead_names_parse_back_to_themselves() {
    for name in ["low/7", "high/car-1/2"] {
        assert_eq!(LeadId::parse(name).map(|lead| lead.to_string()).as_deref(), Some(name));
    }
    for wrong in ["", "low", "low/x", "high/car-1", "high/car-1/0", "mid/1"] {
        assert_eq!(LeadId::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn debug_output_contains_no_personal_data() {
    let shown = format!("{:?}", given(&[made("car-1")]).0);
    assert!(shown.contains("car-1") && !shown.to_lowercase().contains("canary") && !shown.contains("+61"));
}
