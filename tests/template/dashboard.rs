//! The dashboard: every metric that it shows exists, and it shows every alarm and every metric of the code.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::alarms::{COUNTED_IN, alarms, declared, listed};
use crate::{Place, properties, sources, template};

/// A metric that a widget or an alarm refers to.
#[derive(Debug, Clone)]
struct Metric {
    namespace: String,
    name: String,
    /// Values as in the template: `${Recorder}` and `${OfferEvents.QueueName}` refer to resources; `*` matches all.
    dimensions: BTreeMap<String, String>,
}

/// The metrics of AWS that we use. For each namespace: metrics, the dimension that names a resource, the type of that
/// resource, and what refers to it.
///
/// Source: the pages on CloudWatch metrics in the developer guides of Amazon SQS, Lambda, DynamoDB, SES and CloudWatch
/// Logs.
const OF_AWS: [(&str, &[&str], &str, &str, &str); 5] = [
    (
        "AWS/SQS",
        &["ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible", "NumberOfMessagesSent"],
        "QueueName",
        "AWS::SQS::Queue",
        ".QueueName",
    ),
    (
        "AWS/Lambda",
        &["Duration", "Errors", "Invocations", "IteratorAge", "Throttles"],
        "FunctionName",
        "AWS::Serverless::Function",
        "",
    ),
    (
        "AWS/DynamoDB",
        &["ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"],
        "TableName",
        "AWS::DynamoDB::Table",
        "",
    ),
    (
        "AWS/SES",
        &["Reputation.BounceRate", "Reputation.ComplaintRate"],
        "ses:configuration-set",
        "AWS::SES::ConfigurationSet",
        "",
    ),
    ("AWS/Logs", &["IncomingBytes"], "LogGroupName", "AWS::Logs::LogGroup", ""),
];

/// The widgets of a type, in order.
fn widgets(kind: &str) -> Vec<Value> {
    // The body, and values for the names of tables in it.
    let body = properties("Dashboard").at("DashboardBody").list()[0].text();
    let body: Value = serde_json::from_str(&body).unwrap();
    let mut widgets = body["widgets"].as_array().unwrap().clone();
    widgets.retain(|widget| widget["type"] == kind);
    widgets.into_iter().map(|mut widget| widget["properties"].take()).collect()
}

/// The metrics of all widgets, in order.
fn shown() -> Vec<Metric> {
    widgets("metric")
        .iter()
        .flat_map(|widget| widget["metrics"].as_array().unwrap().clone())
        .filter_map(|row| in_row(&row))
        .collect()
}

/// The metric in a row of a widget; `None` for arithmetic with the widget's own metrics.
fn in_row(row: &Value) -> Option<Metric> {
    let row = row.as_array().unwrap();
    if let Some(expression) = row[0]["expression"].as_str() {
        return in_search(expression);
    }
    let words: Vec<String> = row.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let [namespace, name, dimensions @ ..] = words.as_slice() else { panic!("{row:?} names no metric") };
    let dimensions = dimensions.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    Some(Metric { namespace: namespace.clone(), name: name.clone(), dimensions })
}

/// The metrics that an expression searches for, as `SEARCH('{Namespace,dimension} MetricName="Name" dimension="value"',
/// 'Sum', 300)`. A dimension without a value matches all.
fn in_search(expression: &str) -> Option<Metric> {
    let (schema, terms) = expression.strip_prefix("SEARCH('{")?.split_once("} ").unwrap();
    let terms: BTreeMap<&str, &str> = terms
        .split('\'')
        .next()
        .unwrap()
        .split(' ')
        .map(|term| term.split_once('=').unwrap())
        .map(|(name, value)| {
            (name, value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap())
        })
        .collect();
    let mut schema = schema.split(',');
    let namespace = schema.next().unwrap().to_owned();
    let value = |name: &str| (name.to_owned(), (*terms.get(name).unwrap_or(&"*")).to_owned());
    let dimensions: BTreeMap<String, String> = schema.map(value).collect();
    assert!(
        terms.keys().all(|name| *name == "MetricName" || dimensions.contains_key(*name)),
        "{expression}: a term is not in the schema"
    );
    Some(Metric { namespace, name: terms["MetricName"].to_owned(), dimensions })
}

/// The metric that an alarm watches. Its dimensions are literal, or refer to a resource, as `${Recorder}`.
fn watched(alarm: &Place) -> Metric {
    let resources = template().at("Resources").names();
    let dimension = |dimension: &Place| {
        let value = dimension.at("Value").text();
        let resource = value.split('.').next().unwrap();
        let refers = resource == "AWS::StackName" || resources.iter().any(|name| name == resource);
        (dimension.at("Name").text(), if refers { format!("${{{value}}}") } else { value })
    };
    Metric {
        namespace: alarm.at("Namespace").text(),
        name: alarm.at("MetricName").text(),
        dimensions: alarm.at("Dimensions").list().iter().map(dimension).collect(),
    }
}

/// The logical name of the resource that `${Name}` or `${Name.Attribute}` refers to, and what follows the name.
fn resource_of(value: &str) -> Option<(&str, &str)> {
    let name = value.strip_prefix("${")?.strip_suffix('}')?;
    Some(name.split_at(name.find('.').unwrap_or(name.len())))
}

/// The names of all resources of a type.
fn resources_of(kind: &str) -> BTreeSet<String> {
    let resources = template().at("Resources");
    resources.names().into_iter().filter(|name| resources.at(name).at("Type").text() == kind).collect()
}

/// The names of a table's indexes.
fn indexes_of(table: &str) -> BTreeSet<String> {
    let indexes = properties(table).at("GlobalSecondaryIndexes").list();
    indexes.iter().map(|index| index.at("IndexName").text()).collect()
}

/// The metrics that exist.
struct Existing {
    /// For each of ours: its owner as in the template, its name, and the names of its dimensions.
    ours: BTreeSet<(String, String, BTreeSet<String>)>,
    /// The resources by type.
    resources: BTreeMap<&'static str, BTreeSet<String>>,
    /// The indexes by table.
    indexes: BTreeMap<String, BTreeSet<String>>,
}

impl Existing {
    fn new() -> Self {
        let declared = declared();
        let mut ours = BTreeSet::new();
        for (function, folders) in COUNTED_IN {
            for code in folders.iter().flat_map(|folder| sources(folder)) {
                for (at, start) in code.match_indices("metric::") {
                    let (call, rest) = (&code[..at], &code[at + start.len()..]);
                    let end =
                        rest.find(|letter: char| !letter.is_ascii_uppercase() && letter != '_').unwrap();
                    let (constant, rest) = rest.split_at(end);
                    let owner = if call.ends_with("count_for_stack(") {
                        ("stack", "${AWS::StackName}".to_owned())
                    } else {
                        ("function", format!("${{{function}}}"))
                    };
                    // The dimensions follow as `vec![("name", value)]`; without that there are none.
                    let vector = rest.trim_start_matches(',').trim_start().strip_prefix("vec![");
                    let names = vector.map_or("", |vector| vector.split(']').next().unwrap());
                    let names =
                        names.split("(\"").skip(1).map(|name| name.split('"').next().unwrap().to_owned());
                    let dimensions = names.chain([owner.0.to_owned()]).collect();
                    ours.insert((owner.1, declared[constant].clone(), dimensions));
                }
            }
        }
        let resources = OF_AWS.map(|(_, _, _, kind, _)| (kind, resources_of(kind))).into();
        let tables = resources_of("AWS::DynamoDB::Table").into_iter();
        Self { ours, resources, indexes: tables.map(|table| (table.clone(), indexes_of(&table))).collect() }
    }

    /// Why a metric does not exist; `None` if it does.
    fn flaw(&self, metric: &Metric) -> Option<&'static str> {
        let dimensions = &metric.dimensions;
        if metric.namespace == "Leadstream" {
            let owner =
                dimensions.get("function").or_else(|| dimensions.get("stack")).cloned().unwrap_or_default();
            let written = (owner, metric.name.clone(), dimensions.keys().cloned().collect());
            return (!self.ours.contains(&written)).then_some("the code does not write it");
        }
        let known = OF_AWS.iter().find(|(namespace, ..)| *namespace == metric.namespace);
        let Some((_, names, owner, kind, attribute)) = known else { return Some("unknown namespace") };
        if !names.contains(&metric.name.as_str()) {
            return Some("unknown metric");
        }
        let Some((resource, rest)) = dimensions.get(*owner).and_then(|value| resource_of(value)) else {
            return Some("no resource is named");
        };
        if !self.resources[kind].contains(resource) || rest != *attribute {
            return Some("the resource has another type");
        }
        let is_index = |name: &str, value: &String| {
            name == "GlobalSecondaryIndexName"
                && self.indexes.get(resource).is_some_and(|indexes| indexes.contains(value))
        };
        let mut others = dimensions.iter().filter(|(name, _)| name != owner);
        others.any(|(name, value)| !is_index(name, value)).then_some("unknown dimension")
    }
}

#[test]
fn every_metric_of_a_widget_or_an_alarm_exists_under_its_dimensions() {
    let existing = Existing::new();
    for metric in shown().into_iter().chain(alarms().iter().map(|(_, alarm)| watched(alarm))) {
        assert_eq!(existing.flaw(&metric), None, "{metric:?}");
    }
}

#[test]
fn metrics_that_do_not_exist_are_found() {
    let existing = Existing::new();
    let flaw = |row: &str| existing.flaw(&in_row(&serde_json::from_str(row).unwrap()).unwrap());
    let unwritten = [
        r#"["Leadstream","Recorded","function","${Recorder}"]"#,
        r#"["Leadstream","EventsRecorded","stack","${AWS::StackName}"]"#,
        r#"["Leadstream","EventsRecorded","function","${Reactor}"]"#,
        r#"["Leadstream","Receipts","function","${Receipts}","kind","send"]"#,
        r#"["Leadstream","EmailsRejected","function","${Sweeper}"]"#,
        r#"["Leadstream","EventsRecorded"]"#,
    ];
    assert_eq!(unwritten.map(flaw), [Some("the code does not write it"); 6]);
    let unknown = [
        (r#"["AWS/S3","Errors"]"#, "unknown namespace"),
        (r#"["AWS/Lambda","Failures","FunctionName","${Recorder}"]"#, "unknown metric"),
        (r#"["AWS/Lambda","Errors","FunctionName","recorder"]"#, "no resource is named"),
        (r#"["AWS/SQS","NumberOfMessagesSent","QueueName","${SalesTeam}"]"#, "the resource has another type"),
        (
            r#"["AWS/DynamoDB","ConsumedReadCapacityUnits","TableName","${StreamsTable}","GlobalSecondaryIndexName","open-work"]"#,
            "unknown dimension",
        ),
    ];
    assert_eq!(unknown.map(|(row, _)| flaw(row)), unknown.map(|(_, expected)| Some(expected)));
}

#[test]
fn the_dashboard_shows_every_alarm_in_the_order_of_the_runbook() {
    let shown: Vec<Value> =
        widgets("alarm").iter().flat_map(|widget| widget["alarms"].as_array().unwrap().clone()).collect();
    let expected: Vec<String> = listed("Alarms").iter().map(|name| format!("${{{name}.Arn}}")).collect();
    assert_eq!(shown, expected);
}

#[test]
fn the_dashboard_shows_what_each_alarm_watches_in_the_order_of_the_runbook() {
    let metrics = shown();
    let place = |name: &String| {
        let alarm = watched(&properties(name));
        let agrees = |metric: &Metric, (name, value): (&String, &String)| {
            metric.dimensions.get(name).is_some_and(|found| found == value || found == "*")
        };
        let shows = |metric: &Metric| {
            (&metric.namespace, &metric.name) == (&alarm.namespace, &alarm.name)
                && alarm.dimensions.iter().all(|dimension| agrees(metric, dimension))
        };
        metrics.iter().position(shows).unwrap_or_else(|| panic!("no widget shows {alarm:?}"))
    };
    let places: Vec<usize> = listed("Alarms").iter().map(place).collect();
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn the_dashboard_shows_every_metric_of_the_code() {
    let ours = shown().into_iter().filter(|metric| metric.namespace == "Leadstream");
    assert_eq!(ours.map(|metric| metric.name).collect::<BTreeSet<_>>(), declared().into_values().collect());
}

#[test]
fn the_dashboard_shows_all_that_costs_money() {
    let metrics = shown();
    let shows = |name: &str, dimensions: &[(&str, &str)]| {
        let dimensions = dimensions.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let dimensions: BTreeMap<_, _> = dimensions.collect();
        metrics.iter().any(|metric| metric.name == name && metric.dimensions == dimensions)
    };
    for table in resources_of("AWS::DynamoDB::Table") {
        let table_name = ("TableName", &*format!("${{{table}}}"));
        for units in ["ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"] {
            assert!(shows(units, &[table_name]), "{units} of {table}");
            for index in indexes_of(&table) {
                assert!(
                    shows(units, &[table_name, ("GlobalSecondaryIndexName", &index)]),
                    "{units} of {index}"
                );
            }
        }
    }
    for function in resources_of("AWS::Serverless::Function") {
        for metric in ["Invocations", "Duration"] {
            assert!(
                shows(metric, &[("FunctionName", &format!("${{{function}}}"))]),
                "{metric} of {function}"
            );
        }
    }
    for logs in resources_of("AWS::Logs::LogGroup") {
        assert!(shows("IncomingBytes", &[("LogGroupName", &format!("${{{logs}}}"))]), "{logs}");
    }
}

#[test]
fn arithmetic_uses_only_metrics_of_its_own_widget() {
    for widget in widgets("metric") {
        let rows = widget["metrics"].as_array().unwrap();
        let ids: Vec<&str> = rows.iter().filter_map(|row| row.as_array()?.last()?["id"].as_str()).collect();
        let expressions = rows.iter().filter_map(|row| row[0]["expression"].as_str());
        let mut used = BTreeSet::new();
        for expression in expressions.filter(|expression| in_search(expression).is_none()) {
            let words = expression.split(|letter: char| !letter.is_ascii_alphabetic());
            used.extend(words.filter(|word| word.starts_with(|letter: char| letter.is_ascii_lowercase())));
        }
        assert_eq!(used, ids.into_iter().collect(), "{}", widget["title"]);
    }
}
