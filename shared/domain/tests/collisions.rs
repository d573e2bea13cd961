//! Effect ids are unique: two effects have equal ids only if they are the same effect, for any ids of buyers and
//! offers.

#![expect(clippy::unwrap_used, reason = "test code")]

use domain::{BuyerId, CloseReason, Effect, EffectKind, LeadId, OfferId, OfferVersion, Sequence};
use proptest::prelude::*;

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
