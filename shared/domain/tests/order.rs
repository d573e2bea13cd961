//! "We will always result in the same state regardless of a glitch in order of delivery": every permutation of a
//! history, with repeats, ends in the same offers and open leads.
//!
//! A second implementation computes the expected result here from the *set* of events alone; it shares no code with the
//! fold.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::collections::{BTreeMap, BTreeSet};

use domain::{Arrival, EffectKind, Event, LeadId, OfferChange, OfferId, OfferVersion, Stage, State};
use proptest::prelude::*;
use testkit::{acceptance_withdrawn, accepted, append, made, rejected, withdrawn};

/// The offers with their version and stage, the offers with a high lead, and whether the low lead is open.
type Ending = (BTreeMap<OfferId, (u32, &'static str)>, BTreeSet<OfferId>, bool);

fn expected(events: &[Event]) -> Ending {
    let by_place: BTreeMap<(&OfferId, u32), &Event> =
        events.iter().map(|event| ((&event.offer, event.version.get()), event)).collect();
    let mut offers = BTreeMap::new();
    for offer in events.iter().map(|event| &event.offer).collect::<BTreeSet<_>>() {
        let fitting = (1..).map_while(|version| by_place.get(&(offer, version)));
        if let Some(last) = fitting.last() {
            let stage = match last.change {
                OfferChange::Made { .. } | OfferChange::AcceptanceWithdrawn => "pending",
                OfferChange::Accepted => "accepted",
                OfferChange::Rejected { .. } | OfferChange::Withdrawn => "closed",
            };
            offers.insert(offer.clone(), (last.version.get(), stage));
        }
    }
    let high: BTreeSet<OfferId> =
        offers.iter().filter(|(_, (_, stage))| *stage == "accepted").map(|(id, _)| id.clone()).collect();
    let low = high.is_empty() && offers.values().any(|(_, stage)| *stage == "pending");
    (offers, high, low)
}

fn end_of(head: &State) -> Ending {
    let offers = head
        .offers
        .iter()
        .map(|(id, offer)| {
            let stage = match offer.stage {
                Stage::Pending => "pending",
                Stage::Accepted { .. } => "accepted",
                Stage::Closed => "closed",
            };
            (id.clone(), (offer.version.get(), stage))
        })
        .collect();
    let mut high = BTreeSet::new();
    let mut low = false;
    for lead in head.open_leads() {
        match lead {
            LeadId::Low { .. } => low = true,
            LeadId::High { offer, .. } => drop(high.insert(offer)),
            LeadId::Former { .. } => unreachable!("no former system"),
        }
    }
    (offers, high, low)
}

/// Folds the events in this order. Every third event is offered again at once and all of them at the end, as an SQS
/// redelivery would do; each must be a duplicate.
fn check(order: &[&Event], expected: &Ending) {
    let mut state = State::default();
    let mut decided = BTreeSet::new();
    let mut open = BTreeSet::new();
    for (position, event) in order.iter().enumerate() {
        let before = state.clone();
        assert!(matches!(state.arrival_of(event), Arrival::Next | Arrival::Early));
        let effects = append(&mut state, *event);
        for effect in &effects {
            // Each opening of the low lead calls for the invitation; its single key makes it a single e-mail.
            let is_unique = !matches!(effect.kind, EffectKind::QuoteInvitation { .. });
            assert!(decided.insert(effect.key()) || !is_unique, "decided twice: {}", effect.key());
            match &effect.kind {
                EffectKind::LeadOpened { lead, .. } => assert!(open.insert(lead.to_string())),
                EffectKind::LeadClosed { lead, .. } => assert!(open.remove(&lead.to_string())),
                EffectKind::QuoteRequest { .. }
                | EffectKind::AcceptedEmail { .. }
                | EffectKind::QuoteInvitation { .. } => {}
            }
        }
        let listed: BTreeSet<String> = state.open_leads().map(|lead| lead.to_string()).collect();
        assert_eq!(open, listed, "openings and closings add up to the open leads");
        if end_of(&before).1 == end_of(&state).1 && end_of(&before).2 == end_of(&state).2 {
            let changed = effects.iter().any(|effect| {
                matches!(effect.kind, EffectKind::LeadOpened { .. } | EffectKind::AcceptedEmail { .. })
            });
            assert!(
                !changed,
                "an arrival that leaves the same leads open opens none and sends no acceptance e-mail"
            );
        }
        if position % 3 == 0 {
            assert_is_repeat(&state, event);
        }
    }
    for event in order {
        assert_is_repeat(&state, event);
    }
    assert_eq!(&end_of(&state), expected);
    for (id, offer) in state.offers.iter().filter(|(_, offer)| offer.stage != Stage::Closed) {
        assert!(offer.contact.is_none() || decided.contains(&format!("quote/{id}")), "no quote for {id}");
    }
}

#[track_caller]
fn assert_is_repeat(state: &State, event: &Event) {
    assert_eq!(state.arrival_of(event), Arrival::Duplicate);
}

/// Checks every permutation of the events, by Heap's algorithm, and returns their number.
fn for_every_permutation(events: &[Event]) -> usize {
    fn permute(order: &mut Vec<&Event>, size: usize, expected: &Ending, count: &mut usize) {
        if size <= 1 {
            check(order, expected);
            *count += 1;
            return;
        }
        for index in 0..size {
            permute(order, size - 1, expected, count);
            order.swap(if size.is_multiple_of(2) { index } else { 0 }, size - 1);
        }
    }
    let mut order: Vec<&Event> = events.iter().collect();
    let mut count = 0;
    permute(&mut order, events.len(), &expected(events), &mut count);
    count
}

#[test]
fn all_40320_orders_of_eight_events_end_in_the_same_state() {
    let history = [
        made("car-1"),
        accepted("car-1").v(2),
        acceptance_withdrawn("car-1").v(3),
        accepted("car-1").v(4),
        made("car-2"),
        rejected("car-2").v(2),
        made("car-3"),
        accepted("car-3").v(2),
    ];
    assert_eq!(for_every_permutation(&history), 40_320);
}

#[test]
fn all_40320_orders_with_a_gap_end_in_the_same_state() {
    let history = [
        made("car-1"),
        accepted("car-1").v(2),
        rejected("car-1").v(4),
        made("car-2"),
        accepted("car-2").v(2),
        acceptance_withdrawn("car-2").v(3),
        withdrawn("car-2").v(4),
        accepted("car-3").v(2),
    ];
    assert_eq!(for_every_permutation(&history), 40_320);
}

/// Up to 8 events of up to 3 offers. Each offer has consecutive versions, of which one may be missing.
fn history() -> impl Strategy<Value = Vec<Event>> {
    let change = prop_oneof![4 => Just(0), 2 => Just(1), 1 => Just(2), 1 => Just(3)];
    let offer = (proptest::collection::vec(change, 0..4), proptest::option::weighted(0.2, 0..4_usize));
    proptest::collection::vec(offer, 1..=3).prop_map(|offers| {
        let mut events = Vec::new();
        for (name, (changes, gap)) in ["car-1", "car-2", "car-3"].into_iter().zip(offers) {
            let mut run = vec![made(name)];
            for (change, version) in changes.into_iter().zip(2..) {
                let builder = match change {
                    0 => accepted(name),
                    1 => acceptance_withdrawn(name),
                    2 => rejected(name),
                    _ => withdrawn(name),
                };
                run.push(builder.v(version));
            }
            if let Some(gap) = gap.filter(|gap| *gap < run.len()) {
                run.remove(gap);
            }
            events.extend(run);
        }
        events.truncate(8);
        events
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_order_of_a_short_history_ends_in_the_same_state(
        history in history().prop_filter("short", |events| events.len() <= 6)
    ) {
        for_every_permutation(&history);
    }

    #[test]
    fn shuffled_histories_end_in_the_same_state(
        (history, order) in history().prop_flat_map(|events| {
            let places: Vec<usize> = (0..events.len()).collect();
            (Just(events), Just(places).prop_shuffle())
        })
    ) {
        let shuffled: Vec<&Event> = order.iter().map(|place| &history[*place]).collect();
        check(&shuffled, &expected(&history));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_40320_orders_of_any_eight_events_end_in_the_same_state(
        history in history().prop_filter("eight events", |events| events.len() == 8)
    ) {
        prop_assert_eq!(for_every_permutation(&history), 40_320);
    }
}

#[test]
fn offer_versions_never_wrap_around() {
    let last = OfferVersion::new(u32::MAX).unwrap();
    assert_eq!(last.next(), last);
}

#[test]
fn a_version_once_reached_is_never_next_again() {
    for number in [1, OfferVersion::LAST.get(), u32::MAX] {
        let event = testkit::accepted("car-1").v(number);
        let mut state = State::default();
        state.fold(&testkit::made("car-1").into());
        let reached = |offer: &mut domain::Offer| {
            offer.version = OfferVersion::new(number).unwrap();
            offer.digests.insert(event.version, event.change.digest());
        };
        state.offers.change(&event.offer, reached).unwrap();
        assert_eq!(state.arrival_of(&event), Arrival::Duplicate, "{number}");
    }
}
