//! Compares our costs with `bench/baseline.json`, so that no cost rises unnoticed and every saving is recorded.
#![expect(clippy::unwrap_used, reason = "test code")]

use std::path::Path;

use bench::figures::{self, Baseline, Flat, GATED_BUYERS, INSTRUCTIONS_WITHIN, WIRE_BYTES_WITHIN};
use bench::scenario::{Candidate, Scenario};
use bench::{corpus, instructions};

const INTENDED: &str = "if the change is intended, run make baseline";

fn baseline() -> Baseline {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline.json");
    Baseline::read(&std::fs::read_to_string(path).unwrap())
}

#[test]
fn the_committed_corpus_equals_the_one_made_from_its_seed() {
    let committed = corpus::committed().concat();
    let bodies: Vec<&str> = committed.iter().map(|message| message.body.as_str()).collect();
    assert_eq!(corpus::make().lines().collect::<Vec<_>>(), bodies);
    let mix = corpus::mix(&corpus::committed());
    let kinds: Vec<(&str, usize)> = mix.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    assert_eq!(
        kinds,
        [
            ("offer.made.v1", 351),
            ("offer.accepted.v1", 151),
            ("offer.withdrawn.v1", 129),
            ("offer.rejected.v1", 124),
            ("offer.acceptance-withdrawn.v1", 45),
        ]
    );
}

#[track_caller]
fn assert_matches_baseline(found: &Flat) {
    let expected = baseline().counted;
    for (name, found) in found {
        let expected =
            expected.get(name).unwrap_or_else(|| panic!("{name} is not in the baseline; run make baseline"));
        let within = if name.ends_with("wireBytes") { WIRE_BYTES_WITHIN * expected } else { 0.0005 };
        assert!(
            (found - expected).abs() <= within,
            "{name}: {found}, but the baseline has {expected}; {INTENDED}"
        );
    }
}

async fn assert_costs_match_baseline(scenario: Scenario) {
    assert_matches_baseline(&figures::flat(scenario, &Candidate::Ours.measure(scenario).await.unwrap()));
}

#[tokio::test]
async fn an_event_alone_costs_as_much_as_the_baseline() {
    assert_costs_match_baseline(Scenario::Alone).await;
}

#[tokio::test]
async fn events_in_tens_cost_as_much_as_the_baseline() {
    assert_costs_match_baseline(Scenario::Tens).await;
}

#[tokio::test]
async fn ten_buyers_per_batch_cost_as_much_as_the_baseline() {
    assert_costs_match_baseline(Scenario::TenBuyers).await;
}

#[tokio::test]
async fn a_redelivered_batch_costs_as_much_as_the_baseline() {
    assert_costs_match_baseline(Scenario::Redelivered).await;
}

#[tokio::test]
async fn an_event_after_a_hundred_costs_as_much_as_the_baseline() {
    assert_costs_match_baseline(Scenario::Length(100)).await;
}

#[tokio::test]
async fn a_buyer_with_twenty_offers_costs_as_much_as_the_baseline() {
    assert_costs_match_baseline(Scenario::Offers(20)).await;
}

#[tokio::test]
async fn the_reactor_costs_as_much_as_the_baseline() {
    assert_matches_baseline(&figures::flat_costs(&bench::reactor::measure(GATED_BUYERS).await));
}

/// With another compiler than the baseline's, or without Valgrind, this test prints a note and compares nothing.
#[test]
fn the_pure_path_takes_as_many_instructions_as_the_baseline() {
    let Baseline { rustc, instructions: expected, .. } = baseline();
    let here = figures::rustc();
    if rustc != here || !instructions::can_count() {
        eprintln!(
            "not compared: the baseline was built by {rustc}, this by {here}; Valgrind is installed: {}",
            instructions::can_count()
        );
        return;
    }
    let found = figures::instructions(Path::new(env!("CARGO_BIN_EXE_work")));
    for (name, found) in &found {
        let expected = expected[name];
        let within = INSTRUCTIONS_WITHIN * expected;
        assert!(
            (found - expected).abs() <= within,
            "{name}: {found} instructions, but the baseline has {expected}; {INTENDED}"
        );
    }
}
