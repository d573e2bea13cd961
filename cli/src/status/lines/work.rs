//! Lines about open work: buyers behind, gaps, and e-mails that are not settled.

use jiff::{SignedDuration, Timestamp};
use leads_store::{Behind, LedgerEntry, Open as Work, SeenWork, Status};
use serde_json::json;

use super::found::{Found, ahead, at_least, between, by_reason, whole};
use crate::output::count;
use crate::status::look::{Open, Read, Seen};

/// Attempts after which a buyer has been behind for half an hour: it waits for 1 minute, doubled up to 16.
const BEHIND_FOR_LONG: u32 = 6;

/// How many buyers are listed in JSON.
const LISTED: usize = 10;

/// How long an e-mail may be in doubt: the sweeper abandons it after an hour.
const IN_DOUBT_FOR: SignedDuration = SignedDuration::from_hours(2);

pub(super) fn behind(open: &Open, now: Timestamp) -> Found {
    let marks: Vec<(&SeenWork, &Behind)> =
        open.items.iter().filter_map(|item| Some((item, item.behind.as_ref()?))).collect();
    let next = marks.iter().map(|(_, mark)| mark.not_before).min();
    let reasons = by_reason(marks.iter().map(|(_, mark)| mark.reason.as_str()));
    let attempt = next.map(|at| format!(": {reasons}; next attempt {}", ahead(at, now))).unwrap_or_default();
    let buyers = marks.iter().take(LISTED).map(|(item, mark)| {
        json!({
            "buyerId": item.work.buyer.as_str(),
            "reason": mark.reason,
            "attempts": mark.attempts,
            "nextAttempt": mark.not_before.to_string(),
        })
    });
    Found {
        is_red: marks.iter().any(|(_, mark)| mark.attempts >= BEHIND_FOR_LONG),
        now: format!("{}{attempt}", at_least(open.is_cut, marks.len(), "buyer")),
        values: json!({
            "count": marks.len(),
            "isCut": open.is_cut,
            "nextAttempt": next.map(|at| at.to_string()),
            "buyers": buyers.collect::<Vec<_>>(),
        }),
    }
}

pub(super) fn unreadable(seen: &Seen) -> Read<Found> {
    let mut number = 0;
    for open in seen.open.values() {
        number += open.as_ref().map_err(Clone::clone)?.unreadable;
    }
    Ok(Found { is_red: number > 0, now: count(number, "item"), values: json!({ "count": number }) })
}

pub(super) fn gap(open: &Open, seen: &Seen) -> Found {
    let gaps = open.items.iter().filter_map(|item| match &item.work.what {
        Work::Held(held) => Some((held.since, &item.work.buyer)),
        Work::Behind | Work::Email { .. } => None,
    });
    let number = gaps.clone().count();
    let oldest = gaps.min();
    let limit = seen.stack.parameter("HeldForLong").and_then(|text| text.parse().ok()).unwrap_or(86400);
    let said = oldest.map(|(at, buyer)| format!(", oldest {} ({buyer})", between(at, seen.at)));
    Found {
        is_red: oldest.is_some_and(|(at, _)| seen.at.duration_since(at).as_secs() > limit),
        now: format!("{} with gaps{}", at_least(open.is_cut, number, "buyer"), said.unwrap_or_default()),
        values: json!({
            "count": number,
            "isCut": open.is_cut,
            "oldestSince": oldest.map(|(at, _)| at.to_string()),
            "oldestBuyerId": oldest.map(|(_, buyer)| buyer.as_str()),
        }),
    }
}

pub(super) fn retry(open: &Open, seen: &Seen) -> Found {
    let entries = with_status(open, Status::Retry);
    let hours = seen.stack.parameter("EmailsTriedForHours").and_then(|text| text.parse().ok()).unwrap_or(24);
    // The last attempt is due then; it may take a sweep to come.
    let limit = SignedDuration::from_hours(hours) + SignedDuration::from_hours(1);
    let first = entries.iter().filter_map(|entry| entry.first_tried_at).min();
    let next = entries.iter().filter_map(|entry| entry.due).min();
    let reasons = by_reason(entries.iter().map(|entry| entry.reason.as_deref().unwrap_or("not tried yet")));
    let attempt =
        next.map(|at| format!(": {reasons}; next attempt {}", ahead(at, seen.at))).unwrap_or_default();
    Found {
        is_red: first.is_some_and(|at| seen.lasted(at) > limit),
        now: format!("{}{attempt}", at_least(open.is_cut, entries.len(), "e-mail")),
        values: json!({
            "count": entries.len(),
            "isCut": open.is_cut,
            "nextAttempt": next.map(|at| at.to_string()),
            "firstTriedAt": first.map(|at| at.to_string()),
        }),
    }
}

pub(super) fn doubt(open: &Open, seen: &Seen) -> Found {
    let entries = with_status(open, Status::Unknown);
    let oldest = entries.iter().map(|entry| entry.since).min();
    let abandoned = seen.hours.as_ref().ok().map(|hours| whole(hours.sum("abandoned")));
    let age = oldest.map(|at| format!(", oldest {}", between(at, seen.at))).unwrap_or_default();
    let ended = abandoned.map(|number| format!("; {number} abandoned in 24 h")).unwrap_or_default();
    Found {
        is_red: oldest.is_some_and(|at| seen.lasted(at) > IN_DOUBT_FOR),
        now: format!("{}{age}{ended}", at_least(open.is_cut, entries.len(), "e-mail")),
        values: json!({
            "count": entries.len(),
            "isCut": open.is_cut,
            "oldestSince": oldest.map(|at| at.to_string()),
            "abandonedInDay": abandoned,
        }),
    }
}

fn with_status(open: &Open, status: Status) -> Vec<&LedgerEntry> {
    let entries = open.items.iter().filter_map(|item| match &item.work.what {
        Work::Email { entry, .. } => Some(entry.as_ref()),
        Work::Behind | Work::Held(_) => None,
    });
    entries.filter(|entry| entry.status == status).collect()
}
