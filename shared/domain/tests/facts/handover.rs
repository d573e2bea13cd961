//! Buyers handed over by the former system: its announcements remain valid under its names, and Leadstream announces
//! the difference.
//!
//! Rules 4, 7 and 8 of `docs/adr/0021-beside-the-former-system.md`.

use std::collections::BTreeMap;

use domain::{CloseReason, Event, Fact, FormerLeadId, Known, LeadId, Priority, State};
use testkit::{acceptance_withdrawn, accepted, made, offer, rejected, withdrawn};

use crate::{closings, events, given, then, voided};

/// The answer of a former system that has seen these events and has these leads open.
fn there(seen: &[Event], low: Option<&str>, high: &[(&str, &str)], was_invited: bool) -> Fact {
    let mut offers: BTreeMap<_, _> = given(&events(seen)).offers.into();
    for known in offers.values_mut() {
        known.digests.clear();
    }
    for (id, lead) in high {
        offers.get_mut(&offer(id)).unwrap().former_lead = FormerLeadId::parse(lead).ok();
    }
    let low_lead = low.map(|lead| FormerLeadId::parse(lead).unwrap());
    Fact::HandedOver(Box::new(Known { offers, low_lead, was_invited }))
}

#[test]
fn announced_leads_keep_the_names_of_the_former_system() {
    let seen = [made("car-1")];
    then(given(&events(&seen)), &there(&seen, Some("F1"), &[], true), &[], &["F1"]);
    let seen = [made("car-1"), accepted("car-1").v(2)];
    let state = then(State::default(), &there(&seen, None, &[("car-1", "F2")], true), &[], &["F2"]);
    let lead = LeadId::Former { id: FormerLeadId::parse("F2").unwrap(), priority: Priority::High };
    assert!(state.is_asked && state.is_open(&lead));
}

#[test]
fn a_former_lead_is_closed_under_its_name() {
    let low = given(&[there(&[made("car-1")], Some("F1"), &[], true)]);
    let accepting = accepted("car-1").v(2).into();
    let effects = ["closed/F1", "opened/high/car-1/2", "accepted-email/car-1/2"];
    let state = then(low, &accepting, &effects, &["high/car-1/2"]);
    let back = acceptance_withdrawn("car-1").v(3).into();
    then(state, &back, &["closed/high/car-1/2", "opened/low/3"], &["low/3"]);

    let seen = [made("car-1"), accepted("car-1").v(2)];
    let high = given(&[there(&seen, None, &[("car-1", "F2")], false)]);
    then(high, &back, &["closed/F2", "opened/low/2", "quote-email"], &["low/2"]);
}

#[test]
fn a_former_lead_open_before_and_after_a_chain_keeps_its_name() {
    let seen = [made("car-1"), accepted("car-1").v(2)];
    let state = given(&[there(&seen, None, &[("car-1", "F2")], true), accepted("car-1").v(4).into()]);
    then(state, &acceptance_withdrawn("car-1").v(3).into(), &[], &["F2"]);
}

#[test]
fn everything_is_announced_if_the_answer_is_empty() {
    let here = events(&[made("car-1"), made("car-2"), accepted("car-2").v(2)]);
    let effects = ["quote/car-1", "quote/car-2", "opened/high/car-2/2", "accepted-email/car-2/2"];
    then(given(&here), &there(&[], None, &[], false), &effects, &["high/car-2/2"]);
    let effects = ["quote/car-1", "opened/low/2", "quote-email"];
    then(given(&events(&[made("car-1")])), &there(&[], None, &[], false), &effects, &["low/2"]);
}

#[test]
fn changes_since_the_answer_are_announced() {
    let seen = [made("car-1"), accepted("car-1").v(2)];
    let answer = there(&seen, None, &[("car-1", "F2")], true);
    let here = events(&[
        made("car-1"),
        accepted("car-1").v(2),
        withdrawn("car-1").v(3),
        made("car-2"),
        accepted("car-2").v(2),
    ]);
    let effects = ["quote/car-2", "closed/F2", "opened/high/car-2/2", "accepted-email/car-2/2"];
    then(given(&here), &answer, &effects, &["high/car-2/2"]);
}

#[test]
fn a_newer_acceptance_has_its_own_lead_and_e_mail() {
    let seen = [made("car-1"), accepted("car-1").v(2)];
    let answer = there(&seen, None, &[("car-1", "F2")], true);
    // Both acceptances are in one chain, so our own lead would have kept the name of the first one.
    let here = events(&[
        made("car-1"),
        accepted("car-1").v(2),
        accepted("car-1").v(4),
        acceptance_withdrawn("car-1").v(3),
    ]);
    let effects = ["closed/F2", "opened/high/car-1/4", "accepted-email/car-1/4"];
    then(given(&here), &answer, &effects, &["high/car-1/4"]);
}

#[test]
fn an_invitation_depends_on_the_answer_not_on_our_decisions() {
    let here = || given(&events(&[made("car-1"), accepted("car-1").v(2)]));
    let back = acceptance_withdrawn("car-1").v(3).into();
    for (was_invited, effects) in
        [(true, &["closed/F2", "opened/low/4"][..]), (false, &["closed/F2", "opened/low/4", "quote-email"])]
    {
        let seen = [made("car-1"), accepted("car-1").v(2)];
        let mut state = here();
        state.fold(&there(&seen, None, &[("car-1", "F2")], was_invited));
        then(state, &back, effects, &["low/4"]);
    }
}

#[test]
fn our_offer_wins_over_the_answer_at_the_same_version() {
    let here = events(&[made("car-1"), withdrawn("car-1").v(2)]);
    let answer = there(&[made("car-1"), accepted("car-1").v(2)], None, &[("car-1", "F2")], true);
    then(given(&here), &answer, &["closed/F2"], &[]);
}

#[test]
fn only_an_opening_needs_a_contact() {
    let nameless = |seen: &[Event], low, high: &[(&str, &str)]| {
        let Fact::HandedOver(known) = there(seen, low, high, true) else { unreachable!() };
        Fact::HandedOver(Box::new(known.without_personal_data()))
    };
    let low = nameless(&[made("car-1")], Some("F1"), &[]);
    let state = then(State::default(), &low, &[], &["F1"]);
    then(state, &accepted("car-1").v(2).into(), &["closed/F1"], &[]);
    let high = nameless(&[made("car-1"), accepted("car-1").v(2)], None, &[("car-1", "F2")]);
    let state = then(State::default(), &high, &[], &["F2"]);
    then(state, &acceptance_withdrawn("car-1").v(3).into(), &["closed/F2"], &[]);
}

#[test]
fn closings_at_the_handover_carry_the_known_reason() {
    let accepted_one = [made("car-1"), accepted("car-1").v(2)];
    let high = || there(&accepted_one, None, &[("car-1", "F2")], true);
    let since = |event: Event| given(&events(&[made("car-1"), accepted("car-1").v(2), event]));
    let reason = |state, fact: &Fact| closings(state, fact)[0].1;
    assert_eq!(reason(since(acceptance_withdrawn("car-1").v(3)), &high()), CloseReason::AcceptanceWithdrawn);
    assert_eq!(reason(since(rejected("car-1").v(3)), &high()), CloseReason::HandedOver);
    let low = there(&[made("car-1")], Some("F1"), &[], true);
    let mut accepted_since = given(&events(&accepted_one));
    assert_eq!(reason(accepted_since.clone(), &low), CloseReason::OfferAccepted);
    assert_eq!(
        reason(given(&events(&[made("car-1"), withdrawn("car-1").v(2)])), &low),
        CloseReason::HandedOver
    );
    accepted_since.fold(&Fact::Erased(None));
    assert_eq!(closings(accepted_since, &high()), [("F2".to_owned(), CloseReason::Erased)]);
}

#[test]
fn handing_over_an_erased_buyer_leaves_no_lead() {
    let seen = [made("car-1")];
    let state = given(&[made("car-1").into(), Fact::Erased(None)]);
    let Fact::HandedOver(known) = there(&seen, Some("F1"), &[], false) else { unreachable!() };
    let stripped = Fact::HandedOver(Box::new(known.without_personal_data()));
    then(state, &stripped, &["closed/F1"], &[]);
}

#[test]
fn offers_in_the_answer_are_not_quoted_again() {
    let closed = there(&[made("car-1"), withdrawn("car-1").v(2)], None, &[], true);
    let state = given(&[closed]);
    then(state, &acceptance_withdrawn("car-1").v(3).into(), &["opened/low/2"], &["low/2"]);
    // An offer that was recorded here in shadow but is missing in the answer has not been quoted.
    let state = given(&events(&[made("car-1"), withdrawn("car-1").v(2)]));
    let state = then(state, &there(&[], None, &[], true), &[], &[]);
    then(state, &acceptance_withdrawn("car-1").v(3).into(), &["quote/car-1", "opened/low/4"], &["low/4"]);
}

#[test]
fn held_events_are_applied_on_top_of_the_answer() {
    let here = events(&[withdrawn("car-1").v(3)]);
    let answer = there(&[made("car-1"), accepted("car-1").v(2)], None, &[("car-1", "F2")], true);
    let state = then(given(&here), &answer, &["closed/F2"], &[]);
    assert_eq!(state.held_count(), 0);
    let held = given(&[accepted("car-2").v(4).into(), voided("car-2", 2)]);
    assert_eq!(then(held, &answer, &[], &["F2"]).held_count(), 1);
}
