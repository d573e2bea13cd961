//! Runs every target over its corpus and over thousands of changed copies, which are the same in every run.
#![expect(clippy::unwrap_used, reason = "test code")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use fuzz::{Changes, TARGETS, corpus, target};

/// The number of changed copies per target.
const CHANGED: usize = 5_000;

/// The longest input in bytes. libFuzzer uses the same limit for a corpus like this one.
const LONGEST: usize = 4096;

/// Runs a target; a failure names the input.
fn take(name: &str, bytes: &[u8]) {
    let target = target(name).unwrap();
    let taken = catch_unwind(AssertUnwindSafe(|| (target.take)(bytes)));
    assert!(taken.is_ok(), "a property of {name} does not hold for {:?}", String::from_utf8_lossy(bytes));
}

/// Runs a target over its corpus and the changed copies.
fn holds(name: &str) {
    let corpus: Vec<Vec<u8>> = corpus(name).into_iter().map(|(_, bytes)| bytes).collect();
    assert!(!corpus.is_empty());
    for bytes in &corpus {
        take(name, bytes);
    }
    let mut changes = Changes::of(1);
    for _ in 0..CHANGED {
        let mut bytes = changes.of_one_of(&corpus);
        bytes.truncate(LONGEST);
        take(name, &bytes);
    }
}

#[test]
fn a_message_body_is_an_event_or_is_always_refused() {
    holds("incoming");
}

#[test]
fn a_batch_is_settled_and_returned_messages_end_their_groups() {
    holds("batch");
}

#[test]
fn whatever_doorbells_come_each_effect_is_performed_once() {
    holds("doorbells");
}

#[test]
fn receipts_move_the_ledger_forward_in_any_order() {
    holds("receipts");
}

#[test]
fn an_e_mail_has_exactly_our_headers_and_no_value_leaves_its_field() {
    holds("email");
}

#[test]
fn a_readable_commit_is_the_same_when_written_again() {
    holds("commit");
}

#[test]
fn a_usable_snapshot_is_the_same_when_rewritten_and_can_be_continued() {
    holds("snapshot");
}

#[test]
fn every_target_is_tested() {
    let source = include_str!("corpus.rs");
    for target in TARGETS {
        assert!(source.contains(&format!("holds(\"{}\")", target.name)), "{} is not tested", target.name);
    }
}
