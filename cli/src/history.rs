//! `leads history`: event by event, what happened to a buyer and what was done about it.

use std::io::Write;

use domain::BuyerId;
use effects::leads::About;
use serde_json::{Value, json};

use crate::Tables;
use crate::output::{Output, count, moment, or_dash, table};
use crate::show::{behind_json, unknown};
use crate::{Exit, Explained, Failure, Fate, Line, explain};

/// A buyer's history, and how far it is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// Whose.
    pub buyer: BuyerId,
    /// Event by event, oldest first; empty for a buyer never heard of.
    pub lines: Vec<Line>,
    /// What the world was told.
    pub about: About,
}

/// Reads the whole stream of a buyer, then what the world was told of it.
///
/// # Errors
/// [`Failure::Stream`], [`Failure::Leads`].
pub async fn history(tables: &Tables, buyer: &BuyerId) -> Result<History, Failure> {
    let commits = event_store::history(&tables.streams, buyer)
        .await
        .map_err(|source| Failure::Stream { buyer: buyer.clone(), source })?;
    // Read after the stream: what is settled meanwhile shows, and nothing settled shows as pending.
    let about =
        tables.leads.about(buyer).await.map_err(|source| Failure::Leads { buyer: buyer.clone(), source })?;
    Ok(History { buyer: buyer.clone(), lines: explain(&commits, &about), about })
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
    /// The history for people.
    #[must_use]
    pub fn text(&self) -> String {
        let rows = self.lines.iter().map(|line| {
            let leads: Vec<String> = line.open_leads.iter().map(ToString::to_string).collect();
            let effects: Vec<String> = line.effects.iter().map(effect_text).collect();
            [
                line.sequence.to_string(),
                format!("{}\n{} v{}", line.event.change.name(), line.event.offer, line.event.version),
                format!("{}\n{}", or_dash(line.event.time.as_deref()), moment(line.recorded_at)),
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
        match &self.about.cursor.behind {
            Some(behind) => format!(
                "{}: settled through {through} of {head}; behind after {} in vain, next at {}: {}",
                self.buyer,
                count(u64::from(behind.attempts), "attempt"),
                moment(behind.not_before),
                behind.reason,
            ),
            None if through < head => format!("{}: settled through {through} of {head}", self.buyer),
            None => format!("{}: all settled", self.buyer),
        }
    }

    /// The history for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let events: Vec<Value> = self.lines.iter().map(line_json).collect();
        let head = self.lines.last().map(|line| line.sequence).unwrap_or_default();
        let cursor = json!({
            "through": self.about.cursor.through.get(),
            "head": head.get(),
            "behind": self.about.cursor.behind.as_ref().map(behind_json),
        });
        json!({ "buyerId": self.buyer.as_str(), "cursor": cursor, "events": events })
    }
}

fn effect_text(explained: &Explained) -> String {
    let Explained { effect, settled, reason } = explained;
    match reason {
        Some(reason) => format!("{}: {} ({reason})", effect.key(), settled.name()),
        None => format!("{}: {}", effect.key(), settled.name()),
    }
}

fn fate_text(fate: &Fate) -> String {
    match fate {
        Fate::Applied { released } if !released.is_empty() => {
            let released: Vec<String> = released.iter().map(|version| format!("v{version}")).collect();
            format!("applied, with held {}", released.join(", "))
        }
        Fate::Applied { .. } | Fate::Held | Fate::Duplicate => fate.name().to_owned(),
    }
}

fn line_json(line: &Line) -> Value {
    let released = match &line.fate {
        Fate::Applied { released } => released.iter().map(|version| version.get()).collect(),
        Fate::Held | Fate::Duplicate => Vec::new(),
    };
    let leads: Vec<String> = line.open_leads.iter().map(ToString::to_string).collect();
    let effects = line.effects.iter().map(|explained| {
        json!({
            "key": explained.effect.key(),
            "kind": explained.effect.kind.name(),
            "settled": explained.settled.name(),
            "reason": explained.reason,
        })
    });
    json!({
        "sequence": line.sequence.get(),
        "id": line.event.id.as_str(),
        "type": format!("offer.{}.v1", line.event.change.name()),
        "offerId": line.event.offer.as_str(),
        "offerVersion": line.event.version.get(),
        "time": line.event.time,
        "recordedAt": line.recorded_at.to_string(),
        "fate": line.fate.name(),
        "releasedVersions": released,
        "openLeads": leads,
        "effects": effects.collect::<Vec<_>>(),
    })
}
