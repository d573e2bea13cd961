//! Checks that `docs/faults.md` gives a proof for every fault, and that every test it names exists.

use std::fs;

use super::root;

/// The number of faults on the page.
const FAULTS: usize = 40;

/// The abbreviations of the kinds of proof.
const KINDS: [&str; 8] = ["SIM", "BIN", "WIRE", "EMU", "PROP", "FUZZ", "UNIT", "BENCH"];

/// The parts of a line that are enclosed in backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

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
        if proof.split(' ').skip(1).take(2).eq(["in", "work:"]) {
            continue;
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
    let page = "**1.** One.\n- SIM `there.rs`: `here`, `gone`\n- ODD `gone.rs`: `here`\n**3.** Three.\n**3.** Three.\n- EMU in work: soon\n- UNIT `there.rs`\n";
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
