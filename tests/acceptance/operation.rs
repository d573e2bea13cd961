//! What the people who run a stack rely on: its alarm, schedule, logs and speed.

use std::time::Duration;

use cli::aws::Service;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tests::Failed;

use crate::promise::{Check, Promise};
use crate::run::Run;
use crate::target::text;

/// The functions' log groups in the template.
const LOGS: [&str; 4] = ["RecorderLogs", "ReactorLogs", "SweeperLogs", "ReceiptsLogs"];

/// The personal data of the run's buyers, of which no log may contain a word.
const CANARIES: [&str; 4] = ["canary", "400 000 000", "simulator.amazonses.com", "+61"];

/// An event's way, by the caller's clock and by the functions'.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) posted_to_settled: Duration,
    pub(crate) recorded_to_mailed: Option<SignedDuration>,
}

/// The dead letters of this run must ring one alarm.
pub(crate) async fn alarm(run: &Run<'_>) -> Result<Check, Failed> {
    let what = "DeadLettersAlarm rings for the dead letters of this run";
    let name = run.target.id("DeadLettersAlarm");
    // The metrics of a queue that was inactive can come 15 minutes late (Amazon SQS Developer Guide, "Available
    // CloudWatch metrics for Amazon SQS").
    let patience = if run.aws.is_emulated() { Duration::ZERO } else { Duration::from_mins(20) };
    let look = async || {
        let wanted = [("AlarmNames.member.1", name)];
        let answer = run.aws.query(Service::CloudWatch, "DescribeAlarms", &wanted).await?;
        let alarm = &answer["MetricAlarms"][0];
        let since = text(&alarm["StateUpdatedTimestamp"]).parse::<Timestamp>();
        let is_new = since.is_ok_and(|since| since >= run.started);
        Ok((alarm["StateValue"] == "ALARM" && is_new).then_some(()))
    };
    let seen = run.until(patience, look).await?;
    if seen.is_none() && run.aws.is_emulated() {
        return Ok(Check::not_possible(
            Promise::Alarms,
            what,
            "an emulator is not waited for; `make drill` rings it on LocalStack",
        ));
    }
    let differences: Vec<String> = seen.is_none().then(|| "it did not ring".to_owned()).into_iter().collect();
    Ok(Check::of(Promise::Alarms, what, "it rang", &differences, "compare it with the template"))
}

/// The schedule must call the sweeper while the run lasts.
pub(crate) async fn sweeper(run: &Run<'_>) -> Result<Check, Failed> {
    let what = "the schedule calls the sweeper";
    let schedule = run.target.parameter("SweepEvery");
    let rate = schedule.strip_prefix("rate(").and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
    let Some(minutes) = rate.filter(|_| schedule.contains("minute")).filter(|minutes| *minutes <= 15) else {
        let reason = format!("SweepEvery is {schedule}, too long to wait for");
        return Ok(Check::not_possible(Promise::Sweeper, what, reason));
    };
    // The schedule, a minute until EventBridge calls, and a minute until the log shows it.
    let patience = Duration::from_secs(60 * minutes + 120);
    let look = async || Ok((!run.log_lines("SweeperLogs", None).await?.is_empty()).then_some(()));
    let seen = run.until(patience, look).await?;
    let silence = format!("its log is empty for {} seconds", patience.as_secs());
    let differences: Vec<String> = seen.is_none().then_some(silence).into_iter().collect();
    let advice = "enable the rule of SweeperSchedule and read the sweeper's errors";
    Ok(Check::of(Promise::Sweeper, what, &format!("within {schedule}"), &differences, advice))
}

/// Reads all logs since the run began.
pub(crate) async fn logs(run: &Run<'_>) -> Result<Vec<Check>, Failed> {
    let mut checks = Vec::new();
    for group in LOGS {
        let what = format!("{group} since the run began");
        let mut lines = Vec::new();
        let is_needed = matches!(group, "RecorderLogs" | "ReactorLogs") && run.logs_everything();
        // The log of an event may come some seconds after its effects.
        let look = async || {
            lines = run.log_lines(group, None).await?;
            Ok((!is_needed || lines.iter().any(|line| line.contains(&run.prefix))).then_some(()))
        };
        let seen = run.until(Duration::from_mins(2), look).await?;
        let mut differences: Vec<String> = lines
            .iter()
            .filter(|line| CANARIES.iter().any(|word| line.to_lowercase().contains(word)))
            .map(|line| {
                let words = CANARIES.iter().filter(|word| line.to_lowercase().contains(*word));
                format!("a line contains {:?}", words.collect::<Vec<_>>())
            })
            .collect();
        differences.dedup();
        if seen.is_none() {
            differences.push("the log has no line about this run's buyers".to_owned());
        }
        let expected = format!("none of {} lines has a name, address or telephone number", lines.len());
        checks.push(Check::of(
            Promise::Logs,
            &what,
            &expected,
            &differences,
            "find the line and report it to us",
        ));
    }
    Ok(checks)
}

/// The median and the maximum in milliseconds.
pub(crate) fn summary(mut milliseconds: Vec<u128>) -> Value {
    milliseconds.sort_unstable();
    let median = milliseconds.get(milliseconds.len() / 2);
    json!({ "events": milliseconds.len(), "median": median, "maximum": milliseconds.last() })
}

/// The times of events from posting to settled, and from recording to the accepted e-mail, in milliseconds.
pub(crate) fn times(timings: &[Timing]) -> (Vec<u128>, Vec<u128>) {
    let settled = timings.iter().filter(|one| one.recorded_to_mailed.is_none());
    let mailed = timings.iter().filter_map(|one| one.recorded_to_mailed);
    (
        settled.map(|one| one.posted_to_settled.as_millis()).collect(),
        mailed.map(|time| u128::try_from(time.as_millis()).unwrap_or_default()).collect(),
    )
}

pub(crate) fn speed(timings: &[Timing]) -> Check {
    let (settled, mailed) = times(timings);
    let seen = |times: &[u128]| {
        let summary = summary(times.to_vec());
        format!("median {} ms, maximum {} ms", summary["median"], summary["maximum"])
    };
    let text = format!("posted to settled: {}; recorded to mailed: {}", seen(&settled), seen(&mailed));
    let median = |times: &[u128]| summary(times.to_vec())["median"].as_u64();
    let is_fast = [&settled, &mailed].iter().all(|times| median(times).is_some_and(|median| median < 60_000));
    let differences: Vec<String> = (!is_fast).then(|| text.clone()).into_iter().collect();
    Check::of(
        Promise::Speed,
        "events of the scenarios",
        &text,
        &differences,
        "read the age of the queues' messages",
    )
}
