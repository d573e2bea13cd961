//! `leads history`: a buyer's facts one by one, with the effects of each and how they were settled.

use std::io::Write;

use contract::stored::{Act, Commit};
use domain::{BuyerId, Fact, FormerLeadId, Known, OfferId, OfferVersion, Priority};
use leads_store::About;
use serde_json::{Value, json};

use crate::Tables;
use crate::output::{Output, count, harmless, moment, or_dash, table};
use crate::show::{behind_json, unknown};
use crate::{Entry, Exit, Explained, Failure, Fate, Line, Mode, explain};

/// A buyer's history, and how far its effects are settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The buyer.
    pub buyer: BuyerId,
    /// The facts, oldest first; empty for an unknown buyer.
    pub lines: Vec<Line>,
    /// Which system announces the buyer's leads.
    pub mode: Mode,
    /// The buyer's items in the leads table.
    pub about: About,
}

/// Reads a buyer's whole stream, then its items in the leads table.
///
/// # Errors
/// [`Failure::Stream`], [`Failure::Leads`].
pub async fn history(tables: &Tables, buyer: &BuyerId) -> Result<History, Failure> {
    let (commits, about) = read(tables, buyer).await?;
    Ok(History { buyer: buyer.clone(), lines: explain(&commits, &about), mode: Mode::of(&commits), about })
}

/// A buyer's whole stream, and its items in the leads table.
pub(crate) async fn read(tables: &Tables, buyer: &BuyerId) -> Result<(Vec<Commit>, About), Failure> {
    let commits = event_store::history(&tables.streams, buyer)
        .await
        .map_err(|source| Failure::Stream { buyer: buyer.clone(), source })?;
    // Read after the stream, so that no effect settled before that is shown as pending.
    let about =
        tables.leads.about(buyer).await.map_err(|source| Failure::Leads { buyer: buyer.clone(), source })?;
    Ok((commits, about))
}

pub(crate) async fn command<O: Write, E: Write>(
    buyer: &BuyerId,
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let history = history(tables, buyer).await?;
    if history.lines.is_empty() {
        return unknown(buyer, output);
    }
    if output.is_json {
        output.json(&history.json())?;
    } else {
        output.line(&history.text())?;
    }
    Ok(Exit::Good)
}

impl History {
    /// The history as text.
    #[must_use]
    pub fn text(&self) -> String {
        let rows = self.lines.iter().map(|line| {
            let leads: Vec<String> = line.open_leads.iter().map(ToString::to_string).collect();
            let effects: Vec<String> = line.effects.iter().map(effect_text).collect();
            [
                line.sequence.to_string(),
                entry_text(&line.entry) + &act_text("", line.act.as_ref()),
                format!("{}\n{}", or_dash(time_of(&line.entry)), moment(line.recorded_at)),
                fate_text(&line.fate),
                if leads.is_empty() { "-".to_owned() } else { leads.join("\n") },
                if effects.is_empty() { "-".to_owned() } else { effects.join("\n") },
            ]
        });
        let header = ["#", "event", "happened, recorded", "fate", "open leads after it", "effects"];
        format!("{}\n{}", table(&header, rows), self.settled_text())
    }

    fn settled_text(&self) -> String {
        let head = self.lines.last().map(|line| line.sequence).unwrap_or_default();
        let through = self.about.cursor.through;
        let settled = match &self.about.cursor.behind {
            Some(behind) => format!(
                "settled through {through} of {head}; behind after {}, next at {}: {}",
                count(u64::from(behind.attempts), "failed attempt"),
                moment(behind.not_before),
                behind.reason,
            ),
            None if through < head => format!("settled through {through} of {head}"),
            None => "all settled".to_owned(),
        };
        format!("{}: {}; {settled}", self.buyer, self.mode.text())
    }

    /// The history as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let events: Vec<Value> = self.lines.iter().map(line_json).collect();
        let head = self.lines.last().map(|line| line.sequence).unwrap_or_default();
        let cursor = json!({
            "through": self.about.cursor.through.get(),
            "head": head.get(),
            "behind": self.about.cursor.behind.as_ref().map(behind_json),
        });
        let mode = self.mode.json();
        json!({ "buyerId": self.buyer.as_str(), "standing": mode, "cursor": cursor, "events": events })
    }
}

pub(crate) fn entry_text(entry: &Entry) -> String {
    let name = entry.name();
    match entry {
        Entry::Fact(Fact::Event(event)) => format!("{name}\n{} v{}", event.offer, event.version),
        Entry::Fact(Fact::Voided { offer, through }) => format!("{name}\n{offer} through v{through}"),
        Entry::Fact(Fact::Migrated(known) | Fact::HandedOver(known)) => {
            let invited = if known.was_invited { ", invited" } else { "" };
            let summary = format!("{name}\n{}{invited}", count(known.offers.len() as u64, "offer"));
            let leads = former_leads(known).map(|(lead, offer)| match offer {
                Some(offer) => format!("high lead {lead} ({offer})"),
                None => format!("low lead {lead}"),
            });
            std::iter::once(summary).chain(leads).collect::<Vec<_>>().join("\n")
        }
        Entry::Fact(Fact::Reset(_) | Fact::Erased(_)) => name.to_owned(),
        Entry::Emptied(emptied) => format!("{name}\nthrough {}, replaced by {}", emptied.last, emptied.by),
    }
}

/// The open leads in the former system's answer, each high lead with its offer.
fn former_leads(known: &Known) -> impl Iterator<Item = (&FormerLeadId, Option<&OfferId>)> {
    let high = known.offers.iter().filter_map(|(id, offer)| Some((offer.former_lead.as_ref()?, Some(id))));
    known.low_lead.iter().map(|lead| (lead, None)).chain(high)
}

fn former_json(known: &Known) -> Value {
    let leads = former_leads(known).map(|(lead, offer)| {
        let priority = if offer.is_some() { Priority::High } else { Priority::Low };
        json!({
            "leadId": lead.as_str(), "priority": priority.name(), "offerId": offer.map(OfferId::as_str),
        })
    });
    let leads = leads.collect::<Vec<_>>();
    json!({ "offers": known.offers.len(), "wasInvited": known.was_invited, "openLeads": leads })
}

pub(crate) fn time_of(entry: &Entry) -> Option<&str> {
    entry.event()?.time.as_deref()
}

fn effect_text(explained: &Explained) -> String {
    let Explained { effect, settled, reason, act } = explained;
    let reason = reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
    format!("{}: {}{reason}{}", effect.key(), settled.name(), act_text("sent again ", act.as_ref()))
}

/// Whose act it was, in a line of its own.
pub(crate) fn act_text(what: &str, act: Option<&Act>) -> String {
    act.map_or_else(String::new, |act| format!("\n{what}{}", harmless(&act.to_string())))
}

pub(crate) fn act_json(act: Option<&Act>) -> Value {
    act.map_or(Value::Null, |act| json!({ "by": act.by, "because": act.because }))
}

pub(crate) fn fate_text(fate: &Fate) -> String {
    match fate {
        Fate::Applied { released } if !released.is_empty() => {
            let released: Vec<String> = released.iter().map(|version| format!("v{version}")).collect();
            format!("applied, with held {}", released.join(", "))
        }
        Fate::Applied { .. } | Fate::Held | Fate::Duplicate | Fate::Taken => fate.name().to_owned(),
    }
}

fn line_json(line: &Line) -> Value {
    let released = match &line.fate {
        Fate::Applied { released } => released.iter().map(|version| version.get()).collect(),
        Fate::Held | Fate::Duplicate | Fate::Taken => Vec::new(),
    };
    let leads: Vec<String> = line.open_leads.iter().map(ToString::to_string).collect();
    let effects = line.effects.iter().map(|explained| {
        json!({
            "key": explained.effect.key(),
            "kind": explained.effect.kind.name(),
            "settled": explained.settled.name(),
            "reason": explained.reason,
            "sentAgain": act_json(explained.act.as_ref()),
        })
    });
    let event = line.entry.event();
    let name = line.entry.name();
    let (offer, version) = match &line.entry {
        Entry::Fact(Fact::Event(event)) => (Some(&event.offer), Some(event.version)),
        Entry::Fact(Fact::Voided { offer, through }) => (Some(offer), Some(*through)),
        Entry::Fact(Fact::Migrated(_) | Fact::HandedOver(_) | Fact::Reset(_) | Fact::Erased(_))
        | Entry::Emptied(_) => (None, None),
    };
    let mut row = json!({
        "sequence": line.sequence.get(),
        "id": event.map(|event| event.id.as_str()),
        "type": if event.is_some() { format!("offer.{name}.v1") } else { name.to_owned() },
        "offerId": offer.map(OfferId::as_str),
        "offerVersion": version.map(OfferVersion::get),
        "time": time_of(&line.entry),
        "recordedAt": line.recorded_at.to_string(),
        "fate": line.fate.name(),
        "act": act_json(line.act.as_ref()),
        "releasedVersions": released,
        "openLeads": leads,
        "effects": effects.collect::<Vec<_>>(),
    });
    if let Entry::Fact(Fact::Migrated(known) | Fact::HandedOver(known)) = &line.entry {
        row["formerSystem"] = former_json(known);
    }
    row
}
