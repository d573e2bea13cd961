use crate::fold::Before;
use crate::{BuyerId, CloseReason, LeadId, LowLead, Offer, OfferId, OfferVersion, Sequence, State};

/// Something to do in an outside system, as a value.
///
/// An effect names the offer, not the person. The contact is looked up in the buyer's state when the effect is
/// performed, so a stored effect holds no personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// The sequence of the fact that called for the effect.
    pub sequence: Sequence,
    /// What to do.
    pub kind: EffectKind,
}

/// The kinds of effects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EffectKind {
    /// The sales message `quote.requested.v1`, once per offer.
    QuoteRequest {
        /// The offer that needs a quote.
        offer: OfferId,
    },
    /// The sales message `lead.opened.v1`.
    LeadOpened {
        /// The lead that opened.
        lead: LeadId,
        /// The offer whose contact becomes the lead's contact.
        offer: OfferId,
    },
    /// The sales message `lead.closed.v1`.
    LeadClosed {
        /// The lead that closed.
        lead: LeadId,
        /// Why it closed.
        reason: CloseReason,
    },
    /// The e-mail that informs the buyer of an accepted offer.
    AcceptedEmail {
        /// The accepted offer.
        offer: OfferId,
        /// The version of the acceptance.
        accepted_at: OfferVersion,
    },
    /// The e-mail that invites the buyer to ask for a quote. Each buyer gets at most one, over all offers and all time.
    QuoteInvitation {
        /// The offer whose contact receives it.
        offer: OfferId,
    },
}

impl EffectKind {
    /// Whether the effect is an e-mail. All others are messages to the sales team.
    #[must_use]
    pub const fn is_email(&self) -> bool {
        match self {
            Self::AcceptedEmail { .. } | Self::QuoteInvitation { .. } => true,
            Self::QuoteRequest { .. } | Self::LeadOpened { .. } | Self::LeadClosed { .. } => false,
        }
    }

    /// The name of this kind in metrics and logs.
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
    /// The effect key: among all effects of one buyer, each key happens at most once.
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

    /// `<buyer>/<key>`: the effect's globally unique id.
    #[must_use]
    pub fn id(&self, buyer: &BuyerId) -> String {
        format!("{buyer}/{}", self.key())
    }
}

impl State {
    /// Whether this state still calls for an effect.
    ///
    /// A closing is always called for: an earlier attempt may have announced the opening and crashed before recording
    /// it.
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

    /// The effect that this state calls for under the same key, or `None` if it no longer calls for one.
    ///
    /// An invitation is rewritten to the low lead that is open in this state: it takes that lead's offer and the
    /// sequence of that lead's opening, even if an earlier opening caused the effect. All other effects are returned
    /// unchanged.
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

/// The effects of one fact: the difference between the leads that were open before it and those that are open after the
/// whole chain it releases, plus quotes for offers that are open for the first time.
///
/// Closings precede openings, so a consumer that reads in order never sees a low lead beside a high one. `reason`
/// returns why the high lead of the given offer closed, or, without an offer, why the low lead closed.
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
