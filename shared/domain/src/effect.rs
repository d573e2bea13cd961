use crate::fold::Before;
use crate::{BuyerId, CloseReason, LeadId, LowLead, Offer, OfferId, OfferVersion, Sequence, State};

/// Something to do outside, as a value.
///
/// It names the offer concerned, not the person: who is reached is looked up in the buyer's state when the effect
/// is performed, so that a stored effect holds no personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// The sequence number of the arrival that called for it.
    pub sequence: Sequence,
    /// What to do.
    pub kind: EffectKind,
}

/// What there is to do outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EffectKind {
    /// Sales message `quote.requested.v1`: a quote per offer.
    QuoteRequest {
        /// The offer to quote for.
        offer: OfferId,
    },
    /// Sales message `lead.opened.v1`.
    LeadOpened {
        /// The lead.
        lead: LeadId,
        /// The offer whose contact is the lead's.
        offer: OfferId,
    },
    /// Sales message `lead.closed.v1`.
    LeadClosed {
        /// The lead.
        lead: LeadId,
        /// Why.
        reason: CloseReason,
    },
    /// E-mail to the buyer: an offer was accepted.
    AcceptedEmail {
        /// The accepted offer.
        offer: OfferId,
        /// The version of the acceptance.
        accepted_at: OfferVersion,
    },
    /// E-mail to the buyer: ask for a quote. One per buyer for all offers, ever.
    QuoteInvitation {
        /// The offer whose contact is written to.
        offer: OfferId,
    },
}

impl EffectKind {
    /// Whether it is an e-mail; all others are messages to the sales team.
    #[must_use]
    pub const fn is_email(&self) -> bool {
        match self {
            Self::AcceptedEmail { .. } | Self::QuoteInvitation { .. } => true,
            Self::QuoteRequest { .. } | Self::LeadOpened { .. } | Self::LeadClosed { .. } => false,
        }
    }

    /// The word for this kind in metrics and logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::QuoteRequest { .. } => "quote-request",
            Self::LeadOpened { .. } => "lead-opened",
            Self::LeadClosed { .. } => "lead-closed",
            Self::AcceptedEmail { .. } => "accepted-email",
            Self::QuoteInvitation { .. } => "quote-invitation",
        }
    }
}

impl Effect {
    /// The name under which it happens once, within its buyer.
    #[must_use]
    pub fn key(&self) -> String {
        match &self.kind {
            EffectKind::QuoteRequest { offer } => format!("quote/{offer}"),
            EffectKind::LeadOpened { lead, .. } => format!("opened/{lead}"),
            EffectKind::LeadClosed { lead, .. } => format!("closed/{lead}"),
            EffectKind::AcceptedEmail { offer, accepted_at } => {
                format!("accepted-email/{offer}/{accepted_at}")
            }
            EffectKind::QuoteInvitation { .. } => "quote-email".to_owned(),
        }
    }

    /// `<buyer>/<key>`: the name under which it happens once, everywhere.
    #[must_use]
    pub fn id(&self, buyer: &BuyerId) -> String {
        format!("{buyer}/{}", self.key())
    }
}

impl State {
    /// Whether the reason for an effect still holds in this state.
    ///
    /// A closing always does: an earlier attempt may have announced the opening and crashed before it could record that.
    #[must_use]
    pub fn still_calls_for(&self, effect: &EffectKind) -> bool {
        match effect {
            EffectKind::QuoteRequest { offer } => self.offers.get(offer).is_some_and(Offer::wants_quote),
            EffectKind::LeadOpened { lead, .. } => self.is_open(lead),
            EffectKind::LeadClosed { .. } => true,
            EffectKind::AcceptedEmail { offer, accepted_at } => {
                self.offers.get(offer).and_then(Offer::accepted_at) == Some(*accepted_at)
            }
            EffectKind::QuoteInvitation { .. } => self.low_lead.is_some(),
        }
    }

    /// The effect as this state calls for it under the same key; `None` if its reason no longer holds.
    ///
    /// The invitation belongs to the low lead that is open in this state: to its offer and to the sequence number of its
    /// opening, whichever opening the effect comes from. All other effects are called for as they are.
    #[must_use]
    pub fn calls_for(&self, effect: &Effect) -> Option<Effect> {
        if !self.still_calls_for(&effect.kind) {
            return None;
        }
        Some(match (&effect.kind, &self.low_lead) {
            (EffectKind::QuoteInvitation { .. }, Some(LowLead { opened_at, offer, .. })) => {
                Effect { sequence: *opened_at, kind: EffectKind::QuoteInvitation { offer: offer.clone() } }
            }
            (_, _) => effect.clone(),
        })
    }
}

/// The effects of one arrival: the difference between the leads that were open before it and those that are open after its
/// whole chain, and quotes for offers that are open for the first time.
///
/// Closings come before openings, so that whoever reads in order never sees a low lead beside a high one. `reason` tells why
/// the high lead of an offer closed, or the low lead.
pub(crate) fn effects_of(
    before: &Before,
    after: &mut State,
    reason: impl Fn(&State, Option<&OfferId>) -> CloseReason,
) -> Vec<Effect> {
    let mut kinds = Vec::new();
    for id in before.offers.keys() {
        if after.offers.get(id).is_some_and(|offer| offer.wants_quote() && !offer.is_quoted) {
            after.offers.change(id, |offer| offer.is_quoted = true);
            kinds.push(EffectKind::QuoteRequest { offer: id.clone() });
        }
    }
    let high_lead = |id| after.offers.get(id).and_then(|offer: &Offer| offer.high_lead(id));
    for (id, was) in &before.offers {
        if let Some(lead) = was.lead.clone().filter(|lead| high_lead(id).as_ref() != Some(lead)) {
            kinds.push(EffectKind::LeadClosed { lead, reason: reason(after, Some(id)) });
        }
    }
    let low_lead = after.low_lead.as_ref().map(LowLead::id);
    if let Some(lead) = before.low_lead.clone().filter(|lead| low_lead.as_ref() != Some(lead)) {
        kinds.push(EffectKind::LeadClosed { lead, reason: reason(after, None) });
    }
    for (id, was) in &before.offers {
        if let Some(lead) = high_lead(id).filter(|lead| was.lead.as_ref() != Some(lead)) {
            kinds.push(EffectKind::LeadOpened { lead, offer: id.clone() });
            if let Some(accepted_at) = after.offers.get(id).and_then(Offer::accepted_at) {
                kinds.push(EffectKind::AcceptedEmail { offer: id.clone(), accepted_at });
            }
        }
    }
    if let (Some(lead), Some(LowLead { offer, .. })) = (low_lead, after.low_lead.as_ref())
        && before.low_lead.as_ref() != Some(&lead)
    {
        kinds.push(EffectKind::LeadOpened { lead, offer: offer.clone() });
        if !after.was_invited {
            kinds.push(EffectKind::QuoteInvitation { offer: offer.clone() });
        }
    }
    kinds.into_iter().map(|kind| Effect { sequence: after.sequence, kind }).collect()
}
