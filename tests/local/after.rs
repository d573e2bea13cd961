//! What must be true of the whole run; nextest runs this when all else is done (profile `local-aws-after`).

use std::collections::BTreeSet;

use crate::{on_the_stack, strict};

/// Lines that a function may print outside of an invocation.
const WHILE_STARTING: [&str; 2] = ["not warmed up", "the function ends"];

/// The request id in one of Lambda's own lines.
fn of_lambda(line: &str) -> Option<&str> {
    let rest = ["START", "END", "REPORT"].iter().find_map(|word| line.strip_prefix(word))?;
    rest.strip_prefix(" RequestId: ")?.split([' ', '\t']).next()
}

#[test]
fn each_line_is_one_json_object_of_an_invocation_and_a_key_stands_once() {
    on_the_stack(async |stack| {
        let lines = stack.log_lines().await.unwrap();
        let invocations: BTreeSet<&str> = lines.iter().filter_map(|line| of_lambda(line)).collect();
        let ours: Vec<&String> = lines.iter().filter(|line| of_lambda(line).is_none()).collect();
        assert!(ours.len() > 500 && invocations.len() > 50, "{} of {}", ours.len(), invocations.len());
        for line in ours {
            let read = strict::read(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            assert!(read.is_object(), "{line}");
            let is_metric = read.get("_aws").is_some();
            for key in ["timestamp", "level", "message"] {
                assert!(is_metric || read[key].is_string(), "{key}: {line}");
            }
            match read["requestId"].as_str() {
                Some(id) => assert!(invocations.contains(id), "{line}"),
                None => assert!(WHILE_STARTING.iter().any(|words| read["message"] == *words), "{line}"),
            }
        }
    });
}

#[test]
fn metrics_say_what_the_lines_say() {
    on_the_stack(async |stack| {
        let lines = stack.log_lines().await.unwrap();
        let said = |word: &str| {
            lines.iter().filter(|line| line.contains(&format!("\"message\":\"{word}\""))).count()
        };
        let counted = |metric: &str| -> u64 {
            lines
                .iter()
                .filter(|line| line.contains("CloudWatchMetrics"))
                .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
                .filter_map(|line| line[metric].as_u64())
                .sum()
        };
        assert!(said("duplicate") > 0);
        assert_eq!(counted("Duplicates"), said("duplicate") as u64);
        assert_eq!(counted("EventsRecorded"), (said("recorded") + said("held")) as u64);
        assert_eq!(counted("EventsHeld"), said("held") as u64);
        assert_eq!(counted("DeadLettered"), said("dead letter") as u64);
        assert_eq!(counted("Effects"), said("effect") as u64);
    });
}

#[test]
fn logs_and_metrics_of_the_whole_run_hold_no_address_name_or_phone_number() {
    on_the_stack(async |stack| {
        let lines = stack.log_lines().await.unwrap();
        let is_told = |word: &str| lines.iter().filter(|line| line.contains(word)).count();
        // The run was logged at all: each outcome of a record, effects, and metrics.
        for word in [
            "\"recorded\"",
            "\"held\"",
            "\"duplicate\"",
            "\"dead letter\"",
            "\"effect\"",
            "CloudWatchMetrics",
        ] {
            assert!(is_told(word) > 0, "no line says {word}");
        }
        // Nothing had to come back, bad messages are set aside at first sight and delay nobody; but for whom a former system
        // was away.
        let back: Vec<&String> =
            lines.iter().filter(|line| line.contains("come back") && !line.contains("\"waits\"")).collect();
        assert_eq!(back, Vec::<&String>::new());
        assert!(is_told("MessagesReturned") > 0);
        let personal = ["canary", "+61", "400 000 000", "@example.com"];
        let found: Vec<&String> = lines
            .iter()
            .filter(|line| personal.iter().any(|word| line.to_lowercase().contains(word)))
            .collect();
        assert_eq!(found, Vec::<&String>::new());
    });
}

#[test]
fn aws_would_take_every_request_of_the_whole_run() {
    on_the_stack(async |stack| {
        let (taken, refused) = stack.strict_wire().await.unwrap();
        assert_eq!(refused, Vec::<String>::new());
        for service in ["dynamodb", "sqs", "ses"] {
            assert!(taken[service] > 50, "{taken:?}");
        }
    });
}
