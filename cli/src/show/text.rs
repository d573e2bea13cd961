use leads_store::ReceiptRecord;

use super::{Open, Overview, Since, contact_of, stage};
use crate::output::{contact_row, count, moment, or_dash, table};

impl Overview {
    /// The state as text.
    #[must_use]
    pub fn text(&self, with_contact: bool) -> String {
        let mut parts = vec![self.settled_text()];
        let mut part = |name: &str, rows: Vec<Vec<String>>, header: &[&str]| {
            parts.push(if rows.is_empty() {
                format!("{name}: none")
            } else {
                format!("{name}\n{}", table(header, rows))
            });
        };

        let mut header = vec!["offer", "car", "stage", "version"];
        header.extend(if with_contact { &["name", "e-mail", "phone"][..] } else { &[] });
        let offers = self.state.offers.iter().map(|(id, offer)| {
            let mut row = vec![
                id.to_string(),
                or_dash(offer.car.as_ref()),
                stage(offer).to_owned(),
                offer.version.to_string(),
            ];
            if with_contact {
                row.extend(contact_row(offer.contact.as_ref()));
            }
            row
        });
        part("Offers", offers.collect(), &header);

        let leads = self.open_leads().map(|Open { lead, offer, since }| {
            let since = match since {
                Since::Announced(since) => moment(since),
                Since::Pending => "not announced yet".to_owned(),
                Since::Former => "announced by the former system".to_owned(),
                Since::NotOurs => "in shadow: not announced".to_owned(),
            };
            vec![lead.to_string(), lead.priority().name().to_owned(), or_dash(offer), since]
        });
        part("Open leads", leads.collect(), &["lead", "priority", "offer", "since"]);

        let mut header = vec!["offer", "version", "event", "id", "waits for version"];
        header.extend(if with_contact { &["name", "e-mail", "phone"][..] } else { &[] });
        let held = self.held().map(|(offer, event)| {
            let mut row = vec![
                offer.to_string(),
                event.version.to_string(),
                event.change.name().to_owned(),
                event.id.to_string(),
                self.state.next_version_of(offer).to_string(),
            ];
            if with_contact {
                row.extend(contact_row(contact_of(&event.change)));
            }
            row
        });
        part("Held events", held.collect(), &header);

        let emails = self.about.ledger.iter().map(|(key, entry)| {
            let reason = or_dash(entry.reason.as_deref());
            vec![
                key.clone(),
                entry.status.name().to_owned(),
                moment(entry.since),
                entry.sequence.to_string(),
                reason,
                receipts_text(&entry.receipts),
            ]
        });
        part("E-mails", emails.collect(), &["key", "status", "since", "for event #", "reason", "receipts"]);
        parts.join("\n\n")
    }

    fn settled_text(&self) -> String {
        let (head, through) = (self.state.sequence, self.about.cursor.through);
        let mode = self.mode.text();
        let facts = count(head.get(), "fact");
        let text = format!("{}: {mode}; {facts} recorded, effects settled through {through}", self.buyer);
        match &self.about.cursor.behind {
            Some(behind) => format!(
                "{text}\nBehind: {}; {}, next attempt not before {}",
                behind.reason,
                count(u64::from(behind.attempts), "failed attempt"),
                moment(behind.not_before)
            ),
            None => text,
        }
    }
}

/// The bounces and complaints that SES reported for an e-mail. A stopped address gets no more e-mails.
fn receipts_text(receipts: &ReceiptRecord) -> String {
    let ReceiptRecord { bounced_at, passing_bounce_at, complained_at } = receipts;
    let words = [
        ("stopped by a bounce", bounced_at),
        ("bounced temporarily", passing_bounce_at),
        ("stopped by a complaint", complained_at),
    ];
    let lines = words.into_iter().filter_map(|(word, at)| at.map(|at| format!("{word}\n{}", moment(at))));
    let text = lines.collect::<Vec<_>>().join("\n");
    or_dash(Some(text).filter(|text| !text.is_empty()))
}
