use std::collections::BTreeSet;

use crate::{Place, file, properties, template};

/// Every alarm of the template, by name.
fn alarms() -> Vec<(String, Place)> {
    let resources = template().at("Resources");
    let is_alarm = |name: &String| resources.at(name).at("Type").text() == "AWS::CloudWatch::Alarm";
    resources.names().into_iter().filter(is_alarm).map(|name| (name.clone(), properties(&name))).collect()
}

/// What the functions count, as the sources name it.
fn is_counted(metric: &str) -> bool {
    let code = file("shared/effects/src/advance.rs") + &file("functions/sweeper/src/handler.rs");
    code.contains(&format!("metrics.count(\"{metric}\""))
        || code.contains(&format!("metrics.oldest(\"{metric}\""))
}

#[test]
fn an_alarm_on_a_metric_of_ours_is_on_one_that_the_sweeper_writes() {
    let ours = alarms().into_iter().filter(|(_, alarm)| alarm.at("Namespace").text() == "Leadstream");
    let mut metrics = BTreeSet::new();
    for (name, alarm) in ours {
        let metric = alarm.at("MetricName").text();
        assert!(is_counted(&metric), "{name}: nobody writes {metric}");
        let dimension = alarm.at("Dimensions").list().remove(0);
        assert_eq!(
            (dimension.at("Name").text(), dimension.at("Value").text()),
            ("function".into(), "Sweeper".into())
        );
        metrics.insert(metric);
    }
    assert_eq!(
        metrics,
        ["BuyersBehind", "EmailsSwept", "HeldOldest", "SweepsUnfinished"].map(str::to_owned).into()
    );
}

#[test]
fn every_alarm_tells_the_topic_and_stays_quiet_while_nothing_is_measured() {
    for (name, alarm) in alarms() {
        assert_eq!(alarm.at("TreatMissingData").text(), "notBreaching", "{name}");
        assert_eq!(alarm.at("ComparisonOperator").text(), "GreaterThanThreshold", "{name}");
        assert_eq!(alarm.at("AlarmActions").list()[0].text(), "HasAlarmTopic", "{name}");
    }
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
