//! Ids, numbers and names: which values are valid, and how they are written. They are stored and sent, so they never
//! change. Effect ids are unique: two effects have equal ids only if they are the same effect, for any ids of buyers
//! and offers.

#![expect(clippy::unwrap_used, reason = "test code")]

use domain::{
    BuyerId, CarId, CloseReason, Effect, EffectKind, EventId, Fact, FormerLeadId, InvalidId, Known, LeadId,
    OfferId, OfferVersion, Priority, Sequence, Stage, State,
};
use proptest::prelude::*;
use testkit::{acceptance_withdrawn, accepted, made, offer, rejected, withdrawn};

fn version(number: u32) -> OfferVersion {
    OfferVersion::new(number).unwrap()
}

fn low(opened_at: u64) -> LeadId {
    LeadId::Low { opened_at: Sequence::new(opened_at) }
}

fn high(name: &str, accepted_at: u32) -> LeadId {
    LeadId::High { offer: offer(name), accepted_at: version(accepted_at) }
}

#[test]
fn ids_are_kept_and_displayed_unchanged() {
    for text in ["a", "0", "!#$%&'()*+,-.:;<=>?@[\\]^_`{|}~\"", &"x".repeat(128)] {
        let read = [
            BuyerId::parse(text).map(|id| (id.as_str().to_owned(), id.to_string())),
            OfferId::parse(text).map(|id| (id.as_str().to_owned(), id.to_string())),
            CarId::parse(text).map(|id| (id.as_str().to_owned(), id.to_string())),
            EventId::parse(text).map(|id| (id.as_str().to_owned(), id.to_string())),
            FormerLeadId::parse(text).map(|id| (id.as_str().to_owned(), id.to_string())),
        ];
        for id in read {
            assert_eq!(id, Ok((text.to_owned(), text.to_owned())));
        }
    }
}

#[test]
fn ids_reject_empty_long_invisible_non_ascii_and_slashed_texts() {
    for text in ["", "/", "a/b", "a b", "a\n", "\u{7f}", "ä", "\0", &"x".repeat(129)] {
        assert_eq!(BuyerId::parse(text), Err(InvalidId), "{text:?}");
        assert_eq!(OfferId::parse(text), Err(InvalidId), "{text:?}");
        assert_eq!(CarId::parse(text), Err(InvalidId), "{text:?}");
        assert_eq!(EventId::parse(text), Err(InvalidId), "{text:?}");
        assert_eq!(FormerLeadId::parse(text), Err(InvalidId), "{text:?}");
    }
}

#[test]
fn sequences_and_versions_count_from_one_and_never_wrap_around() {
    assert_eq!((Sequence::START.get(), Sequence::START.next().get()), (0, 1));
    assert_eq!(Sequence::new(7).get(), 7);
    assert_eq!(Sequence::new(7).next().to_string(), "8");
    assert_eq!(Sequence::new(u64::MAX).next(), Sequence::new(u64::MAX));
    assert_eq!(OfferVersion::new(0), None);
    assert_eq!((OfferVersion::FIRST.get(), version(1).next().to_string()), (1, "2".to_owned()));
    assert_eq!(version(u32::MAX).next(), version(u32::MAX));
}

#[test]
fn lead_names_identify_what_opened_them_and_parse_back() {
    for (lead, name, priority) in
        [(low(3), "low/3", Priority::Low), (high("car-1", 2), "high/car-1/2", Priority::High)]
    {
        assert_eq!(lead.to_string(), name);
        assert_eq!(LeadId::parse(name), Some(lead.clone()));
        assert_eq!(lead.priority(), priority);
    }
    for text in ["", "low", "low/", "low/x", "low/-1", "high/car-1", "high/car-1/0", "high//2", "middle/3"] {
        assert_eq!(LeadId::parse(text), None, "{text}");
    }
}

#[test]
fn stored_names_of_changes_reasons_and_priorities_are_fixed() {
    let changes = [made("c"), accepted("c").v(2), acceptance_withdrawn("c").v(3), rejected("c").v(4)];
    let names = changes.map(|event| event.change.name());
    assert_eq!(names, ["made", "accepted", "acceptance-withdrawn", "rejected"]);
    assert_eq!(withdrawn("c").v(2).change.name(), "withdrawn");
    assert_eq!([Priority::Low.name(), Priority::High.name()], ["low", "high"]);
    for (reason, name) in [
        (CloseReason::OfferAccepted, "offer-accepted"),
        (CloseReason::AcceptanceWithdrawn, "acceptance-withdrawn"),
        (CloseReason::OfferRejected, "offer-rejected"),
        (CloseReason::OfferWithdrawn, "offer-withdrawn"),
    ] {
        assert_eq!((reason.name(), CloseReason::parse(name)), (name, Some(reason)));
    }
    assert_eq!(CloseReason::parse("tired"), None);
}

#[test]
fn an_effect_id_is_its_buyer_and_key() {
    let id = || offer("car-1");
    for (kind, id, name, is_email) in [
        (EffectKind::QuoteRequest { offer: id() }, "ada/quote/car-1", "quote-request", false),
        (EffectKind::LeadOpened { lead: low(1), offer: id() }, "ada/opened/low/1", "lead-opened", false),
        (
            EffectKind::LeadClosed { lead: low(1), reason: CloseReason::OfferAccepted },
            "ada/closed/low/1",
            "lead-closed",
            false,
        ),
        (
            EffectKind::AcceptedEmail { offer: id(), accepted_at: version(2) },
            "ada/accepted-email/car-1/2",
            "accepted-email",
            true,
        ),
        (EffectKind::QuoteInvitation { offer: id() }, "ada/quote-email", "quote-invitation", true),
    ] {
        let effect = Effect { sequence: Sequence::new(1), kind };
        assert_eq!(effect.id(&testkit::buyer("ada")), id);
        assert_eq!((effect.kind.name(), effect.kind.is_email()), (name, is_email));
    }
}

/// The expected values are FNV-1a over length-prefixed fields, folded to 48 bits, computed by hand and by another
/// program.
#[test]
fn digests_never_change() {
    let digests = [
        made("car-1").change.digest(),
        accepted("car-1").v(2).change.digest(),
        rejected("car-1").v(2).change.digest(),
    ];
    assert_eq!(
        digests.map(|digest| digest.0.map(|byte| format!("{byte:02x}")).concat()),
        ["e6eb322d1b9b", "b742890d6e46", "fad083356edc"]
    );
}

#[test]
fn a_lead_is_open_only_under_its_exact_name() {
    let mut state = State::default();
    state.fold(&made("car-1").into());
    assert!(state.is_open(&low(1)) && !state.is_open(&low(2)));
    state.fold(&accepted("car-1").v(2).into());
    assert!(state.is_open(&high("car-1", 2)));
    assert!(
        !state.is_open(&high("car-1", 3)) && !state.is_open(&high("car-2", 2)) && !state.is_open(&low(1))
    );
}

#[test]
fn an_offer_without_a_contact_calls_for_no_lead() {
    let mut state = State::default();
    state.fold(&made("car-1").into());
    state.offers.change(&offer("car-1"), |offer| offer.contact = None);
    assert!(!state.offers[&offer("car-1")].is_pending() && !state.has_low_lead());
    let accepted = Stage::Accepted { at: version(2), since: version(2) };
    state.offers.change(&offer("car-1"), |offer| offer.stage = accepted);
    assert!(state.offers[&offer("car-1")].accepted_at().is_none() && !state.has_high_lead());
}

#[test]
fn former_leads_keep_their_names_and_do_not_parse_as_ours() {
    for priority in [Priority::Low, Priority::High] {
        let lead = LeadId::Former { id: FormerLeadId::parse("low:7").unwrap(), priority };
        assert_eq!((lead.to_string().as_str(), lead.priority()), ("low:7", priority));
        assert_eq!(LeadId::parse(&lead.to_string()), None);
        assert_eq!(Priority::parse(priority.name()), Some(priority));
    }
    assert_eq!(Priority::parse("middle"), None);
}

#[test]
fn every_fact_has_a_name_and_only_events_contain_an_event() {
    let state = || Some(Box::new(State::default()));
    let known = || Box::new(Known::default());
    let event = made("car-1");
    for (fact, name, is_fresh_start) in [
        (Fact::from(event.clone()), "made", false),
        (Fact::Migrated(known()), "migrated", false),
        (Fact::HandedOver(known()), "handed-over", false),
        (Fact::Voided { offer: offer("car-1"), through: version(2) }, "voided", false),
        (Fact::Reset(None), "reset", true),
        (Fact::Reset(state()), "reset", true),
        (Fact::Erased(None), "erased", false),
        (Fact::Erased(state()), "erased", true),
    ] {
        assert_eq!((fact.name(), fact.is_fresh_start()), (name, is_fresh_start));
        assert_eq!(fact.event(), (name == "made").then_some(&event));
    }
}

/// Arbitrary ids, including ids that look like a part of an effect id.
fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        "[!-.0-~]{1,2}",
        "[!-.0-~]{128}",
        prop::sample::select(vec!["low", "high", "quote", "opened", "closed", "quote-email", "1", "high/"])
            .prop_map(|id| id.trim_end_matches('/').to_owned()),
    ]
}

/// An effect, and everything that its id must distinguish.
fn effect() -> impl Strategy<Value = (Effect, (u8, String, u64))> {
    (0u8..7, id(), 1u32..4).prop_map(|(kind, offer, number)| {
        let id = OfferId::parse(&offer).unwrap();
        let version = OfferVersion::new(number).unwrap();
        let low = LeadId::Low { opened_at: Sequence::new(u64::from(number)) };
        let high = LeadId::High { offer: id.clone(), accepted_at: version };
        let reason = CloseReason::OfferWithdrawn;
        let (kind, identity) = match kind {
            0 => (EffectKind::QuoteRequest { offer: id }, (0, offer, 0)),
            1 => (EffectKind::LeadOpened { lead: low, offer: id }, (1, String::new(), u64::from(number))),
            2 => (EffectKind::LeadOpened { lead: high, offer: id }, (2, offer, u64::from(number))),
            3 => (EffectKind::LeadClosed { lead: low, reason }, (3, String::new(), u64::from(number))),
            4 => (EffectKind::LeadClosed { lead: high, reason }, (4, offer, u64::from(number))),
            5 => {
                (EffectKind::AcceptedEmail { offer: id, accepted_at: version }, (5, offer, u64::from(number)))
            }
            _ => (EffectKind::QuoteInvitation { offer: id }, (6, String::new(), 0)),
        };
        (Effect { sequence: Sequence::new(u64::from(number)), kind }, identity)
    })
}

proptest! {
    #[test]
    fn effect_ids_are_equal_only_for_the_same_effect(
        (buyer, other_buyer) in (id(), id()).prop_flat_map(|(one, other)| {
            (Just(one.clone()), prop_oneof![Just(one), Just(other)])
        }),
        (one, identity) in effect(),
        (other, other_identity) in effect(),
    ) {
        let effect_id = one.id(&BuyerId::parse(&buyer).unwrap());
        let other_effect_id = other.id(&BuyerId::parse(&other_buyer).unwrap());
        prop_assert_eq!(effect_id == other_effect_id, buyer == other_buyer && identity == other_identity);
        // The longest effect id has two ids of 128 characters, fixed words and a version; no system limits it so
        // tightly.
        prop_assert!(effect_id.len() <= 128 + "/accepted-email/".len() + 128 + "/4294967295".len());
    }
}
