//! Lines about the stack itself, and about what CloudWatch and the sweeper's place say.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::json;

use super::found::{Found, between, long, most_frequent, whole};
use crate::output::count;
use crate::pause;
use crate::status::look::{Read, Seen};
use crate::status::metrics::FUNCTIONS;

/// The threshold of `ReactorLagAlarm`, in seconds.
const FEED_LAG: f64 = 300.0;

/// The time within which the sweeper must be called, half an hour, plus the two minutes for which it leaves commits to
/// their doorbell, and the time of a sweep.
const SWEEP_WITHIN: SignedDuration = SignedDuration::from_mins(40);

/// The threshold of `PausedForLongAlarm`.
const PAUSED_FOR: SignedDuration = SignedDuration::from_hours(2);

#[expect(clippy::unnecessary_wraps, reason = "as the other lines")]
pub(super) fn mode(seen: &Seen) -> Read<Found> {
    let stack = &seen.stack;
    let effects = stack.parameter("Effects").unwrap_or("live");
    let percent = stack.parameter("LivePercent").and_then(|text| text.parse::<u8>().ok()).unwrap_or_default();
    let mode = match (effects, percent) {
        ("shadow", 1..) => format!("shadow, {percent} % of buyers go live"),
        _ => effects.to_owned(),
    };
    Ok(Found {
        is_red: stack.status.ends_with("_FAILED"),
        now: format!("{mode}; the stack is {}", stack.status),
        values: json!({ "effects": effects, "livePercent": percent, "stackStatus": stack.status }),
    })
}

pub(super) fn alarms(seen: &Seen) -> Read<Found> {
    let alarms = seen.alarms.as_ref().map_err(Clone::clone)?;
    if alarms.is_empty() {
        return Err("the stack has no alarms".to_owned());
    }
    let ringing: Vec<&str> =
        alarms.iter().filter(|(_, state)| *state == "ALARM").map(|(name, _)| name.as_str()).collect();
    let all = count(alarms.len() as u64, "alarm");
    let now = match ringing.len() {
        0 => format!("{all}, none rings"),
        number => format!("{number} of {all} ring: {}", ringing.join(", ")),
    };
    Ok(Found {
        is_red: !ringing.is_empty(),
        now,
        values: json!({ "found": alarms.len(), "ringing": ringing }),
    })
}

pub(super) fn functions(seen: &Seen) -> Read<Found> {
    let minutes = seen.minutes.as_ref().map_err(Clone::clone)?;
    let errors: BTreeMap<&str, u64> =
        FUNCTIONS.into_iter().map(|name| (name, whole(minutes.sum(&format!("errors_{name}"))))).collect();
    let failing = errors.iter().filter(|(_, number)| **number > 0).map(|(name, number)| (*name, *number));
    let named = most_frequent(failing, usize::MAX);
    let now = if named.is_empty() { "no errors".to_owned() } else { format!("errors: {named}") };
    Ok(Found { is_red: false, now: format!("{now} in 15 min"), values: json!({ "errors": errors }) })
}

pub(super) fn feed(seen: &Seen) -> Read<Found> {
    let minutes = seen.minutes.as_ref().map_err(Clone::clone)?;
    let seconds = |milliseconds: f64| milliseconds / 1000.0;
    let age = minutes.newest("feed").map(seconds);
    let lags = ["lag_reactor", "lag_sweeper"].into_iter().filter_map(|id| minutes.largest(id));
    let lag = lags.reduce(f64::max).map(seconds);
    let behind = age.map(|age| format!("{} behind", long(age)));
    let settled = lag.map(|lag| format!("effects settled within {} of their event", long(lag)));
    let now: Vec<String> = behind.into_iter().chain(settled).collect();
    let now = if now.is_empty() { "no records in 15 min".to_owned() } else { now.join("; ") };
    Ok(Found {
        is_red: age.is_some_and(|age| age > FEED_LAG),
        now,
        values: json!({ "behindSeconds": age, "longestLagSeconds": lag }),
    })
}

pub(super) fn sweep(seen: &Seen) -> Read<Found> {
    let walked = seen.walked.clone()?;
    let is_red = walked.is_none_or(|at| seen.at.duration_since(at) > SWEEP_WITHIN);
    let now = match walked {
        Some(at) => format!("has seen all commits up to {} ago", between(at, seen.at)),
        None => "never".to_owned(),
    };
    Ok(Found { is_red, now, values: json!({ "walkedThrough": walked.map(|at| at.to_string()) }) })
}

pub(super) fn paused(seen: &Seen) -> Read<Found> {
    let pauses = seen.pauses.as_ref().map_err(Clone::clone)?;
    let is_red = pauses.since().is_some_and(|since| seen.at.duration_since(since) > PAUSED_FOR);
    let now = pause::words(pauses, |since| between(since, seen.at));
    Ok(Found { is_red, now, values: pause::json(pauses) })
}

pub(super) fn rejected(seen: &Seen) -> Read<Found> {
    let number = whole(seen.hours.as_ref().map_err(Clone::clone)?.sum("rejected"));
    Ok(Found { is_red: false, now: format!("{number} in 24 h"), values: json!({ "inDay": number }) })
}

pub(super) fn reputation(seen: &Seen) -> Read<Found> {
    let hours = seen.hours.as_ref().map_err(Clone::clone)?;
    let (bounces, complaints) = (hours.newest("bounces"), hours.newest("complaints"));
    let percent = |rate: Option<f64>| format!("{:.2} %", rate.unwrap_or_default() * 100.0);
    let now = match (bounces, complaints) {
        (None, None) => "not measured in 24 h".to_owned(),
        (bounces, complaints) => format!("{} bounces, {} complaints", percent(bounces), percent(complaints)),
    };
    Ok(Found { is_red: false, now, values: json!({ "bounceRate": bounces, "complaintRate": complaints }) })
}
