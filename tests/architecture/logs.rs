//! Checks that the runbook's table lists every field of a log line, and that no line repeats a field.

use std::collections::BTreeSet;
use std::fs;

use super::{SHIPPED, root, sources};

/// The fields that every line has without the call naming them.
const GIVEN: [&str; 4] = ["timestamp", "level", "message", "requestId"];

/// The field names in the first column of the runbook's table.
fn documented() -> BTreeSet<String> {
    let page = fs::read_to_string(root().join("docs/runbook.md")).unwrap();
    let section = page.split("\n## ").find(|section| section.starts_with("Log lines")).unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('|'));
    rows.flat_map(|(names, _)| names.split('`').step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// The text between the parentheses of each call that logs a line.
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

/// The arguments of a call, including the whitespace around them, up to the call's closing parenthesis.
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
        panic!("this call has no closing parenthesis: {text}")
    })
}

/// Everything wrong with a call, given the documented fields, and the fields that the call names.
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
            wrong.push(format!("the message must be the last argument, and the only literal one: {call}"));
            continue;
        }
        if is_last {
            continue;
        }
        let name = argument.split('=').next().unwrap_or_default().trim().trim_start_matches(['%', '?']);
        if GIVEN.contains(&name) || !named.insert(name) {
            wrong.push(format!("{name} would appear twice in the line: {call}"));
        }
        if !documented.contains(name) {
            wrong.push(format!("{name} is not in the runbook: {call}"));
        }
    }
    (wrong, named)
}

#[test]
fn the_runbook_lists_exactly_the_fields_of_the_log_lines() {
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
fn unknown_and_repeated_fields_are_found() {
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
    // `calls` returns them by level: error, warn, info, info, debug.
    assert_eq!(found, [(1, 1), (1, 1), (2, 1), (0, 1), (2, 0)]);
}
