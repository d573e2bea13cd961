//! The lines of the screen, from what was seen: each with its value, its alarms and what to do. A line is red if an alarm
//! of its own rings, or if its value is above the alarm's threshold now, which is earlier.

mod found;
mod measured;
mod queues;
mod work;

use found::Found;
use leads_store::WorkKind;
use queues::{OFFER_EVENTS_WAIT, SALES_TEAM_WAITS};
use serde_json::{Value, json};

use super::look::{Read, Seen};

/// What the operator must know of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Ok,
    Red,
    /// The line could not be read.
    Unknown,
}

impl State {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Red => "red",
            Self::Unknown => "unknown",
        }
    }
}

/// A line of the screen.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) state: State,
    /// The value, in words.
    pub(crate) now: String,
    /// The line's alarms by their names in the template, with their states; `None` if the state is not known.
    pub(crate) alarms: Vec<(&'static str, Option<String>)>,
    /// What to do if the line is red.
    pub(crate) advice: &'static str,
    /// The numbers in `now`.
    pub(crate) values: Value,
}

/// How a line is made.
struct Making {
    name: &'static str,
    alarms: &'static [&'static str],
    advice: &'static str,
    read: fn(&Seen) -> Read<Found>,
}

/// All lines, in the order in which an event passes through the stack.
const LINES: [Making; 19] = [
    Making {
        name: "mode",
        alarms: &[],
        advice: "finish or repair the deployment: docs/deploying.md",
        read: measured::mode,
    },
    Making {
        name: "alarms",
        alarms: &[],
        advice: "act by the red lines; the runbook has a row for each alarm",
        read: measured::alarms,
    },
    Making {
        name: "paused",
        alarms: &["PausedForLongAlarm"],
        advice: "is the reason still true? leads resume shows what waits",
        read: measured::paused,
    },
    Making {
        name: "offer events",
        alarms: &["OfferEventsWaitAlarm", "MessagesReturnedAlarm"],
        advice: "query `errors`, then fix the cause: throttling, permissions, an unreadable stream, the former system",
        read: |seen| queues::queue(seen, "OfferEvents", OFFER_EVENTS_WAIT),
    },
    Making {
        name: "dead letters",
        alarms: &["DeadLettersAlarm"],
        advice: "leads dead-letters list, then act by reason",
        read: queues::dead_letters,
    },
    Making {
        name: "functions",
        alarms: &["RecorderErrorsAlarm", "ReactorErrorsAlarm", "SweeperErrorsAlarm", "ReceiptsErrorsAlarm"],
        advice: "query `errors`, then fix the setting it names, or roll back",
        read: measured::functions,
    },
    Making {
        name: "change feed",
        alarms: &["ReactorLagAlarm"],
        advice: "query `errors`; is the leads table throttled? Roll back, or wait",
        read: measured::feed,
    },
    Making {
        name: "feed given up",
        alarms: &["ReactorFailuresAlarm"],
        advice: "query `errors` at that time, then empty the queue ReactorFailures; leads audit verifies it",
        read: |seen| queues::empty(seen, "ReactorFailures"),
    },
    Making {
        name: "last sweep",
        alarms: &["SweeperNotCalledAlarm", "SweepsUnfinishedAlarm"],
        advice: "is the rule SweeperSchedule enabled, and the sweeper not throttled? A new stack is red until its first \
                 sweep",
        read: measured::sweep,
    },
    Making {
        name: "buyers behind",
        alarms: &["BuyersBehindAlarm"],
        advice: "fix the cause; leads show BUYER, query `behind`",
        read: |seen| Ok(work::behind(seen.open(WorkKind::Behind)?, seen.at)),
    },
    Making {
        name: "unreadable work",
        alarms: &["WorkUnreadableAlarm"],
        advice: "query `unreadable`; after a rollback, deploy the newer version again",
        read: work::unreadable,
    },
    Making {
        name: "oldest gap",
        alarms: &["HeldForLongAlarm"],
        advice: "leads held, then ask the sender for the missing event",
        read: |seen| Ok(work::gap(seen.open(WorkKind::Held)?, seen)),
    },
    Making {
        name: "e-mails to retry",
        alarms: &[],
        advice: "fix what the reason names: SES paused, over its quota, or not permitted",
        read: |seen| Ok(work::retry(seen.open(WorkKind::Email)?, seen)),
    },
    Making {
        name: "e-mails in doubt",
        alarms: &["EmailsAbandonedAlarm"],
        advice: "leads emails --status unknown or abandoned; decide on each: leads emails --resend BUYER/KEY --yes",
        read: |seen| Ok(work::doubt(seen.open(WorkKind::Email)?, seen)),
    },
    Making {
        name: "e-mails rejected",
        alarms: &["EmailsRejectedAlarm"],
        advice: "leads emails --status rejected (scans the table)",
        read: measured::rejected,
    },
    Making {
        name: "reputation",
        alarms: &["BounceRateAlarm", "ComplaintRateAlarm"],
        advice: "stop the source of bad addresses: SES pauses accounts at 10 % bounces or 0.5 % complaints",
        read: measured::reputation,
    },
    Making {
        name: "sales team",
        alarms: &["SalesTeamWaitsAlarm"],
        advice: "does the consumer of SalesTeam run and delete messages? Repair it; nothing is lost for 14 days",
        read: |seen| queues::queue(seen, "SalesTeam", SALES_TEAM_WAITS),
    },
    Making {
        name: "SES events",
        // They are not urgent, so no alarm watches their age.
        alarms: &[],
        advice: "query `errors`; doubtful e-mails may be abandoned meanwhile",
        read: |seen| queues::queue(seen, "EmailReceipts", f64::INFINITY),
    },
    Making {
        name: "SES events aside",
        alarms: &["EmailReceiptsDeadLettersAlarm"],
        advice: "query `errors`, fix it, then redrive that queue in the SQS console",
        read: |seen| queues::empty(seen, "EmailReceiptsDeadLetters"),
    },
];

pub(crate) fn lines(seen: &Seen) -> Vec<Line> {
    let state_of = |alarm: &str| seen.alarms.as_ref().ok()?.get(alarm).cloned();
    LINES
        .into_iter()
        .map(|Making { name, alarms, advice, read }| {
            let alarms: Vec<_> = alarms.iter().map(|alarm| (*alarm, state_of(alarm))).collect();
            let rings = alarms.iter().any(|(_, state)| state.as_deref() == Some("ALARM"));
            let (state, now, values) = match read(seen) {
                Ok(Found { is_red: false, now, values }) => (State::Ok, now, values),
                Ok(Found { is_red: true, now, values }) => (State::Red, now, values),
                Err(why) => (State::Unknown, format!("not read: {why}"), json!({ "notRead": why })),
            };
            Line { name, state: if rings { State::Red } else { state }, now, alarms, advice, values }
        })
        .collect()
}
