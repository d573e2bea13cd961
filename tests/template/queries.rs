//! The saved queries of Logs Insights: they name only fields and messages that the code logs.

use std::collections::BTreeSet;

use crate::alarms::{COUNTED_IN, listed};
use crate::{Place, file, properties, sources, template};

/// The fields that Logs Insights itself finds, in every line and in the lines that Lambda writes.
///
/// Source: Amazon CloudWatch Logs User Guide, "Supported logs and discovered fields".
const DISCOVERED: [&str; 8] = [
    "@billedDuration",
    "@duration",
    "@initDuration",
    "@log",
    "@maxMemoryUsed",
    "@message",
    "@timestamp",
    "@type",
];

/// Commands, functions and operators.
///
/// Source: the same guide, "Logs Insights language query syntax".
const LANGUAGE: [&str; 17] = [
    "fields", "filter", "stats", "sort", "by", "as", "in", "like", "or", "asc", "desc", "count", "latest",
    "max", "pct", "sum", "and",
];

/// The saved queries with their names, which follow the stack's name and a slash.
fn queries() -> Vec<(String, Place)> {
    let resources = template().at("Resources");
    let is_query = |name: &String| resources.at(name).at("Type").text() == "AWS::Logs::QueryDefinition";
    let queries = resources.names().into_iter().filter(is_query).map(|name| properties(&name));
    let named = |query: Place| {
        let name = query.at("Name").text();
        (name.strip_prefix("${AWS::StackName}/").unwrap().to_owned(), query)
    };
    queries.map(named).collect()
}

/// The fields of a query that are not defined in it, and the messages that it looks for.
fn asked(query: &str) -> (BTreeSet<&str>, Vec<&str>) {
    let mut parts = query.split('"');
    let (mut fields, mut messages, mut own) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
    while let Some(code) = parts.next() {
        let words = code.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '@');
        let mut before = "";
        for word in words {
            match word {
                _ if before == "as" => own.insert(word),
                "" => continue,
                _ if word.starts_with(|letter: char| letter.is_ascii_digit()) || LANGUAGE.contains(&word) => {
                    true
                }
                field => fields.insert(field),
            };
            before = word;
        }
        let code = code.trim_end_matches([' ', '=']);
        let literal = parts.next();
        if code.ends_with(" message") || code.ends_with(" message like") {
            messages.extend(literal);
        }
    }
    (fields.into_iter().filter(|field| !own.contains(field)).collect(), messages)
}

#[test]
fn a_query_names_only_fields_of_the_runbook_and_messages_of_the_code() {
    let documented = listed("Log lines");
    let folders: BTreeSet<&str> = COUNTED_IN.iter().flat_map(|(_, folders)| *folders).copied().collect();
    let code: String = folders.into_iter().flat_map(sources).collect();
    for (name, query) in queries() {
        let text = query.at("QueryString").text();
        let (fields, messages) = asked(&text);
        for field in fields {
            let is_known = documented.iter().any(|known| known == field) || DISCOVERED.contains(&field);
            assert!(is_known, "{name}: no log line has the field {field}");
        }
        for message in messages {
            assert!(code.contains(&format!("\"{message}")), "{name}: no log line begins with {message}");
        }
    }
}

#[test]
fn fields_and_messages_are_found_in_a_query() {
    let query = "filter message = \"behind\" or message like \"cannot read\" or level in [\"WARN\"]\n| stats count(*) as times, \
         max(@duration) / 1000 as why by buyer\n| sort times desc, colour";
    let (fields, messages) = asked(query);
    assert_eq!(fields, BTreeSet::from(["@duration", "buyer", "colour", "level", "message"]));
    assert_eq!(messages, ["behind", "cannot read"]);
}

#[test]
fn the_runbook_names_each_query_and_each_reads_all_logs() {
    let page = file("docs/runbook.md");
    let named = page.split("query `").skip(1).map(|rest| rest.split('`').next().unwrap().to_owned());
    let queries = queries();
    assert_eq!(named.collect::<BTreeSet<_>>(), queries.iter().map(|(name, _)| name.clone()).collect());
    for (name, query) in queries {
        let logs = ["RecorderLogs", "ReactorLogs", "SweeperLogs", "ReceiptsLogs"];
        assert_eq!(query.at("LogGroupNames").texts(), logs, "{name}");
    }
}
