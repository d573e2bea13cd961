use domain::{CloseReason, Effect, EffectKind, LeadId, OfferId, OfferVersion, Sequence};
use serde::{Deserialize, Serialize};

/// An effect, format 1. It names offers and leads, never a person.
#[derive(Serialize, Deserialize)]
struct EffectV1 {
    #[serde(rename = "type")]
    kind: String,
    sequence: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    offer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lead: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<&Effect> for EffectV1 {
    fn from(effect: &Effect) -> Self {
        let mut stored = Self {
            kind: effect.kind.name().to_owned(),
            sequence: effect.sequence.get(),
            offer: None,
            lead: None,
            version: None,
            reason: None,
        };
        match &effect.kind {
            EffectKind::QuoteRequest { offer } | EffectKind::QuoteInvitation { offer } => {
                stored.offer = Some(offer.to_string());
            }
            EffectKind::LeadOpened { lead, offer } => {
                stored.lead = Some(lead.to_string());
                stored.offer = matches!(lead, LeadId::Low { .. }).then(|| offer.to_string());
            }
            EffectKind::LeadClosed { lead, reason } => {
                stored.lead = Some(lead.to_string());
                stored.reason = Some(reason.name().to_owned());
            }
            EffectKind::AcceptedEmail { offer, accepted_at } => {
                stored.offer = Some(offer.to_string());
                stored.version = Some(accepted_at.get());
            }
        }
        stored
    }
}

impl EffectV1 {
    fn into_effect(self) -> Option<Effect> {
        let offer = || OfferId::parse(self.offer.as_deref()?).ok();
        let lead = || LeadId::parse(self.lead.as_deref()?);
        let kind = match self.kind.as_str() {
            "quote-request" => EffectKind::QuoteRequest { offer: offer()? },
            "quote-invitation" => EffectKind::QuoteInvitation { offer: offer()? },
            "lead-opened" => {
                let lead = lead()?;
                let offer = match &lead {
                    LeadId::High { offer, .. } => offer.clone(),
                    LeadId::Low { .. } => offer()?,
                };
                EffectKind::LeadOpened { lead, offer }
            }
            "lead-closed" => {
                EffectKind::LeadClosed { lead: lead()?, reason: CloseReason::parse(self.reason.as_deref()?)? }
            }
            "accepted-email" => {
                EffectKind::AcceptedEmail { offer: offer()?, accepted_at: OfferVersion::new(self.version?)? }
            }
            _ => return None,
        };
        Some(Effect { sequence: Sequence::new(self.sequence), kind })
    }
}

pub(super) fn encode(effects: &[Effect]) -> String {
    let effects: Vec<EffectV1> = effects.iter().map(EffectV1::from).collect();
    crate::json(&effects)
}

pub(super) fn decode(text: &str) -> Option<Vec<Effect>> {
    let effects: Vec<EffectV1> = serde_json::from_str(text).ok()?;
    effects.into_iter().map(EffectV1::into_effect).collect()
}
