//! Checks what the documents repeat of the code: limits, reasons of dead letters, fields of log lines, and the tests that
//! prove what happens in a fault.

use std::collections::BTreeSet;
use std::fs;

use contract::dead_letter::Reason;
use contract::incoming::LARGEST_BODY;
use contract::legacy::{LARGEST_ANSWER, MOST_OFFERS};
use domain::{HELD_LIMIT, OfferVersion};

use super::{SHIPPED, quoted, root, sources};

/// The text of a file on one line.
fn text(path: &str) -> String {
    let text = fs::read_to_string(root().join(path)).unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The only number in the value of a private constant, at a path in the repository.
fn number(path: &str, name: &str) -> u64 {
    let text = text(path);
    let value =
        text.split_once(&format!("const {name}: ")).unwrap_or_else(|| panic!("{path} has no {name}")).1;
    let value = value.split(';').next().unwrap().split_once('=').unwrap().1;
    let digits: String = value.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

/// A number with commas between groups of three digits, as the documents write it.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let places = digits.chars().enumerate();
    places.fold(String::new(), |text, (index, digit)| {
        let comma = if index > 0 && (digits.len() - index).is_multiple_of(3) { "," } else { "" };
        format!("{text}{comma}{digit}")
    })
}

#[test]
fn documents_state_the_limits_of_the_code() {
    let held = HELD_LIMIT as u64;
    let body = LARGEST_BODY as u64;
    let version = u64::from(OfferVersion::LAST.get());
    let pause = number("shared/effects/src/pauses.rs", "KNOWN_FOR")
        + number("shared/effects/src/deliver.rs", "CLAIM_LASTS");
    let panics = "functions/recorder/src/remembered.rs";
    let limits = [
        (held, "README.md", "at most {} events per buyer wait"),
        (held, "ARCHITECTURE.md", "at most {} per buyer"),
        (held, "ARCHITECTURE.md", "|{} → 200 held events|"),
        (held, "docs/faults.md", "Early events beyond {} per buyer"),
        (held, "docs/runbook.md", "|{} events of the buyer are held|"),
        (held, "docs/contract/README.md", "at most {} events of a buyer are held"),
        (held, "docs/contract/README.md", "|{} events of this buyer are held|"),
        (body, "docs/contract/README.md", "at most {} bytes"),
        (body, "docs/contract/README.md", "|over {} bytes"),
        (version, "docs/contract/README.md", "up to {}."),
        (
            number("shared/domain/src/ids.rs", "LONGEST"),
            "docs/contract/README.md",
            "are 1 to {} visible ASCII",
        ),
        (
            number("shared/contract/src/incoming/fields.rs", "LONGEST_TIME"),
            "docs/contract/README.md",
            "(RFC 3339, at most {} characters)",
        ),
        (MOST_OFFERS as u64, "docs/contract/README.md", "at most {} offers and"),
        (LARGEST_ANSWER as u64 / 1024, "docs/contract/README.md", "offers and {} KiB"),
        (
            number("shared/legacy/src/lib.rs", "TIME_OUT"),
            "docs/contract/README.md",
            "arrives within {} seconds",
        ),
        (
            number("functions/recorder/src/handler.rs", "SUSPICIOUS"),
            "ARCHITECTURE.md",
            "From the {}th receive",
        ),
        (number(panics, "GIVE_UP_AT"), "ARCHITECTURE.md", "after {} panics"),
        (number(panics, "LAST_RECEIVES"), "ARCHITECTURE.md", "from the {}th receive on"),
        (pause, "cli/src/pause.rs", "It holds within {} seconds"),
        (pause, "cli/src/args/command.rs", "Holds within {} seconds"),
        (pause, "tests/local/alone.rs", "Duration::from_secs({})"),
        (pause, "docs/runbook.md", "holds within {} seconds"),
        (number("shared/event-store/src/feed.rs", "SHARDS"), "docs/cost.md", "`feed`: {} shards"),
        (number("shared/leads-store/src/work.rs", "WORK_SHARDS"), "docs/cost.md", "`open-work`: {} shards"),
    ];
    for (limit, document, phrase) in limits {
        let phrase = phrase.replace("{}", &grouped(limit));
        assert!(text(document).contains(&phrase), "{document} does not say: {phrase}");
    }
}

/// The names in the first column of the table of reasons.
fn reasons_in(document: &str) -> BTreeSet<String> {
    let page = fs::read_to_string(root().join(document)).unwrap();
    let rows = page.lines().skip_while(|line| !line.starts_with("|reason|")).skip(2);
    let rows = rows.map_while(|line| line.strip_prefix('|')?.split_once('|'));
    rows.flat_map(|(names, _)| quoted(names)).map(str::to_owned).collect()
}

#[test]
fn documents_list_every_reason_of_a_dead_letter_and_no_others() {
    let all: BTreeSet<String> = Reason::ALL.into_iter().map(|reason| reason.name().to_owned()).collect();
    assert_eq!(reasons_in("docs/runbook.md"), all);
    // The sender of events sees only the letters that the recorder wrote.
    let mut by_the_recorder = all;
    by_the_recorder.remove(Reason::TooManyReceives.name());
    assert_eq!(reasons_in("docs/contract/README.md"), by_the_recorder);
}

/// The number of faults on the page.
const FAULTS: usize = 40;

/// The abbreviations of the kinds of proof.
const KINDS: [&str; 7] = ["SIM", "BIN", "WIRE", "EMU", "PROP", "FUZZ", "UNIT"];

/// Whether a source defines a test of this name (Rust or Python) or a sight of the simulator.
fn has(source: &str, name: &str) -> bool {
    let places = [format!("fn {name}("), format!("def {name}("), format!("            Self::{name} =>")];
    places.iter().any(|place| source.contains(place))
}

/// Everything wrong with the page. `read` returns the source at a path, or `None` if there is no such file.
fn findings(page: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut number = 0;
    let mut proofs = 1;
    for line in page.lines() {
        if let Some((found, _)) = line.strip_prefix("**").and_then(|rest| rest.split_once(".** ")) {
            if proofs == 0 {
                wrong.push(format!("fault {number} has no proof"));
            }
            number += 1;
            proofs = 0;
            if found != number.to_string() {
                wrong.push(format!("fault {found} is listed in the place of fault {number}"));
            }
            continue;
        }
        let Some(proof) = line.strip_prefix("- ") else { continue };
        proofs += 1;
        if !KINDS.contains(&proof.split(' ').next().unwrap_or_default()) {
            wrong.push(format!("unknown kind of proof: {proof}"));
        }
        let mut names = quoted(proof);
        let path = names.next().unwrap_or_default();
        let Some(source) = read(path) else {
            wrong.push(format!("fault {number}: {path} does not exist"));
            continue;
        };
        let mut names = names.peekable();
        if names.peek().is_none() {
            wrong.push(format!("fault {number}: the proof names no test in {path}"));
        }
        wrong.extend(
            names
                .filter(|name| !has(&source, name))
                .map(|name| format!("fault {number}: {path} has no {name}")),
        );
    }
    if proofs == 0 {
        wrong.push(format!("fault {number} has no proof"));
    }
    if number != FAULTS {
        wrong.push(format!("{number} faults are listed instead of {FAULTS}"));
    }
    wrong
}

#[test]
fn every_fault_has_a_proof_and_every_test_named_as_one_exists() {
    let page = fs::read_to_string(root().join("docs/faults.md")).unwrap();
    let found = findings(&page, |path| fs::read_to_string(root().join(path)).ok());
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn missing_and_misnumbered_entries_are_found() {
    let page = "**1.** One.\n- SIM `there.rs`: `here`, `gone`\n- ODD `gone.rs`: `here`\n**3.** Three.\n**3.** Three.\n- UNIT `there.rs`\n";
    let read = |path: &str| (path == "there.rs").then(|| "fn here() {}".to_owned());
    assert_eq!(
        findings(page, read),
        [
            "fault 1: there.rs has no gone",
            "unknown kind of proof: ODD `gone.rs`: `here`",
            "fault 1: gone.rs does not exist",
            "fault 3 is listed in the place of fault 2",
            "fault 2 has no proof",
            "fault 3: the proof names no test in there.rs",
            "3 faults are listed instead of 40",
        ]
    );
}

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
fn in_call<'a>(call: &'a str, documented: &BTreeSet<String>) -> (Vec<String>, BTreeSet<&'a str>) {
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
                let (wrong, named) = in_call(call, &documented);
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
        .map(|call| in_call(call, &documented))
        .map(|(wrong, named)| (wrong.len(), named.len()))
        .collect();
    // `calls` returns them by level: error, warn, info, info, debug.
    assert_eq!(found, [(1, 1), (1, 1), (2, 1), (0, 1), (2, 0)]);
}
