//! Alarms and metrics in CloudWatch.

use std::collections::BTreeMap;

use contract::metric;
use jiff::{SignedDuration, Timestamp};

use crate::aws::{Aws, CallFailed, Service};

/// The greatest number of pages of alarms that are read. A page has 100 alarms, and other stacks whose names begin with
/// this one's have alarms too.
const MOST_PAGES: u64 = 5;

/// The states of the stack's alarms by their names in the template, and the number of requests.
pub(super) async fn alarms(aws: &Aws, stack: &str) -> (Result<BTreeMap<String, String>, CallFailed>, u64) {
    let prefix = format!("{stack}-");
    let (mut found, mut token) = (BTreeMap::new(), None);
    for page in 1..=MOST_PAGES {
        let mut wanted = vec![
            ("AlarmNamePrefix", prefix.as_str()),
            ("AlarmTypes.member.1", "MetricAlarm"),
            ("MaxRecords", "100"),
        ];
        let next: Option<String> = token.take();
        wanted.extend(next.as_deref().map(|token| ("NextToken", token)));
        let answer = match aws.query(Service::CloudWatch, "DescribeAlarms", &wanted).await {
            Ok(answer) => answer,
            Err(error) => return (Err(error), page),
        };
        for alarm in answer["MetricAlarms"].as_array().into_iter().flatten() {
            let name = alarm["AlarmName"].as_str().and_then(|name| name.strip_prefix(&prefix));
            // CloudFormation appends a random part to the name in the template, which has no `-`. Other alarms are those
            // of a stack whose name begins like this one's.
            let name = name.and_then(|name| name.rsplit_once('-')).map(|(name, _)| name.to_owned());
            let name = name.filter(|name| !name.contains('-'));
            found.extend(name.zip(alarm["StateValue"].as_str().map(str::to_owned)));
        }
        token = answer["NextToken"].as_str().filter(|token| !token.is_empty()).map(str::to_owned);
        if token.is_none() {
            return (Ok(found), page);
        }
    }
    (Ok(found), MOST_PAGES)
}

/// A metric to read.
pub(super) struct Wanted {
    id: String,
    namespace: &'static str,
    name: &'static str,
    dimensions: Vec<(&'static str, String)>,
    stat: &'static str,
}

impl Wanted {
    fn new(id: String, (namespace, name): (&'static str, &'static str), stat: &'static str) -> Self {
        Self { id, namespace, name, dimensions: Vec::new(), stat }
    }

    fn of(mut self, dimension: &'static str, value: String) -> Self {
        self.dimensions.push((dimension, value));
        self
    }
}

/// The functions, by the ends of their names.
pub(super) const FUNCTIONS: [&str; 4] = ["recorder", "reactor", "sweeper", "receipts"];

/// What is measured every minute: ages of queues by their names, errors of functions, lag of the change feed.
pub(super) fn of_minutes(stack: &str, queues: impl Iterator<Item = (&'static str, String)>) -> Vec<Wanted> {
    let function = |name: &str| format!("{stack}-{name}");
    let age = ("AWS/SQS", "ApproximateAgeOfOldestMessage");
    let ages =
        queues.map(|(id, queue)| Wanted::new(format!("age{id}"), age, "Maximum").of("QueueName", queue));
    let errors = FUNCTIONS.into_iter().map(|name| {
        Wanted::new(format!("errors_{name}"), ("AWS/Lambda", "Errors"), "Sum")
            .of("FunctionName", function(name))
    });
    let lags = ["reactor", "sweeper"].into_iter().map(|name| {
        Wanted::new(format!("lag_{name}"), ("Leadstream", metric::FEED_LAG), "Maximum")
            .of("function", function(name))
    });
    let feed = Wanted::new("feed".to_owned(), ("AWS/Lambda", "IteratorAge"), "Maximum");
    ages.chain(errors).chain(lags).chain([feed.of("FunctionName", function("reactor"))]).collect()
}

/// What is counted over a day: ends of e-mails, and the sender's reputation.
pub(super) fn of_hours(stack: &str) -> Vec<Wanted> {
    let ours = |id: &str, name| Wanted::new(id.to_owned(), ("Leadstream", name), "Sum");
    let rate = |id: &str, name| {
        Wanted::new(id.to_owned(), ("AWS/SES", name), "Maximum")
            .of("ses:configuration-set", format!("{stack}-emails"))
    };
    vec![
        ours("rejected", metric::EMAILS_REJECTED).of("stack", stack.to_owned()),
        ours("abandoned", metric::EMAILS_SWEPT)
            .of("function", format!("{stack}-sweeper"))
            .of("status", "abandoned".to_owned()),
        rate("bounces", "Reputation.BounceRate"),
        rate("complaints", "Reputation.ComplaintRate"),
    ]
}

/// The values of metrics by id, newest first. A period without data has no value.
#[derive(Debug, Default)]
pub(super) struct Metrics(BTreeMap<String, Vec<f64>>);

impl Metrics {
    pub(super) fn newest(&self, id: &str) -> Option<f64> {
        self.0.get(id)?.first().copied()
    }

    pub(super) fn largest(&self, id: &str) -> Option<f64> {
        self.0.get(id)?.iter().copied().reduce(f64::max)
    }

    pub(super) fn sum(&self, id: &str) -> f64 {
        self.0.get(id).into_iter().flatten().sum()
    }
}

/// Reads metrics in periods of `period`, back to `since`, with one `GetMetricData`.
pub(super) async fn read(
    aws: &Aws,
    wanted: &[Wanted],
    (since, now): (Timestamp, Timestamp),
    period: SignedDuration,
) -> Result<Metrics, CallFailed> {
    let mut parameters = vec![
        ("StartTime".to_owned(), format!("{since:.0}")),
        ("EndTime".to_owned(), format!("{now:.0}")),
        ("ScanBy".to_owned(), "TimestampDescending".to_owned()),
    ];
    for (Wanted { id, namespace, name, dimensions, stat }, number) in wanted.iter().zip(1..) {
        let mut put = |field: &str, value: &str| {
            parameters.push((format!("MetricDataQueries.member.{number}.{field}"), value.to_owned()));
        };
        put("Id", id);
        put("MetricStat.Period", &period.as_secs().to_string());
        put("MetricStat.Stat", stat);
        put("MetricStat.Metric.Namespace", namespace);
        put("MetricStat.Metric.MetricName", name);
        for ((dimension, value), place) in dimensions.iter().zip(1..) {
            put(&format!("MetricStat.Metric.Dimensions.member.{place}.Name"), dimension);
            put(&format!("MetricStat.Metric.Dimensions.member.{place}.Value"), value);
        }
    }
    let parameters: Vec<(&str, &str)> =
        parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let answer = aws.query(Service::CloudWatch, "GetMetricData", &parameters).await?;
    let results = answer["MetricDataResults"].as_array().into_iter().flatten();
    let values = results.filter_map(|result| {
        let values = result["Values"].as_array().into_iter().flatten();
        let values = values.filter_map(|value| value.as_str()?.parse().ok()).collect();
        Some((result["Id"].as_str()?.to_owned(), values))
    });
    Ok(Metrics(values.collect()))
}

/// The last part of a queue's URL.
pub(super) fn queue_name(url: &str) -> String {
    url.rsplit('/').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_value_comes_first_and_no_data_is_no_value() {
        let metrics = Metrics(BTreeMap::from([("a".to_owned(), vec![1.0, 5.0]), ("b".to_owned(), vec![])]));
        assert_eq!(
            (metrics.newest("a"), metrics.largest("a"), metrics.sum("a")),
            (Some(1.0), Some(5.0), 6.0)
        );
        assert_eq!((metrics.newest("b"), metrics.largest("c"), metrics.sum("b")), (None, None, 0.0));
    }
}
