//! `leads show`: a buyer's current state.

use std::io::Write;

use domain::{BuyerId, CarId, Contact, Event, LeadId, Offer, OfferChange, OfferId, Sequence, Stage, State};
use jiff::Timestamp;
use leads_store::{About, Behind, ReceiptRecord};
use serde_json::{Value, json};

use crate::output::{Output, contact_json, contact_row, count, moment, or_dash, table};
use crate::{Exit, Failure, Mode, Tables};

/// A buyer's current state, from both tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// The buyer.
    pub buyer: BuyerId,
    /// The state to which the stream folds.
    pub state: State,
    /// Which system announces the buyer's leads.
    pub mode: Mode,
    /// The buyer's items in the leads table.
    pub about: About,
}

/// Reads a buyer's current state; `None` for an unknown buyer. The whole stream is read, to find where the buyer was
/// handed over.
///
/// # Errors
/// [`Failure::Stream`], [`Failure::Leads`].
pub async fn overview(tables: &Tables, buyer: &BuyerId) -> Result<Option<Overview>, Failure> {
    let (head, commits) = event_store::tail_after(&tables.streams, buyer, Some(Sequence::START))
        .await
        .map_err(|source| Failure::Stream { buyer: buyer.clone(), source })?;
    if head.state.sequence == Sequence::START {
        return Ok(None);
    }
    let about =
        tables.leads.about(buyer).await.map_err(|source| Failure::Leads { buyer: buyer.clone(), source })?;
    Ok(Some(Overview { buyer: buyer.clone(), state: head.state, mode: Mode::of(&commits), about }))
}

pub(crate) async fn command<O: Write, E: Write>(
    buyer: &BuyerId,
    with_contact: bool,
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let Some(overview) = overview(tables, buyer).await? else {
        return unknown(buyer, output);
    };
    if output.is_json {
        output.json(&overview.json(with_contact))?;
    } else {
        output.line(&overview.text(with_contact))?;
    }
    Ok(Exit::Good)
}

/// Prints that nothing is recorded about this buyer.
pub(crate) fn unknown<O: Write, E: Write>(
    buyer: &BuyerId,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    output.aside(&format!("{buyer} is unknown: the streams table has no event of this buyer"))?;
    Ok(Exit::Findings)
}

impl Overview {
    pub(crate) fn open_leads(&self) -> impl Iterator<Item = Open> {
        self.state.open_leads().map(|lead| {
            let low = self.state.low_lead.as_ref().filter(|low| low.id() == lead).map(|low| &low.offer);
            let is_its = |(id, offer): &(&OfferId, &Offer)| offer.high_lead(id).as_ref() == Some(&lead);
            let offer = low.or_else(|| self.state.offers.iter().find(is_its).map(|(id, _)| id)).cloned();
            let since = match (self.mode, &lead) {
                // The former system announced it, so it is not in the leads table.
                (_, LeadId::Former { .. }) => Since::Former,
                (Mode::Shadow { .. }, LeadId::Low { .. } | LeadId::High { .. }) => Since::NotOurs,
                (Mode::HandedOver { .. } | Mode::Live, LeadId::Low { .. } | LeadId::High { .. }) => {
                    let opened_at = self.about.leads.get(&lead).and_then(|known| known.opened_at);
                    opened_at.map_or(Since::Pending, Since::Announced)
                }
            };
            Open { lead, offer, since }
        })
    }

    pub(crate) fn held(&self) -> impl Iterator<Item = (&OfferId, &Event)> {
        self.state.held.iter().flat_map(|(offer, held)| held.values().map(move |event| (offer, event)))
    }
}

/// A lead that is open in the state.
pub(crate) struct Open {
    pub(crate) lead: LeadId,
    pub(crate) offer: Option<OfferId>,
    pub(crate) since: Since,
}

/// Whether and when the opening of a lead was announced.
#[derive(Clone, Copy)]
pub(crate) enum Since {
    /// Leadstream announced it. The moment is that of the commit that opened the lead.
    Announced(Timestamp),
    /// It is not announced yet.
    Pending,
    /// The former system announced it, under the lead's own name.
    Former,
    /// The buyer is in shadow: the former system announces its own leads for this buyer.
    NotOurs,
}

impl Since {
    pub(crate) fn text(self) -> String {
        match self {
            Self::Announced(since) => moment(since),
            Self::Pending => "not announced yet".to_owned(),
            Self::Former => "announced by the former system".to_owned(),
            Self::NotOurs => "in shadow: not announced".to_owned(),
        }
    }
}

pub(crate) const fn stage(offer: &Offer) -> &'static str {
    match offer.stage {
        Stage::Pending => "pending",
        Stage::Accepted { .. } => "accepted",
        Stage::Closed => "closed",
    }
}

pub(crate) const fn contact_of(change: &OfferChange) -> Option<&Contact> {
    match change {
        OfferChange::Made { contact, .. } => contact.as_ref(),
        OfferChange::Accepted
        | OfferChange::AcceptanceWithdrawn
        | OfferChange::Rejected { .. }
        | OfferChange::Withdrawn => None,
    }
}

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
            vec![lead.to_string(), lead.priority().name().to_owned(), or_dash(offer), since.text()]
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

    pub(crate) fn settled_text(&self) -> String {
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
pub(crate) fn receipts_text(receipts: &ReceiptRecord) -> String {
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
