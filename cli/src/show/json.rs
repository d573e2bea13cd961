use domain::{CarId, Contact, OfferId};
use jiff::Timestamp;
use leads_store::Behind;
use serde_json::{Value, json};

use super::{Open, Overview, Since, contact_of, stage};
use crate::output::contact_json;

impl Overview {
    /// The state as JSON.
    #[must_use]
    pub fn json(&self, with_contact: bool) -> Value {
        let with = |mut row: Value, contact: Option<&Contact>| {
            if with_contact {
                row["contact"] = contact_json(contact);
            }
            row
        };
        let offers = self.state.offers.iter().map(|(id, offer)| {
            let car = offer.car.as_ref().map(CarId::as_str);
            let row = json!({
                "offerId": id.as_str(), "carId": car, "stage": stage(offer), "offerVersion": offer.version.get(),
            });
            with(row, offer.contact.as_ref())
        });
        let leads = self.open_leads().map(|Open { lead, offer, since }| {
            let (since, announced_by) = match since {
                Since::Announced(since) => (Some(since), Some("leadstream")),
                Since::Former => (None, Some("former-system")),
                Since::Pending | Since::NotOurs => (None, None),
            };
            json!({
                "leadId": lead.to_string(),
                "priority": lead.priority().name(),
                "offerId": offer.as_ref().map(OfferId::as_str),
                "since": since.map(|since| since.to_string()),
                "announcedBy": announced_by,
            })
        });
        let held = self.held().map(|(offer, event)| {
            let row = json!({
                "offerId": offer.as_str(),
                "offerVersion": event.version.get(),
                "type": format!("offer.{}.v1", event.change.name()),
                "id": event.id.as_str(),
                "waitsForVersion": self.state.next_version_of(offer).get(),
            });
            with(row, contact_of(&event.change))
        });
        let text = |moment: Option<Timestamp>| moment.map(|moment| moment.to_string());
        let emails = self.about.ledger.iter().map(|(key, entry)| {
            json!({
                "key": key,
                "status": entry.status.name(),
                "since": entry.since.to_string(),
                "sequence": entry.sequence.get(),
                "reason": entry.reason,
                "bouncedAt": text(entry.receipts.bounced_at),
                "passingBounceAt": text(entry.receipts.passing_bounce_at),
                "complainedAt": text(entry.receipts.complained_at),
            })
        });
        json!({
            "buyerId": self.buyer.as_str(),
            "standing": self.mode.json(),
            "offers": offers.collect::<Vec<_>>(),
            "openLeads": leads.collect::<Vec<_>>(),
            "held": held.collect::<Vec<_>>(),
            "cursor": {
                "through": self.about.cursor.through.get(),
                "head": self.state.sequence.get(),
                "behind": self.about.cursor.behind.as_ref().map(behind_json),
            },
            "emails": emails.collect::<Vec<_>>(),
        })
    }
}

pub(crate) fn behind_json(behind: &Behind) -> Value {
    json!({ "reason": behind.reason, "attempts": behind.attempts, "due": behind.not_before.to_string() })
}
