//! The rows of `leads tail`: a fact that was recorded, or an effect that was settled. Pure.

use contract::stored::Commit;
use domain::{BuyerId, Contact, Effect, Fact, OfferChange, OfferId, OfferVersion, Sequence};
use jiff::Timestamp;
use leads_store::About;
use serde_json::{Value, json};

use crate::explain::explained;
use crate::output::{contact_json, harmless, moment};
use crate::{Explained, Settled};

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// When the fact was recorded, or when the effect was seen to be settled.
    at: Timestamp,
    buyer: BuyerId,
    sequence: Sequence,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Fact {
        name: &'static str,
        offer: Option<(OfferId, OfferVersion)>,
        contact: Option<Contact>,
        is_shadow: bool,
    },
    Effect {
        key: String,
        kind: &'static str,
        settled: Settled,
        reason: Option<String>,
    },
}

/// A row for each fact of a commit, with the contact of an offer if it is asked for.
pub(super) fn facts(commit: &Commit, with_contact: bool) -> Vec<Row> {
    let row = |(sequence, fact): (u64, &Fact)| {
        let offer = match fact {
            Fact::Event(event) => Some((event.offer.clone(), event.version)),
            Fact::Voided { offer, through } => Some((offer.clone(), *through)),
            Fact::Migrated(_) | Fact::HandedOver(_) | Fact::Reset(_) | Fact::Erased(_) => None,
        };
        let contact = if let Some(OfferChange::Made { contact, .. }) = fact.event().map(|event| &event.change)
            && with_contact
        {
            contact.clone()
        } else {
            None
        };
        Row {
            at: commit.recorded_at,
            buyer: commit.buyer.clone(),
            sequence: Sequence::new(sequence),
            what: What::Fact { name: fact.name(), offer, contact, is_shadow: commit.is_shadow },
        }
    };
    (commit.first.get()..).zip(&commit.facts).map(row).collect()
}

/// A row for each effect of a commit that is settled, as seen at `now`, and the effects that are not.
pub(super) fn settled(commit: &Commit, about: &About, now: Timestamp) -> (Vec<Row>, Vec<Effect>) {
    let row = |Explained { effect, settled, reason, .. }: Explained| Row {
        at: now,
        buyer: commit.buyer.clone(),
        sequence: effect.sequence,
        what: What::Effect { key: effect.key(), kind: effect.kind.name(), settled, reason },
    };
    let explained = commit.effects.iter().map(|effect| explained(effect, commit, about));
    let (settled, open): (Vec<_>, Vec<_>) = explained.partition(|explained| is_final(explained.settled));
    (settled.into_iter().map(row).collect(), open.into_iter().map(|explained| explained.effect).collect())
}

/// Whether nothing will be tried again by itself.
const fn is_final(settled: Settled) -> bool {
    match settled {
        Settled::Pending | Settled::Sending | Settled::Retry | Settled::Unknown => false,
        Settled::Sent
        | Settled::AlreadySent
        | Settled::Superseded
        | Settled::Rejected
        | Settled::Abandoned
        | Settled::Suppressed => true,
    }
}

impl Row {
    pub(super) fn text(&self) -> String {
        let Self { at, buyer, sequence, what } = self;
        let what = match what {
            What::Fact { name, offer, contact, is_shadow } => {
                let offer = offer.as_ref().map(|(offer, version)| format!(" {offer} v{version}"));
                let contact = contact.as_ref().map(|Contact { name, email, phone }| {
                    let phone = phone.as_ref().map(|phone| format!(", {phone}")).unwrap_or_default();
                    harmless(&format!(" by {name}, {email}{phone}"))
                });
                let shadow = if *is_shadow { " (in shadow)" } else { "" };
                format!("{name}{}{}{shadow}", offer.unwrap_or_default(), contact.unwrap_or_default())
            }
            What::Effect { key, settled, reason, .. } => {
                let reason = reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
                format!("{key}: {}{reason}", settled.name())
            }
        };
        format!("{}  {buyer}  {sequence}  {what}", moment(*at))
    }

    pub(super) fn json(&self) -> Value {
        let mut row = json!({
            "at": self.at.to_string(), "buyerId": self.buyer.as_str(), "sequence": self.sequence.get(),
        });
        match &self.what {
            What::Fact { name, offer, contact, is_shadow } => {
                row["fact"] = json!(name);
                row["isShadow"] = json!(is_shadow);
                if let Some((offer, version)) = offer {
                    row["offerId"] = json!(offer.as_str());
                    row["offerVersion"] = json!(version.get());
                }
                if contact.is_some() {
                    row["contact"] = contact_json(contact.as_ref());
                }
            }
            What::Effect { key, kind, settled, reason } => {
                row["effect"] = json!(key);
                row["kind"] = json!(kind);
                row["settled"] = json!(settled.name());
                if let Some(reason) = reason {
                    row["reason"] = json!(reason);
                }
            }
        }
        row
    }
}
