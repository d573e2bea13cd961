//! Facts that are no events: what a former system hands over, gaps declared void, buyers given back and forgotten.

#![expect(clippy::unwrap_used, reason = "test code")]

use domain::{
    Arrival, CloseReason, Effect, EffectKind, Event, Fact, Offer, OfferVersion, Sequence, Stage, State,
};
use proptest::prelude::*;
use testkit::{acceptance_withdrawn, accepted, contact, made, offer, rejected, withdrawn};

fn given(facts: &[Fact]) -> State {
    let mut state = State::default();
    for fact in facts {
        state.fold_fact(fact);
    }
    state
}

fn events(events: &[Event]) -> Vec<Fact> {
    events.iter().cloned().map(Fact::from).collect()
}

/// What a former system knows after these events.
fn known(events_there: &[Event]) -> Fact {
    let State { mut offers, .. } = given(&events(events_there));
    for offer in offers.values_mut() {
        offer.digests.clear();
    }
    Fact::Migrated(Box::new(State { offers, ..State::default() }))
}

fn voided(name: &str, through: u32) -> Fact {
    Fact::Voided { offer: offer(name), through: OfferVersion::new(through).unwrap() }
}

#[track_caller]
fn then(mut before: State, fact: &Fact, effects: &[&str], open: &[&str]) -> State {
    let decided: Vec<String> = before.fold_fact(fact).iter().map(Effect::key).collect();
    assert_eq!(decided, effects);
    let leads: Vec<String> = before.open_leads().map(|lead| lead.to_string()).collect();
    assert_eq!(leads, open);
    before
}

fn reasons(mut before: State, fact: &Fact) -> Vec<CloseReason> {
    let closed = before.fold_fact(fact).into_iter().filter_map(|effect| match effect.kind {
        EffectKind::LeadClosed { reason, .. } => Some(reason),
        EffectKind::QuoteRequest { .. }
        | EffectKind::LeadOpened { .. }
        | EffectKind::AcceptedEmail { .. }
        | EffectKind::QuoteInvitation { .. } => None,
    });
    closed.collect()
}

#[test]
fn what_a_former_system_hands_over_opens_leads_and_announces_none() {
    then(State::default(), &known(&[made("car-1")]), &[], &["low/1"]);
    let state =
        then(State::default(), &known(&[made("car-1"), accepted("car-1").v(2)]), &[], &["high/car-1/2"]);
    then(
        state,
        &acceptance_withdrawn("car-1").v(3).into(),
        &["closed/high/car-1/2", "opened/low/2", "quote-email"],
        &["low/2"],
    );
}

#[test]
fn whoever_was_invited_before_is_not_invited_again() {
    let Fact::Migrated(mut known) = known(&[made("car-1"), accepted("car-1").v(2)]) else { unreachable!() };
    known.was_invited = true;
    let state = given(&[Fact::Migrated(known)]);
    then(
        state,
        &acceptance_withdrawn("car-1").v(3).into(),
        &["closed/high/car-1/2", "opened/low/2"],
        &["low/2"],
    );
}

#[test]
fn an_event_that_a_former_system_knew_is_an_old_repeat() {
    let state = given(&[known(&[made("car-1"), accepted("car-1").v(2)])]);
    assert_eq!(state.arrival_of(&made("car-1")), Arrival::OldRepeat);
    assert_eq!(state.arrival_of(&withdrawn("car-1").v(3)), Arrival::Next);
}

#[test]
fn a_void_gap_sets_free_what_waited_behind_it() {
    let state = given(&events(&[made("car-1"), acceptance_withdrawn("car-1").v(4)]));
    let state = then(state, &voided("car-1", 3), &[], &["low/1"]);
    assert_eq!((state.version_of(&offer("car-1")), state.held_count()), (OfferVersion::new(4), 0));
    assert_eq!(state.arrival_of(&accepted("car-1").v(2)), Arrival::Voided);
    assert_eq!(state.arrival_of(&acceptance_withdrawn("car-1").v(4)), Arrival::Duplicate);
    assert_eq!(state.arrival_of(&accepted("car-1").v(5)), Arrival::Next);
}

#[test]
fn effects_of_a_void_gap_are_those_of_what_was_set_free() {
    let state = given(&events(&[made("car-1"), accepted("car-1").v(3)]));
    then(
        state,
        &voided("car-1", 2),
        &["closed/low/1", "opened/high/car-1/3", "accepted-email/car-1/3"],
        &["high/car-1/3"],
    );
    let state = given(&events(&[made("car-1"), rejected("car-1").v(3)]));
    assert_eq!(reasons(state, &voided("car-1", 2)), [CloseReason::OfferRejected]);
}

#[test]
fn events_held_within_a_void_gap_are_applied() {
    let state = given(&events(&[made("car-1"), accepted("car-1").v(3), withdrawn("car-1").v(6)]));
    let state = then(state, &voided("car-1", 5), &["closed/low/1"], &[]);
    let known = &state.offers[&offer("car-1")];
    assert_eq!((known.stage, known.version.get()), (Stage::Closed, 6));
    let void: Vec<u32> =
        (1..=6).filter(|version| known.is_void(OfferVersion::new(*version).unwrap())).collect();
    assert_eq!(void, [2, 4, 5]);
}

#[test]
fn an_offer_whose_beginning_is_void_has_nobody_to_reach_and_no_effects() {
    let state = given(&events(&[accepted("car-1").v(2)]));
    let state = then(state, &voided("car-1", 1), &[], &[]);
    assert_eq!(state.offers[&offer("car-1")].stage, Stage::Accepted { at: OfferVersion::new(2).unwrap() });
    then(state, &acceptance_withdrawn("car-1").v(3).into(), &[], &[]);
}

#[test]
fn the_last_version_there_is_may_be_declared_void() {
    let state = then(given(&events(&[made("car-1")])), &voided("car-1", u32::MAX), &[], &["low/1"]);
    assert_eq!(state.version_of(&offer("car-1")), OfferVersion::new(u32::MAX));
}

#[test]
fn a_buyer_given_back_is_seen_for_the_first_time_again_and_keeps_the_names_of_its_leads() {
    let history = events(&[made("car-1"), made("car-2"), accepted("car-2").v(2)]);
    let before = given(&history);
    assert!(State::default().is_first_sight() && !before.is_first_sight());
    let reset = before.reset();
    let state = then(before, &reset, &[], &["high/car-2/2"]);
    assert!(state.is_first_sight());

    // The former system has seen more: car-2's acceptance taken back and given again, car-3 made.
    let there = [
        made("car-1"),
        made("car-2"),
        accepted("car-2").v(2),
        acceptance_withdrawn("car-2").v(3),
        accepted("car-2").v(4),
        made("car-3"),
    ];
    let state = then(state, &known(&there), &["quote/car-3"], &["high/car-2/2"]);
    assert!(!state.is_first_sight());
}

#[test]
fn what_changed_while_a_buyer_was_given_back_is_announced() {
    let before = given(&events(&[made("car-1"), accepted("car-1").v(2)]));
    let reset = before.reset();
    let state = then(before, &reset, &[], &["high/car-1/2"]);
    let there = [
        made("car-1"),
        accepted("car-1").v(2),
        withdrawn("car-1").v(3),
        made("car-2"),
        accepted("car-2").v(2),
    ];
    let migrated = known(&there);
    assert_eq!(reasons(state.clone(), &migrated), [CloseReason::Reset]);
    let effects = ["quote/car-2", "closed/high/car-1/2", "opened/high/car-2/2", "accepted-email/car-2/2"];
    then(state, &migrated, &effects, &["high/car-2/2"]);
}

#[test]
fn a_buyer_given_back_whom_the_former_system_does_not_know_goes_on() {
    let before = given(&events(&[made("car-1")]));
    let reset = before.reset();
    let state = then(before, &reset, &[], &["low/1"]);
    then(
        state,
        &accepted("car-1").v(2).into(),
        &["closed/low/1", "opened/high/car-1/2", "accepted-email/car-1/2"],
        &["high/car-1/2"],
    );
}

#[test]
fn erasing_a_buyer_closes_every_lead_and_keeps_nothing_personal() {
    let mut talkative = rejected("car-4").v(3);
    talkative.change = domain::OfferChange::Rejected { reason: Some(contact().name) };
    let before = given(&events(&[
        made("car-1"),
        accepted("car-1").v(2),
        made("car-2"),
        accepted("car-2").v(2),
        made("car-3"),
        talkative,
    ]));
    let erased = before.erased();
    assert!(reasons(before.clone(), &erased).iter().all(|reason| *reason == CloseReason::Erased));
    let state = then(before, &erased, &["closed/high/car-1/2", "closed/high/car-2/2"], &[]);
    assert!(state.is_erased && state.offers.values().all(|offer| offer.contact.is_none()));
    let rest: Vec<&Event> = state.held.values().flat_map(|held| held.values()).collect();
    assert_eq!(rest, [&rejected("car-4").v(3).without_personal_data()]);
    assert_eq!(state.sequence, Sequence::new(7));
}

#[test]
fn an_erased_buyer_never_has_a_lead_again() {
    let before = given(&events(&[made("car-1")]));
    let erased = before.erased();
    let state = then(before, &erased, &["closed/low/1"], &[]);
    let state = then(state, &made("car-2").without_personal_data().into(), &[], &[]);
    let state = then(state, &accepted("car-2").v(2).into(), &[], &[]);
    assert_eq!(state.offers[&offer("car-2")].version, OfferVersion::new(2).unwrap());
    assert_eq!(state.arrival_of(&made("car-2").without_personal_data()), Arrival::Duplicate);
}

#[test]
fn an_event_without_personal_data_says_all_else() {
    let event = made("car-1").without_personal_data();
    assert!(!format!("{event:?}").contains("Contact("));
    assert_eq!((event.offer, event.version), (offer("car-1"), OfferVersion::FIRST));
    assert_eq!(accepted("car-1").v(2).without_personal_data(), accepted("car-1").v(2));
    assert_ne!(made("car-1").change.digest(), made("car-1").without_personal_data().change.digest());
}

fn any_event() -> impl Strategy<Value = Event> {
    (0..3_usize, 1..6_u32, 0..4_usize).prop_map(|(offer, version, kind)| {
        let name = ["car-1", "car-2", "car-3"][offer];
        match (version, kind) {
            (1, _) => made(name),
            (_, 0) => accepted(name).v(version),
            (_, 1) => acceptance_withdrawn(name).v(version),
            (_, 2) => rejected(name).v(version),
            (..) => withdrawn(name).v(version),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Reset and erased facts carry all that a fold needs: what came before may be emptied.
    #[test]
    fn a_fresh_start_folds_the_same_onto_nothing(
        before in prop::collection::vec(any_event(), 0..12),
        is_reset: bool,
        after in prop::collection::vec(any_event(), 0..6),
    ) {
        let mut whole = given(&events(&before));
        let fact = if is_reset { whole.reset() } else { whole.erased() };
        let mut fresh = State::default();
        whole.fold_fact(&fact);
        fresh.fold_fact(&fact);
        prop_assert_eq!(&whole, &fresh);
        for event in after {
            let event = if whole.is_erased { event.without_personal_data() } else { event };
            prop_assert_eq!(whole.fold(&event), fresh.fold(&event));
        }
        prop_assert_eq!(whole, fresh);
    }

    /// Which leads are open is asked of the offers, after whatever fact.
    #[test]
    fn a_low_lead_is_open_exactly_while_the_offers_call_for_one(
        before in prop::collection::vec(any_event(), 0..12),
        kind in 0..4_usize,
        there in prop::collection::vec(any_event(), 0..8),
        through in 1..5_u32,
    ) {
        let state = given(&events(&before));
        let fact = match kind {
            0 => state.reset(),
            1 => state.erased(),
            2 => voided("car-1", through),
            _ => known(&there),
        };
        let mut after = state;
        let effects = after.fold_fact(&fact);
        prop_assert_eq!(after.low_lead.is_some(), after.has_low_lead());
        let can_be_reached = |id| after.offers.get(id).is_some_and(|offer: &Offer| offer.contact.is_some());
        prop_assert!(after.low_lead.iter().all(|low| can_be_reached(&low.offer)));
        for effect in &effects {
            prop_assert!(after.still_calls_for(&effect.kind), "{:?}", effect);
        }
    }
}
