//! Every field of a log line is in the runbook's table, and stands in a line once.

use std::collections::BTreeSet;
use std::fs;

use super::{SHIPPED, root, sources};

/// What each line has without naming it as a field.
const GIVEN: [&str; 4] = ["timestamp", "level", "message", "requestId"];

/// The names in the first column of the runbook's table.
fn documented() -> BTreeSet<String> {
    let page = fs::read_to_string(root().join("docs/runbook.md")).unwrap();
    let section = page.split("\n## ").find(|section| section.starts_with("Log lines")).unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('|'));
    rows.flat_map(|(names, _)| names.split('`').step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// What stands between the parentheses of each call that logs.
fn calls(code: &str) -> Vec<&str> {
    let macros = ["error!(", "warn!(", "info!(", "debug!("].map(|name| format!("tracing::{name}"));
    let begins = macros.iter().flat_map(|name| code.match_indices(name.as_str()));
    begins
        .map(|(at, name)| {
            let call = &code[at + name.len()..];
            &call[..arguments(call).map(|argument| argument.len() + 1).sum::<usize>() - 1]
        })
        .collect()
}

/// The arguments of a call, each with what stands around it, up to the parenthesis that ends it.
fn arguments(call: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(call);
    std::iter::from_fn(move || {
        let text = rest?;
        let (mut depth, mut is_quoted, mut is_escaped) = (0, false, false);
        for (at, letter) in text.char_indices() {
            match letter {
                _ if is_escaped => is_escaped = false,
                '\\' if is_quoted => is_escaped = true,
                '"' => is_quoted = !is_quoted,
                _ if is_quoted => {}
                '(' | '[' | '{' => depth += 1,
                ')' if depth == 0 => {
                    rest = None;
                    return Some(&text[..at]);
                }
                ',' if depth == 0 => {
                    rest = Some(&text[at + 1..]);
                    return Some(&text[..at]);
                }
                ')' | ']' | '}' => depth -= 1,
                _ => {}
            }
        }
        panic!("a call that does not end: {text}")
    })
}

/// What is wrong with a call, given the fields that are documented; and the fields that it names.
fn findings<'a>(call: &'a str, documented: &BTreeSet<String>) -> (Vec<String>, BTreeSet<&'a str>) {
    let call = call.trim().trim_end_matches(',');
    let mut wrong = Vec::new();
    let mut named = BTreeSet::new();
    let ended = format!("{call})");
    let parts: Vec<usize> = arguments(&ended).map(str::len).collect();
    let mut at = 0;
    for (index, length) in parts.iter().enumerate() {
        let argument = call[at..at + length].trim();
        at += length + 1;
        let is_last = index + 1 == parts.len();
        if argument.starts_with('"') != is_last {
            wrong.push(format!("the words of a line come last, and alone: {call}"));
            continue;
        }
        if is_last {
            continue;
        }
        let name = argument.split('=').next().unwrap_or_default().trim().trim_start_matches(['%', '?']);
        if GIVEN.contains(&name) || !named.insert(name) {
            wrong.push(format!("{name} would stand twice: {call}"));
        }
        if !documented.contains(name) {
            wrong.push(format!("{name} is not in the runbook: {call}"));
        }
    }
    (wrong, named)
}

#[test]
fn every_field_of_a_log_line_is_in_the_runbook_and_the_other_way_round() {
    let documented = documented();
    let mut used: BTreeSet<String> = GIVEN.map(str::to_owned).into();
    for folder in SHIPPED {
        for (path, code) in sources(folder) {
            for call in calls(&code) {
                let (wrong, named) = findings(call, &documented);
                assert_eq!(wrong, [""; 0], "{}", path.display());
                used.extend(named.into_iter().map(str::to_owned));
            }
        }
    }
    assert_eq!(documented, used);
}

#[test]
fn a_field_that_is_unknown_or_stands_twice_is_found() {
    let code = r#"
        tracing::info!(message, buyer = display(&a, "x)"), "recorded");
        tracing::warn!(
            %buyer,
            buyer = 1,
            "twice, (so to speak)",
        );
        tracing::error!(colour = "red", "unknown"); tracing::debug!("{words}", words);
        tracing::info!(%buyer, "fine");
    "#;
    let documented = BTreeSet::from(["buyer".to_owned()]);
    let found: Vec<(usize, usize)> = calls(code)
        .into_iter()
        .map(|call| findings(call, &documented))
        .map(|(wrong, named)| (wrong.len(), named.len()))
        .collect();
    // In the order of the levels: error, warn, info, info, debug.
    assert_eq!(found, [(1, 1), (1, 1), (2, 1), (0, 1), (2, 0)]);
}
