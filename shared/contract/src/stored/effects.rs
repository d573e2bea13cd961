use domain::{
    CloseReason, Effect, EffectKind, FormerLeadId, LeadId, OfferId, OfferVersion, Priority, Sequence,
};

/// Encodes effects as text, one per line with sequence and effect key: `15 opened/high/offer-1/2`. An effect names
/// offers and leads, never a person. Details that the key does not contain follow it: the offer that opened a low lead,
/// the reason of a closing, and the priority of a former lead.
pub(super) fn encode(effects: &[Effect]) -> String {
    effects.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn line(effect: &Effect) -> String {
    let line = format!("{} {}", effect.sequence, effect.key());
    match &effect.kind {
        EffectKind::QuoteInvitation { offer }
        | EffectKind::LeadOpened { lead: LeadId::Low { .. }, offer } => format!("{line} {offer}"),
        EffectKind::LeadClosed { lead: LeadId::Former { priority, .. }, reason } => {
            format!("{line} {} {}", reason.name(), priority.name())
        }
        EffectKind::LeadClosed { reason, .. } => format!("{line} {}", reason.name()),
        // Leadstream never opens a former lead.
        EffectKind::LeadOpened { lead: LeadId::High { .. } | LeadId::Former { .. }, .. }
        | EffectKind::QuoteRequest { .. }
        | EffectKind::AcceptedEmail { .. } => line,
    }
}

pub(super) fn decode(text: &str) -> Option<Vec<Effect>> {
    text.split('\n').map(read).collect()
}

fn read(line: &str) -> Option<Effect> {
    let mut words = line.split(' ');
    let (sequence, key, more) = (words.next()?.parse().ok()?, words.next()?, words.next());
    let priority = words.next();
    if words.next().is_some() {
        return None;
    }
    let offer = |text: &str| OfferId::parse(text).ok();
    if let Some(priority) = priority {
        let id = FormerLeadId::parse(key.strip_prefix("closed/")?).ok()?;
        let lead = LeadId::Former { id, priority: Priority::parse(priority)? };
        let kind = EffectKind::LeadClosed { lead, reason: CloseReason::parse(more?)? };
        return Some(Effect { sequence: Sequence::new(sequence), kind });
    }
    let kind = match (key.split_once('/').unwrap_or((key, "")), more) {
        (("quote", of), None) => EffectKind::QuoteRequest { offer: offer(of)? },
        (("quote-email", ""), Some(of)) => EffectKind::QuoteInvitation { offer: offer(of)? },
        (("opened", lead), more) => match (LeadId::parse(lead)?, more) {
            (lead @ LeadId::Low { .. }, Some(of)) => EffectKind::LeadOpened { lead, offer: offer(of)? },
            (LeadId::High { offer, accepted_at }, None) => {
                EffectKind::LeadOpened { lead: LeadId::High { offer: offer.clone(), accepted_at }, offer }
            }
            (LeadId::Low { .. }, None) | (LeadId::High { .. }, Some(_)) | (LeadId::Former { .. }, _) => {
                return None;
            }
        },
        (("closed", lead), Some(reason)) => {
            EffectKind::LeadClosed { lead: LeadId::parse(lead)?, reason: CloseReason::parse(reason)? }
        }
        (("accepted-email", acceptance), None) => {
            let (of, version) = acceptance.split_once('/')?;
            let accepted_at = OfferVersion::new(version.parse().ok()?)?;
            EffectKind::AcceptedEmail { offer: offer(of)?, accepted_at }
        }
        _ => return None,
    };
    Some(Effect { sequence: Sequence::new(sequence), kind })
}
