//! Checks over the whole run. nextest runs them after all other tests (profile `local-aws-after`).

use std::collections::BTreeSet;

use crate::{on_the_stack, strict};

/// The messages that a function may log outside of an invocation.
const WHILE_STARTING: [&str; 2] = ["warm-up failed", "the function ends"];

/// The request id in one of Lambda's own lines (`START`, `END` or `REPORT`).
fn lambda_request_id(line: &str) -> Option<&str> {
    let rest = ["START", "END", "REPORT"].iter().find_map(|word| line.strip_prefix(word))?;
    rest.strip_prefix(" RequestId: ")?.split([' ', '\t']).next()
}

#[test]
fn each_log_line_is_a_json_object_of_an_invocation_without_repeated_keys() {
    on_the_stack(async |stack| {
        let lines = stack.log_lines().await.unwrap();
        let invocations: BTreeSet<&str> = lines.iter().filter_map(|line| lambda_request_id(line)).collect();
        let ours: Vec<&String> = lines.iter().filter(|line| lambda_request_id(line).is_none()).collect();
        assert!(
            ours.len() > 500 && invocations.len() > 50,
            "only {} lines of {} invocations",
            ours.len(),
            invocations.len()
        );
        for line in ours {
            let read = strict::read(line).unwrap_or_else(|error| panic!("not strict JSON ({error}): {line}"));
            assert!(read.is_object(), "not an object: {line}");
            let is_metric = read.get("_aws").is_some();
            for key in ["timestamp", "level", "message"] {
                assert!(is_metric || read[key].is_string(), "{key} is not a string: {line}");
            }
            match read["requestId"].as_str() {
                Some(id) => assert!(invocations.contains(id), "unknown request id: {line}"),
                None => assert!(
                    WHILE_STARTING.iter().any(|words| read["message"] == *words),
                    "no request id: {line}"
                ),
            }
        }
    });
}

#[test]
fn metrics_count_what_the_log_lines_report() {
    on_the_stack(async |stack| {
        let lines = stack.log_lines().await.unwrap();
        let logged = |word: &str| {
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
        assert!(logged("duplicate") > 0);
        assert_eq!(counted("Duplicates"), logged("duplicate") as u64);
        assert_eq!(counted("EventsRecorded"), (logged("recorded") + logged("held")) as u64);
        assert_eq!(counted("EventsHeld"), logged("held") as u64);
        assert_eq!(counted("DeadLettered"), logged("dead letter") as u64);
        assert_eq!(counted("Effects"), logged("effect") as u64);
    });
}

#[test]
fn no_log_line_or_metric_of_the_run_contains_personal_data() {
    on_the_stack(async |stack| {
        let lines = stack.log_lines().await.unwrap();
        let lines_with = |word: &str| lines.iter().filter(|line| line.contains(word)).count();
        // The logs are complete enough to be searched: they contain each outcome of a message, effects and metrics.
        for word in [
            "\"recorded\"",
            "\"held\"",
            "\"duplicate\"",
            "\"dead letter\"",
            "\"effect\"",
            "CloudWatchMetrics",
        ] {
            assert!(lines_with(word) > 0, "no line contains {word}");
        }
        // No message was returned: bad messages become dead letters at once and delay no others. The exception is a
        // buyer that waits for the former system.
        let returned: Vec<&String> = lines
            .iter()
            .filter(|line| line.contains("are returned") && !line.contains("\"waits\""))
            .collect();
        assert_eq!(returned, Vec::<&String>::new());
        assert!(lines_with("MessagesReturned") > 0);
        let personal = ["canary", "+61", "400 000 000", "@example.com"];
        let found: Vec<&String> = lines
            .iter()
            .filter(|line| personal.iter().any(|word| line.to_lowercase().contains(word)))
            .collect();
        assert_eq!(found, Vec::<&String>::new());
    });
}

#[test]
fn the_strict_wire_decided_on_every_function_and_refused_no_request_of_the_run() {
    on_the_stack(async |stack| {
        let seen = stack.strict_wire().await.unwrap();
        assert_eq!(seen.refused, Vec::<String>::new());
        for service in ["dynamodb", "sqs", "ses"] {
            assert!(seen.taken[service] > 50, "{:?}", seen.taken);
        }
        let functions =
            ["reactor", "receipts", "recorder", "sweeper"].map(|name| format!("leadstream-{name}"));
        assert_eq!(seen.functions, functions.into());
    });
}
