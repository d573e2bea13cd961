//! A buyer handed over by a former system: what it announced stands, under its names; the difference is announced by us.
//!
//! Rules 4, 7 and 8 of `docs/adr/0021-beside-the-former-system.md`.

use std::collections::BTreeMap;

use domain::{CloseReason, Event, Fact, FormerLeadId, Known, LeadId, Priority, State};
use testkit::{acceptance_withdrawn, accepted, made, offer, rejected, withdrawn};

use crate::{closings, events, given, then, voided};

/// What a former system says that has seen these events, and has these leads open.
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
fn what_the_former_system_announced_stands_under_its_names() {
    let seen = [made("car-1")];
    then(given(&events(&seen)), &there(&seen, Some("F1"), &[], true), &[], &["F1"]);
    let seen = [made("car-1"), accepted("car-1").v(2)];
    let state = then(State::default(), &there(&seen, None, &[("car-1", "F2")], true), &[], &["F2"]);
    let lead = LeadId::Former { id: FormerLeadId::parse("F2").unwrap(), priority: Priority::High };
    assert!(state.is_asked && state.is_open(&lead));
}

#[test]
fn a_lead_of_the_former_system_is_closed_under_its_name() {
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
fn of_a_buyer_whom_nobody_announced_everything_is() {
    let here = events(&[made("car-1"), made("car-2"), accepted("car-2").v(2)]);
    let effects = ["quote/car-1", "quote/car-2", "opened/high/car-2/2", "accepted-email/car-2/2"];
    then(given(&here), &there(&[], None, &[], false), &effects, &["high/car-2/2"]);
    let effects = ["quote/car-1", "opened/low/2", "quote-email"];
    then(given(&events(&[made("car-1")])), &there(&[], None, &[], false), &effects, &["low/2"]);
}

#[test]
fn what_happened_since_its_answer_is_announced_as_the_difference() {
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
fn a_newer_acceptance_has_a_lead_and_a_mail_of_its_own() {
    let seen = [made("car-1"), accepted("car-1").v(2)];
    let answer = there(&seen, None, &[("car-1", "F2")], true);
    // In one chain, so that our own name would have stayed that of the first acceptance.
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
fn an_invitation_depends_on_the_answer_not_on_what_was_decided_here() {
    let here = || given(&events(&[made("car-1"), accepted("car-1").v(2)]));
    let back = acceptance_withdrawn("car-1").v(3).into();
    for (was_invited, effects) in
        [(true, &["closed/F2", "opened/low/4"][..]), (false, &["closed/F2", "opened/low/4", "quote-email"])]
    {
        let seen = [made("car-1"), accepted("car-1").v(2)];
        let mut state = here();
        state.fold_fact(&there(&seen, None, &[("car-1", "F2")], was_invited));
        then(state, &back, effects, &["low/4"]);
    }
}

#[test]
fn of_what_both_know_at_the_same_version_our_own_is_right() {
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
fn a_closing_at_the_handover_has_the_reason_that_is_known() {
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
    accepted_since.fold_fact(&Fact::Erased(None));
    assert_eq!(closings(accepted_since, &high()), [("F2".to_owned(), CloseReason::Erased)]);
}

#[test]
fn an_erased_buyer_who_is_handed_over_has_no_lead_left() {
    let seen = [made("car-1")];
    let state = given(&[made("car-1").into(), Fact::Erased(None)]);
    let Fact::HandedOver(known) = there(&seen, Some("F1"), &[], false) else { unreachable!() };
    let stripped = Fact::HandedOver(Box::new(known.without_personal_data()));
    then(state, &stripped, &["closed/F1"], &[]);
}

#[test]
fn an_offer_in_the_answer_has_had_its_quote() {
    let closed = there(&[made("car-1"), withdrawn("car-1").v(2)], None, &[], true);
    let state = given(&[closed]);
    then(state, &acceptance_withdrawn("car-1").v(3).into(), &["opened/low/2"], &["low/2"]);
    // One that was decided here in shadow, and was missing there, has had none.
    let state = given(&events(&[made("car-1"), withdrawn("car-1").v(2)]));
    let state = then(state, &there(&[], None, &[], true), &[], &[]);
    then(state, &acceptance_withdrawn("car-1").v(3).into(), &["quote/car-1", "opened/low/4"], &["low/4"]);
}

#[test]
fn what_is_held_goes_on_top_of_the_answer() {
    let here = events(&[withdrawn("car-1").v(3)]);
    let answer = there(&[made("car-1"), accepted("car-1").v(2)], None, &[("car-1", "F2")], true);
    let state = then(given(&here), &answer, &["closed/F2"], &[]);
    assert_eq!(state.held_count(), 0);
    let held = given(&[accepted("car-2").v(4).into(), voided("car-2", 2)]);
    assert_eq!(then(held, &answer, &[], &["F2"]).held_count(), 1);
}
