//! Names of effects: two effects have one name only if they are the same, whatever buyers and offers are called.

#![expect(clippy::unwrap_used, reason = "test code")]

use domain::{BuyerId, CloseReason, Effect, EffectKind, LeadId, OfferId, OfferVersion, Sequence};
use proptest::prelude::*;

/// Any id, and those that look like a piece of a name.
fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        "[!-.0-~]{1,2}",
        "[!-.0-~]{128}",
        prop::sample::select(vec!["low", "high", "quote", "opened", "closed", "quote-email", "1", "high/"])
            .prop_map(|id| id.trim_end_matches('/').to_owned()),
    ]
}

/// An effect, and all that its name must tell apart.
fn effect() -> impl Strategy<Value = (Effect, (u8, String, u64))> {
    (0u8..7, id(), 1u32..4).prop_map(|(kind, offer, number)| {
        let id = OfferId::parse(&offer).unwrap();
        let version = OfferVersion::new(number).unwrap();
        let low = LeadId::Low { opened_at: Sequence::new(u64::from(number)) };
        let high = LeadId::High { offer: id.clone(), accepted_at: version };
        let reason = CloseReason::OfferWithdrawn;
        let (kind, told) = match kind {
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
        (Effect { sequence: Sequence::new(u64::from(number)), kind }, told)
    })
}

proptest! {
    #[test]
    fn two_effects_have_one_name_only_if_they_are_the_same(
        (buyer, other_buyer) in (id(), id()).prop_flat_map(|(one, other)| {
            (Just(one.clone()), prop_oneof![Just(one), Just(other)])
        }),
        (one, told) in effect(),
        (other, other_told) in effect(),
    ) {
        let name = one.id(&BuyerId::parse(&buyer).unwrap());
        let other_name = other.id(&BuyerId::parse(&other_buyer).unwrap());
        prop_assert_eq!(name == other_name, buyer == other_buyer && told == other_told);
        // The longest id twice, words, a version: far from what any queue takes.
        prop_assert!(name.len() <= 128 + "/accepted-email/".len() + 128 + "/4294967295".len());
    }
}
