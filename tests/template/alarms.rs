use std::collections::BTreeSet;

use crate::{Place, file, properties, sources, template};

/// Every alarm of the template, by name.
fn alarms() -> Vec<(String, Place)> {
    let resources = template().at("Resources");
    let is_alarm = |name: &String| resources.at(name).at("Type").text() == "AWS::CloudWatch::Alarm";
    resources.names().into_iter().filter(is_alarm).map(|name| (name.clone(), properties(&name))).collect()
}

/// Where each function's metrics are counted.
const COUNTED_IN: [(&str, &[&str]); 4] = [
    ("Recorder", &["functions/recorder/src"]),
    ("Reactor", &["functions/reactor/src", "shared/effects/src"]),
    ("Sweeper", &["functions/sweeper/src", "shared/effects/src"]),
    ("Receipts", &["functions/receipts/src"]),
];

/// What comes before a metric's name in the sources.
const COUNTING: [&str; 3] = ["count(", "oldest(", "longest("];

/// The metrics that shipped code under a folder writes, by name.
fn written_in(folder: &str) -> BTreeSet<String> {
    let mut metrics = BTreeSet::new();
    for code in sources(folder) {
        for call in COUNTING.iter().flat_map(|counting| code.split(counting).skip(1)) {
            let name = call.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
            metrics.extend(name.map(str::to_owned));
        }
    }
    metrics
}

/// The names in the first column of a table of the runbook.
fn listed(section: &str) -> BTreeSet<String> {
    let page = file("docs/runbook.md");
    let section = page.split("\n## ").find(|text| text.starts_with(section)).unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('|'));
    rows.flat_map(|(names, _)| names.split('`').step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn an_alarm_on_a_metric_of_ours_is_on_one_that_its_function_writes() {
    let of_the_stack = file("shared/platform/src/telemetry/metrics.rs");
    let of_the_stack = of_the_stack.split("OF_THE_STACK: ").nth(1).unwrap().split(';').nth(1).unwrap();
    let ours = alarms().into_iter().filter(|(_, alarm)| alarm.at("Namespace").text() == "Leadstream");
    for (name, alarm) in ours {
        let metric = alarm.at("MetricName").text();
        let owner = alarm.at("Dimensions").list().remove(0);
        let (kind, owner) = (owner.at("Name").text(), owner.at("Value").text());
        let is_of_the_stack = of_the_stack.contains(&format!("\"{metric}\""));
        assert_eq!(kind, if is_of_the_stack { "stack" } else { "function" }, "{name}");
        let mut writers = COUNTED_IN.iter().filter(|(function, _)| is_of_the_stack || *function == owner);
        let is_written =
            writers.any(|(_, folders)| folders.iter().any(|folder| written_in(folder).contains(&metric)));
        assert!(is_written, "{name}: {owner} does not write {metric}");
    }
}

#[test]
fn the_runbook_lists_every_metric_and_every_alarm_and_no_others() {
    let written: BTreeSet<String> = COUNTED_IN
        .iter()
        .flat_map(|(_, folders)| folders.iter().flat_map(|folder| written_in(folder)))
        .collect();
    assert_eq!(listed("Metrics"), written);
    assert_eq!(listed("Alarms"), alarms().into_iter().map(|(name, _)| name).collect());
}

#[test]
fn each_thing_that_can_go_wrong_has_its_alarm() {
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
        "Reputation.BounceRate of Emails",
        "Reputation.ComplaintRate of Emails",
        "SweepsUnfinished of Sweeper",
        "WorkUnreadable of Sweeper",
    ];
    assert_eq!(watched, expected.map(str::to_owned).into());
}

#[test]
fn every_alarm_reports_to_the_topic_when_it_rings_and_when_it_ends() {
    for (name, alarm) in alarms() {
        for actions in ["AlarmActions", "OKActions"] {
            let actions = alarm.at(actions).list();
            assert_eq!(actions[0].text(), "HasAlarmTopic", "{name}");
            assert_eq!(actions[1].texts(), ["AlarmTopicArn"], "{name}");
        }
    }
}

#[test]
fn only_the_dead_man_s_alarm_rings_while_nothing_is_measured() {
    for (name, alarm) in alarms() {
        let is_dead_man_s = name == "SweeperNotCalledAlarm";
        let rings_when = |missing: &str, comparison: &str| {
            assert_eq!(alarm.at("TreatMissingData").text(), missing, "{name}");
            assert_eq!(alarm.at("ComparisonOperator").text(), comparison, "{name}");
        };
        if is_dead_man_s {
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
fn the_sweeper_s_calls_are_missed_after_several_that_did_not_come() {
    let seconds = |alarm: &Place| alarm.at("Period").number() * alarm.at("EvaluationPeriods").number();
    let missed = seconds(&properties("SweeperNotCalledAlarm"));
    assert!((3 * 5 * 60..=60 * 60).contains(&missed), "{missed} s, with a call every 5 minutes");
}

#[test]
fn a_message_that_comes_back_is_seen_in_every_period_of_its_alarm() {
    let comes_back = template().at("Parameters").at("OfferEventsVisibilityTimeout").at("Default").number();
    let alarm = properties("MessagesReturnedAlarm");
    assert!(alarm.at("Period").number() >= 2 * comes_back);
    assert!(alarm.at("EvaluationPeriods").number() > 1, "one that comes back once is no fault");
}

#[test]
fn bounces_and_complaints_ring_before_ses_reviews_the_account() {
    // Amazon SES Developer Guide, "Reputation metrics messages": review at 5 % and 0.1 %.
    for (name, review) in [("BounceRateAlarm", 0.05), ("ComplaintRateAlarm", 0.001)] {
        let alarm = properties(name);
        let threshold = alarm.at("Threshold").fraction();
        assert!(threshold > review / 4.0 && threshold < review, "{name}: {threshold}");
        assert_eq!(alarm.at("Namespace").text(), "AWS/SES");
        assert_eq!(alarm.at("Dimensions").list()[0].at("Name").text(), "ses:configuration-set");
    }
    let reputation = properties("Emails").at("ReputationOptions");
    assert!(reputation.at("ReputationMetricsEnabled").is_true(), "else there is nothing to watch");
}

#[test]
fn messages_for_the_sales_team_ring_long_before_they_are_lost() {
    let alarm = properties("SalesTeamWaitsAlarm");
    let kept = properties("SalesTeam").at("MessageRetentionPeriod").number();
    assert!(alarm.at("Threshold").number() <= kept / 100);
}

#[test]
fn a_buyer_that_stays_behind_is_seen_in_every_period_of_its_alarm() {
    let alarm = properties("BuyersBehindAlarm");
    assert!(file("shared/effects/src/advance.rs").contains("from_mins(1 << attempts.min(4))"));
    assert!(
        alarm.at("Period").number() >= (16 + 2 * 5) * 60,
        "the longest wait, and what lies between two sweeps"
    );
}

#[test]
fn work_that_stays_unreadable_is_seen_in_every_period_of_its_alarm() {
    let alarm = properties("WorkUnreadableAlarm");
    assert!(
        file("shared/effects/src/sweep/mod.rs")
            .contains("UNREADABLE_FOR: SignedDuration = SignedDuration::from_hours(1)")
    );
    assert!(alarm.at("Period").number() >= 60 * 60 + 2 * 5 * 60, "an hour, and what lies between two sweeps");
}

#[test]
fn a_gap_is_alarmed_after_a_day_and_every_period_sees_a_look_at_it() {
    let alarm = properties("HeldForLongAlarm");
    assert_eq!(alarm.at("Threshold").text(), "HeldForLong");
    assert_eq!(alarm.at("Statistic").text(), "Maximum");
    assert_eq!(template().at("Parameters").at("HeldForLong").at("Default").number(), 24 * 60 * 60);
    assert!(
        file("shared/effects/src/held.rs")
            .contains("AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(1)")
    );
    assert!(alarm.at("Period").number() >= 60 * 60 + 2 * 5 * 60, "an hour, and what lies between two sweeps");
}
