//! Every target over its corpus, and over some thousands of changed copies of it: the same ones in every run.
#![expect(clippy::unwrap_used, reason = "test code")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use fuzz::{Changes, TARGETS, target};

/// How many changed copies are tried of each target's corpus.
const CHANGED: usize = 5_000;

/// The longest input that is tried; libFuzzer's own limit for a corpus like this.
const LONGEST: usize = 4096;

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Says which bytes it was about.
fn take(name: &str, bytes: &[u8]) {
    let target = target(name).unwrap();
    let taken = catch_unwind(AssertUnwindSafe(|| (target.take)(bytes)));
    assert!(taken.is_ok(), "{name} does not hold for {:?}", String::from_utf8_lossy(bytes));
}

fn holds(name: &str) {
    let corpus = corpus(name);
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
fn the_body_of_a_message_is_an_event_or_refused_for_ever() {
    holds("incoming");
}

#[test]
fn a_batch_is_settled_and_what_comes_back_is_the_end_of_its_group() {
    holds("batch");
}

#[test]
fn whatever_rings_each_effect_goes_out_once_and_all_are_settled() {
    holds("doorbells");
}

#[test]
fn receipts_move_the_ledger_forward_in_any_order() {
    holds("receipts");
}

#[test]
fn an_e_mail_has_exactly_our_headers_and_nothing_leaves_its_field() {
    holds("email");
}

#[test]
fn a_commit_that_can_be_read_is_the_same_when_written_again() {
    holds("commit");
}

#[test]
fn a_snapshot_that_is_used_is_the_same_when_written_again_and_can_be_gone_on_from() {
    holds("snapshot");
}

#[test]
fn every_target_is_tested() {
    let source = include_str!("corpus.rs");
    for target in TARGETS {
        assert!(source.contains(&format!("holds(\"{}\")", target.name)), "{}", target.name);
    }
}
