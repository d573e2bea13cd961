//! Facts other than events: answers of the former system, voided gaps, and buyers reset, erased or handed over.

#![expect(clippy::unwrap_used, reason = "test code")]

mod handover;

use std::collections::BTreeMap;

use domain::{
    Arrival, CloseReason, Effect, EffectKind, Event, Fact, FormerLeadId, Known, OfferVersion, Offers,
    Sequence, Stage, State,
};
use proptest::prelude::*;
use testkit::{acceptance_withdrawn, accepted, append, contact, made, offer, rejected, withdrawn};

fn given(facts: &[Fact]) -> State {
    let mut state = State::default();
    for fact in facts {
        state.fold(fact);
    }
    state
}

fn events(events: &[Event]) -> Vec<Fact> {
    events.iter().cloned().map(Fact::from).collect()
}

/// The former system's answer after it has processed these events.
fn known(events_there: &[Event]) -> Fact {
    let State { mut offers, .. } = given(&events(events_there));
    offers.change_each(|_, offer| offer.digests.clear());
    Fact::Migrated(Box::new(Known { offers: offers.into(), ..Known::default() }))
}

fn voided(name: &str, through: u32) -> Fact {
    Fact::Voided { offer: offer(name), through: OfferVersion::new(through).unwrap() }
}

#[track_caller]
fn then(mut before: State, fact: &Fact, effects: &[&str], open: &[&str]) -> State {
    let decided: Vec<String> = append(&mut before, fact.clone()).iter().map(Effect::key).collect();
    assert_eq!(decided, effects);
    let leads: Vec<String> = before.open_leads().map(|lead| lead.to_string()).collect();
    assert_eq!(leads, open);
    before
}

/// The leads that a fact closes, with their reasons.
fn closings(mut state: State, fact: &Fact) -> Vec<(String, CloseReason)> {
    let closed = append(&mut state, fact.clone()).into_iter().filter_map(|effect| match effect.kind {
        EffectKind::LeadClosed { lead, reason } => Some((lead.to_string(), reason)),
        EffectKind::QuoteRequest { .. }
        | EffectKind::LeadOpened { .. }
        | EffectKind::AcceptedEmail { .. }
        | EffectKind::QuoteInvitation { .. } => None,
    });
    closed.collect()
}

fn reasons(state: State, fact: &Fact) -> Vec<CloseReason> {
    closings(state, fact).into_iter().map(|(_, reason)| reason).collect()
}

#[test]
fn a_migrated_answer_opens_leads_without_effects() {
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
fn a_buyer_invited_by_the_former_system_is_not_invited_again() {
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
fn events_known_to_the_former_system_are_duplicates() {
    let state = given(&[known(&[made("car-1"), accepted("car-1").v(2)])]);
    assert_eq!(state.arrival_of(&made("car-1")), Arrival::Duplicate);
    assert_eq!(state.arrival_of(&withdrawn("car-1").v(3)), Arrival::Next);
}

#[test]
fn voiding_a_gap_releases_the_events_held_behind_it() {
    let state = given(&events(&[made("car-1"), acceptance_withdrawn("car-1").v(4)]));
    let state = then(state, &voided("car-1", 3), &[], &["low/1"]);
    assert_eq!((state.version_of(&offer("car-1")), state.held_count()), (OfferVersion::new(4), 0));
    assert_eq!(state.arrival_of(&accepted("car-1").v(2)), Arrival::Voided);
    assert_eq!(state.arrival_of(&acceptance_withdrawn("car-1").v(4)), Arrival::Duplicate);
    assert_eq!(state.arrival_of(&accepted("car-1").v(5)), Arrival::Next);
}

#[test]
fn voiding_a_gap_has_the_effects_of_the_released_events() {
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
fn events_held_within_a_voided_gap_are_applied() {
    let state = given(&events(&[made("car-1"), accepted("car-1").v(3), withdrawn("car-1").v(6)]));
    let state = then(state, &voided("car-1", 5), &["closed/low/1"], &[]);
    let known = &state.offers[&offer("car-1")];
    assert_eq!((known.stage, known.version.get()), (Stage::Closed, 6));
    let void: Vec<u32> =
        (1..=6).filter(|version| known.is_void(OfferVersion::new(*version).unwrap())).collect();
    assert_eq!(void, [2, 4, 5]);
}

#[test]
fn an_offer_whose_first_versions_are_void_has_no_effects() {
    let state = given(&events(&[accepted("car-1").v(2)]));
    let state = then(state, &voided("car-1", 1), &[], &[]);
    assert_eq!(state.offers[&offer("car-1")].stage, {
        let at = OfferVersion::new(2).unwrap();
        Stage::Accepted { at, since: at }
    });
    then(state, &acceptance_withdrawn("car-1").v(3).into(), &[], &[]);
}

#[test]
fn the_highest_version_can_be_voided() {
    let state = then(given(&events(&[made("car-1")])), &voided("car-1", u32::MAX), &[], &["low/1"]);
    assert_eq!(state.version_of(&offer("car-1")), OfferVersion::new(u32::MAX));
}

#[test]
fn a_reset_keeps_only_the_sequence() {
    let mut state = given(&[known(&[made("car-1")]), accepted("car-1").v(2).into()]);
    assert!(state.is_asked);
    state.fold(&Fact::Reset(None));
    assert_eq!(state, State { sequence: Sequence::new(3), ..State::default() });
}

#[test]
fn a_reset_by_an_older_version_continues_from_its_state() {
    let kept = given(&events(&[made("car-1")]));
    let state = given(&[Fact::Reset(Some(Box::new(kept.clone())))]);
    assert_eq!((state.offers, state.low_lead), (kept.offers, kept.low_lead));
}

#[test]
fn the_newer_version_of_each_offer_wins_and_held_events_follow() {
    let here = events(&[made("car-1"), accepted("car-1").v(2), made("car-2"), withdrawn("car-3").v(3)]);
    let there = [made("car-1"), made("car-2"), rejected("car-2").v(2), made("car-3"), accepted("car-3").v(2)];
    let state = then(given(&here), &known(&there), &[], &["high/car-1/2"]);
    let stages: Vec<(u32, Stage)> =
        state.offers.values().map(|offer| (offer.version.get(), offer.stage)).collect();
    let at = OfferVersion::new(2).unwrap();
    assert_eq!(stages, [(2, Stage::Accepted { at, since: at }), (2, Stage::Closed), (3, Stage::Closed)]);
    assert_eq!(state.held_count(), 0);
}

#[test]
fn a_known_contact_or_car_is_never_lost() {
    let Fact::Migrated(mut there) = known(&[made("car-1"), accepted("car-1").v(2)]) else { unreachable!() };
    for offer in there.offers.values_mut() {
        (offer.contact, offer.car) = (None, None);
    }
    let state = given(&[made("car-1").into(), Fact::Migrated(there)]);
    let offer = &state.offers[&offer("car-1")];
    assert_eq!((offer.version.get(), offer.contact.is_some(), offer.car.is_some()), (2, true, true));
}

#[test]
fn an_offer_that_reopens_is_quoted_once() {
    // Made and withdrawn are applied in one chain: the offer was never open here, so no quote was requested.
    let state = given(&events(&[withdrawn("car-1").v(2), made("car-1")]));
    let again = acceptance_withdrawn("car-1").v(3).into();
    let state = then(state, &again, &["quote/car-1", "opened/low/3", "quote-email"], &["low/3"]);
    let state = then(state, &withdrawn("car-1").v(4).into(), &["closed/low/3"], &[]);
    then(state, &acceptance_withdrawn("car-1").v(5).into(), &["opened/low/5", "quote-email"], &["low/5"]);
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
    let erased = Fact::Erased(None);
    assert!(reasons(before.clone(), &erased).iter().all(|reason| *reason == CloseReason::Erased));
    let state = then(before, &erased, &["closed/high/car-1/2", "closed/high/car-2/2"], &[]);
    assert!(state.is_erased && state.offers.values().all(|offer| offer.contact.is_none()));
    let rest: Vec<&Event> = state.held.values().flat_map(|held| held.values()).collect();
    assert_eq!(rest, [&rejected("car-4").v(3).without_personal_data()]);
    assert_eq!(state.sequence, Sequence::new(7));
}

#[test]
fn an_erased_buyer_never_gets_a_lead_again() {
    let before = given(&events(&[made("car-1")]));
    let state = then(before, &Fact::Erased(None), &["closed/low/1"], &[]);
    let state = then(state, &made("car-2").without_personal_data().into(), &[], &[]);
    let state = then(state, &accepted("car-2").v(2).into(), &[], &[]);
    assert_eq!(state.offers[&offer("car-2")].version, OfferVersion::new(2).unwrap());
    assert_eq!(state.arrival_of(&made("car-2").without_personal_data()), Arrival::Duplicate);
}

#[test]
fn removing_personal_data_keeps_the_rest_of_an_event() {
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

/// An arbitrary fact of those that this version writes.
fn any_fact() -> impl Strategy<Value = Fact> {
    let there = || {
        let events = prop::collection::vec(any_event(), 0..8);
        (events, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
            |(events, is_low, is_high, invited)| {
                let Fact::Migrated(mut known) = known(&events) else { unreachable!() };
                let lead = |name: &str| FormerLeadId::parse(name).unwrap();
                known.was_invited = invited;
                known.low_lead = is_low.then(|| lead("F-low"));
                for (id, offer) in known.offers.iter_mut().filter(|(_, offer)| offer.accepted_at().is_some())
                {
                    offer.former_lead = is_high.then(|| lead(&format!("F-{id}")));
                }
                known
            },
        )
    };
    prop_oneof![
        12 => any_event().prop_map(Fact::Event),
        1 => (1..5_u32).prop_map(|through| voided("car-1", through)),
        1 => there().prop_map(Fact::Migrated),
        1 => there().prop_map(Fact::HandedOver),
        1 => Just(Fact::Erased(None)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// The state of an erased buyer does not depend on whether contacts and free text were removed before the erasure.
    #[test]
    fn erasing_gives_the_same_state_with_and_without_personal_data(
        before in prop::collection::vec(any_fact(), 0..12),
        after in prop::collection::vec(any_event(), 0..6),
    ) {
        let mut whole = given(&before);
        let mut forgotten = given(&before.iter().map(Fact::without_personal_data).collect::<Vec<_>>());
        whole.fold(&Fact::Erased(None));
        forgotten.fold(&Fact::Erased(None));
        prop_assert_eq!(&whole, &forgotten);
        for event in after {
            let event = event.without_personal_data();
            prop_assert_eq!(append(&mut whole, &event), append(&mut forgotten, &event));
        }
        prop_assert_eq!(whole, forgotten);
    }

    /// After any fact, the offers determine whether the low lead is open.
    #[test]
    fn a_low_lead_is_open_exactly_while_the_offers_call_for_one(
        before in prop::collection::vec(any_fact(), 0..12),
        last in any_fact(),
    ) {
        let mut after = given(&before);
        let effects = append(&mut after, last);
        prop_assert_eq!(after.low_lead.is_some(), after.has_low_lead());
        let counted_anew = Offers::from(BTreeMap::from(after.offers.clone()));
        prop_assert_eq!(&counted_anew, &after.offers);
        for effect in &effects {
            prop_assert!(after.still_calls_for(&effect.kind), "{:?}", effect);
        }
    }
}
