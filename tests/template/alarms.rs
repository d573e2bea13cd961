use std::collections::{BTreeMap, BTreeSet};

use crate::{Place, file, properties, sources, sweep_every, template};

/// Every alarm in the template, with its name.
pub(crate) fn alarms() -> Vec<(String, Place)> {
    let resources = template().at("Resources");
    let is_alarm = |name: &String| resources.at(name).at("Type").text() == "AWS::CloudWatch::Alarm";
    resources.names().into_iter().filter(is_alarm).map(|name| (name.clone(), properties(&name))).collect()
}

/// The folders whose code counts each function's metrics.
pub(crate) const COUNTED_IN: [(&str, &[&str]); 4] = [
    ("Recorder", &["functions/recorder/src"]),
    ("Reactor", &["functions/reactor/src", "shared/effects/src"]),
    ("Sweeper", &["functions/sweeper/src", "shared/effects/src"]),
    ("Receipts", &["functions/receipts/src"]),
];

/// The metrics that are declared, by the names of their constants.
pub(crate) fn declared() -> BTreeMap<String, String> {
    let code = file("shared/contract/src/metric.rs");
    let constants = code.lines().filter_map(|line| line.strip_prefix("pub const ")?.split_once(": &str = "));
    constants.map(|(name, value)| (name.to_owned(), value.trim_matches(['"', ';']).to_owned())).collect()
}

/// The metrics that the shipped code under a folder writes.
fn written_in(folder: &str) -> BTreeSet<String> {
    let declared = declared();
    let sources = sources(folder);
    let names = sources.iter().flat_map(|code| code.split("metric::").skip(1)).map(|rest| {
        rest.split(|letter: char| !letter.is_ascii_uppercase() && letter != '_').next().unwrap_or_default()
    });
    names.map(|name| declared[name].clone()).collect()
}

/// The names in the first column of the table in a section of the runbook, in order.
pub(crate) fn listed(section: &str) -> Vec<String> {
    let page = file("docs/runbook.md");
    let section = page.split("\n## ").find(|text| text.starts_with(section)).unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('|'));
    rows.flat_map(|(names, _)| names.split('`').step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn the_runbook_lists_every_metric_and_every_alarm_and_no_others() {
    let written: BTreeSet<String> = COUNTED_IN
        .iter()
        .flat_map(|(_, folders)| folders.iter().flat_map(|folder| written_in(folder)))
        .collect();
    assert_eq!(written, declared().into_values().collect());
    assert_eq!(BTreeSet::from_iter(listed("Metrics")), written);
    assert_eq!(
        BTreeSet::from_iter(listed("Alarms")),
        alarms().into_iter().map(|(name, _)| name).collect::<BTreeSet<_>>()
    );
}

#[test]
fn metrics_are_named_by_their_constants_only() {
    for folder in COUNTED_IN.iter().flat_map(|(_, folders)| *folders) {
        for code in sources(folder) {
            for call in ["count(", "count_for_stack(", "oldest(", "longest("] {
                let is_literal = |rest: &str| rest.trim_start().starts_with('"');
                assert!(!code.split(call).skip(1).any(is_literal), "{folder}: {call} with a literal name");
            }
        }
    }
}

#[test]
fn exactly_the_expected_metrics_are_watched_by_alarms() {
    let watched: BTreeSet<String> = alarms()
        .into_iter()
        .map(|(_, alarm)| {
            let owner = alarm.at("Dimensions").list().remove(0).at("Value").text();
            format!("{} of {owner}", alarm.at("MetricName").text())
        })
        .collect();
    let expected = [
        "ApproximateAgeOfOldestMessage of OfferEvents.QueueName",
        "ApproximateAgeOfOldestMessage of SalesTeam.QueueName",
        "ApproximateNumberOfMessagesVisible of EmailReceiptsDeadLetters.QueueName",
        "ApproximateNumberOfMessagesVisible of OfferEventsDeadLetters.QueueName",
        "ApproximateNumberOfMessagesVisible of ReactorFailures.QueueName",
        "BuyersBehind of Sweeper",
        "EmailsRejected of AWS::StackName",
        "EmailsSwept of Sweeper",
        "Errors of Reactor",
        "Errors of Receipts",
        "Errors of Recorder",
        "Errors of Sweeper",
        "HeldOldest of Sweeper",
        "Invocations of Sweeper",
        "IteratorAge of Reactor",
        "MessagesReturned of Recorder",
        "PausedFor of Sweeper",
        "Reputation.BounceRate of Emails",
        "Reputation.ComplaintRate of Emails",
        "SweepsUnfinished of Sweeper",
        "WorkUnreadable of Sweeper",
    ];
    assert_eq!(watched, expected.map(str::to_owned).into());
}

#[test]
fn every_alarm_notifies_the_topic_when_it_starts_and_when_it_ends() {
    for (name, alarm) in alarms() {
        for actions in ["AlarmActions", "OKActions"] {
            let actions = alarm.at(actions).list();
            assert_eq!(actions[0].text(), "HasAlarmTopic", "{name}");
            assert_eq!(actions[1].texts(), ["AlarmTopicArn"], "{name}");
        }
    }
}

#[test]
fn only_the_alarm_for_missing_sweeps_rings_without_data() {
    for (name, alarm) in alarms() {
        let is_for_missing_sweeps = name == "SweeperNotCalledAlarm";
        let rings_when = |missing: &str, comparison: &str| {
            assert_eq!(alarm.at("TreatMissingData").text(), missing, "{name}");
            assert_eq!(alarm.at("ComparisonOperator").text(), comparison, "{name}");
        };
        if is_for_missing_sweeps {
            rings_when("breaching", "LessThanThreshold");
            assert_eq!(
                (alarm.at("MetricName").text(), alarm.at("Threshold").number()),
                ("Invocations".into(), 1)
            );
        } else {
            rings_when("notBreaching", "GreaterThanThreshold");
        }
    }
}

#[test]
fn the_alarm_for_missing_sweeps_needs_several_missed_calls() {
    let seconds = |alarm: &Place| alarm.at("Period").number() * alarm.at("EvaluationPeriods").number();
    let missed = seconds(&properties("SweeperNotCalledAlarm"));
    assert!(
        (3 * sweep_every()..=60 * 60).contains(&missed),
        "the alarm waits {missed} s, while a sweep is due every {} s",
        sweep_every()
    );
}

#[test]
fn a_message_that_keeps_returning_counts_in_every_alarm_period() {
    let visibility_timeout =
        template().at("Parameters").at("OfferEventsVisibilityTimeout").at("Default").number();
    let alarm = properties("MessagesReturnedAlarm");
    assert!(alarm.at("Period").number() >= 2 * visibility_timeout);
    assert!(alarm.at("EvaluationPeriods").number() > 1, "a message that returns once is no fault");
}

#[test]
fn bounce_and_complaint_alarms_ring_before_ses_reviews_the_account() {
    // Amazon SES Developer Guide, "Reputation metrics messages": accounts are reviewed at 5 % bounces and 0.1 %
    // complaints.
    for (name, review) in [("BounceRateAlarm", 0.05), ("ComplaintRateAlarm", 0.001)] {
        let alarm = properties(name);
        let threshold = alarm.at("Threshold").fraction();
        assert!(threshold > review / 4.0 && threshold < review, "{name}: {threshold}");
        assert_eq!(alarm.at("Namespace").text(), "AWS/SES");
        assert_eq!(alarm.at("Dimensions").list()[0].at("Name").text(), "ses:configuration-set");
    }
    let reputation = properties("Emails").at("ReputationOptions");
    assert!(reputation.at("ReputationMetricsEnabled").is_true(), "the alarms watch the reputation metrics");
}

#[test]
fn the_alarm_on_waiting_sales_messages_rings_long_before_they_expire() {
    let alarm = properties("SalesTeamWaitsAlarm");
    let kept = properties("SalesTeam").at("MessageRetentionPeriod").number();
    assert!(alarm.at("Threshold").number() <= kept / 100);
}

#[test]
fn a_buyer_that_stays_behind_counts_in_every_alarm_period() {
    let alarm = properties("BuyersBehindAlarm");
    assert!(file("shared/effects/src/advance.rs").contains("from_mins(1 << attempts.min(4))"));
    assert!(
        alarm.at("Period").number() >= 16 * 60 + 2 * sweep_every(),
        "a period covers the longest back-off and two sweeps"
    );
}

#[test]
fn work_that_stays_unreadable_counts_in_every_alarm_period() {
    let alarm = properties("WorkUnreadableAlarm");
    assert!(
        file("shared/effects/src/sweep/mod.rs")
            .contains("UNREADABLE_FOR: SignedDuration = SignedDuration::from_hours(1)")
    );
    assert!(
        alarm.at("Period").number() >= 60 * 60 + 2 * sweep_every(),
        "a period covers an hour and two sweeps"
    );
}

#[test]
fn a_long_pause_is_measured_in_every_period_and_alarmed_when_status_is_red() {
    let alarm = properties("PausedForLongAlarm");
    assert_eq!(alarm.at("Statistic").text(), "Maximum");
    assert!(alarm.at("Period").number() >= 2 * sweep_every(), "a period covers two sweeps");
    let hours = alarm.at("Threshold").number() / 3600;
    let red = format!("const PAUSED_FOR: SignedDuration = SignedDuration::from_hours({hours});");
    assert!(file("cli/src/status/lines/measured.rs").contains(&red), "{red}");
}

#[test]
fn a_gap_is_alarmed_after_a_day_and_measured_in_every_period() {
    let alarm = properties("HeldForLongAlarm");
    assert_eq!(alarm.at("Threshold").text(), "HeldForLong");
    assert_eq!(alarm.at("Statistic").text(), "Maximum");
    assert_eq!(template().at("Parameters").at("HeldForLong").at("Default").number(), 24 * 60 * 60);
    assert!(
        file("shared/effects/src/held.rs")
            .contains("AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(1)")
    );
    assert!(
        alarm.at("Period").number() >= 60 * 60 + 2 * sweep_every(),
        "a period covers an hour and two sweeps"
    );
}
