//! `docs/faults.md` names tests that there are, and a proof for every fault.

use std::fs;

use super::root;

/// The faults that were thought of.
const FAULTS: usize = 40;

const KINDS: [&str; 8] = ["SIM", "BIN", "WIRE", "EMU", "PROP", "FUZZ", "UNIT", "BENCH"];

/// What stands between backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Whether a source has a test of this name; of sights, whether there is one.
fn has(source: &str, name: &str) -> bool {
    let places = [format!("fn {name}("), format!("def {name}("), format!("            Self::{name} =>")];
    places.iter().any(|place| source.contains(place))
}

/// What is wrong with a page, given what lies at a path.
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
                wrong.push(format!("fault {found} stands where {number} should"));
            }
            continue;
        }
        let Some(proof) = line.strip_prefix("- ") else { continue };
        proofs += 1;
        if !KINDS.contains(&proof.split(' ').next().unwrap_or_default()) {
            wrong.push(format!("no kind of proof: {proof}"));
        }
        if proof.split(' ').skip(1).take(2).eq(["in", "work:"]) {
            continue;
        }
        let mut names = quoted(proof);
        let path = names.next().unwrap_or_default();
        let Some(source) = read(path) else {
            wrong.push(format!("fault {number}: there is no {path}"));
            continue;
        };
        let mut names = names.peekable();
        if names.peek().is_none() {
            wrong.push(format!("fault {number}: no test is named in {path}"));
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
        wrong.push(format!("{number} faults, not {FAULTS}"));
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
fn what_is_not_there_is_found() {
    let page = "**1.** One.\n- SIM `there.rs`: `here`, `gone`\n- ODD `gone.rs`: `here`\n**3.** Three.\n**3.** Three.\n- EMU in work: soon\n- UNIT `there.rs`\n";
    let read = |path: &str| (path == "there.rs").then(|| "fn here() {}".to_owned());
    assert_eq!(
        findings(page, read),
        [
            "fault 1: there.rs has no gone",
            "no kind of proof: ODD `gone.rs`: `here`",
            "fault 1: there is no gone.rs",
            "fault 3 stands where 2 should",
            "fault 2 has no proof",
            "fault 3: no test is named in there.rs",
            "3 faults, not 40",
        ]
    );
}
