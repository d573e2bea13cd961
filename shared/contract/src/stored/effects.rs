use domain::{
    CloseReason, Effect, EffectKind, FormerLeadId, LeadId, OfferId, OfferVersion, Priority, Sequence,
};

/// Effects, one a line, each by the name under which it happens once: `15 opened/high/offer-1/2`. An effect names offers
/// and leads, never a person. What the name does not tell comes after it: an opener, a reason, and the priority of a lead
/// that a former system opened.
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
        // We never open a lead under a former system's name.
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
