//! Lines about queues: how much waits, and for how long.

use serde_json::json;

use super::found::{Found, long, most_frequent};
use crate::status::look::{Depth, Read, Seen};

/// The threshold of `OfferEventsWaitAlarm`, in seconds.
pub(super) const OFFER_EVENTS_WAIT: f64 = 300.0;

/// The threshold of `SalesTeamWaitsAlarm`, in seconds.
pub(super) const SALES_TEAM_WAITS: f64 = 3600.0;

/// A queue whose messages should not wait longer than `limit` seconds.
pub(super) fn queue(seen: &Seen, name: &'static str, limit: f64) -> Read<Found> {
    let depth = seen.depth(name)?;
    let oldest = age(seen, name, depth);
    let age = match oldest {
        Some(seconds) => format!(", oldest {}", long(seconds)),
        None if depth.all() > 0 => ", age not measured yet".to_owned(),
        None => String::new(),
    };
    let Depth { waiting, in_flight } = depth;
    Ok(Found {
        is_red: oldest.is_some_and(|seconds| seconds > limit),
        now: format!("{waiting} waiting, {in_flight} in flight{age}"),
        values: json!({ "waiting": waiting, "inFlight": in_flight, "oldestSeconds": oldest }),
    })
}

/// A queue that should be empty.
pub(super) fn empty(seen: &Seen, name: &'static str) -> Read<Found> {
    let found = queue(seen, name, f64::INFINITY)?;
    Ok(Found { is_red: seen.depth(name)?.all() > 0, ..found })
}

/// The dead letters of offer events, with the reasons of those that were looked at.
pub(super) fn dead_letters(seen: &Seen) -> Read<Found> {
    let name = "OfferEventsDeadLetters";
    let Found { is_red, now, mut values } = empty(seen, name)?;
    let reasons = match &seen.reasons {
        Ok(reasons) => {
            values["reasons"] = json!(reasons);
            let looked: u64 = reasons.values().sum();
            let named = reasons.iter().map(|(reason, number)| (reason.as_str(), *number));
            let named = most_frequent(named, usize::MAX);
            match looked {
                0 => String::new(),
                _ if looked < seen.depth(name)?.all() => format!("; of {looked} looked at, {named}"),
                _ => format!("; {named}"),
            }
        }
        Err(why) => format!("; reasons not read: {why}"),
    };
    Ok(Found { is_red, now: format!("{now}{reasons}"), values })
}

/// The age of the oldest message in seconds. The metric keeps its last value for a while after the queue is empty.
fn age(seen: &Seen, name: &str, depth: Depth) -> Option<f64> {
    seen.minutes.as_ref().ok()?.newest(&format!("age{name}")).filter(|_| depth.all() > 0)
}
