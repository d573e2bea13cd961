//! What ours costs is what `bench/baseline.json` says: nothing gets dearer unnoticed, and what gets cheaper is written down.
#![expect(clippy::unwrap_used, reason = "test code")]

use std::path::Path;

use bench::baseline::{self, Baseline, Flat, GATED_BUYERS, INSTRUCTIONS_WITHIN, WIRE_BYTES_WITHIN};
use bench::scenario::{Scenario, Who};
use bench::{corpus, instructions};

const ANEW: &str = "if it is meant: make baseline";

fn baseline() -> Baseline {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline.json");
    Baseline::read(&std::fs::read_to_string(path).unwrap())
}

#[test]
fn the_corpus_is_what_its_seed_makes() {
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
fn is_what_the_baseline_says(found: &Flat) {
    let expected = baseline().counted;
    for (name, found) in found {
        let expected =
            expected.get(name).unwrap_or_else(|| panic!("{name} is not in the baseline: make baseline"));
        let within = if name.ends_with("wireBytes") { WIRE_BYTES_WITHIN * expected } else { 0.0005 };
        assert!((found - expected).abs() <= within, "{name}: {found} where {expected} was; {ANEW}");
    }
}

async fn costs_what_the_baseline_says(scenario: Scenario) {
    is_what_the_baseline_says(&baseline::flat(scenario, &Who::Ours.measure(scenario).await.unwrap()));
}

#[tokio::test]
async fn an_event_alone_costs_what_the_baseline_says() {
    costs_what_the_baseline_says(Scenario::Alone).await;
}

#[tokio::test]
async fn events_in_tens_cost_what_the_baseline_says() {
    costs_what_the_baseline_says(Scenario::Tens).await;
}

#[tokio::test]
async fn ten_buyers_a_batch_cost_what_the_baseline_says() {
    costs_what_the_baseline_says(Scenario::TenBuyers).await;
}

#[tokio::test]
async fn a_batch_that_comes_again_costs_what_the_baseline_says() {
    costs_what_the_baseline_says(Scenario::Redelivered).await;
}

#[tokio::test]
async fn an_event_onto_a_hundred_costs_what_the_baseline_says() {
    costs_what_the_baseline_says(Scenario::Length(100)).await;
}

#[tokio::test]
async fn a_buyer_with_twenty_offers_costs_what_the_baseline_says() {
    costs_what_the_baseline_says(Scenario::Offers(20)).await;
}

#[tokio::test]
async fn the_reactor_costs_what_the_baseline_says() {
    is_what_the_baseline_says(&baseline::flat_costs(&bench::reactor::measure(GATED_BUYERS).await));
}

/// Another compiler makes other instructions, and where there is no Valgrind nothing can be counted: then this says so and
/// compares nothing.
#[test]
fn the_pure_path_takes_as_many_instructions_as_the_baseline_says() {
    let Baseline { rustc, instructions: expected, .. } = baseline();
    let here = baseline::rustc();
    if rustc != here || !instructions::can_count() {
        eprintln!(
            "not compared: the baseline is of {rustc}, this is {here}; Valgrind: {}",
            instructions::can_count()
        );
        return;
    }
    let found = baseline::instructions(Path::new(env!("CARGO_BIN_EXE_work")));
    for (name, found) in &found {
        let expected = expected[name];
        let within = INSTRUCTIONS_WITHIN * expected;
        assert!(
            (found - expected).abs() <= within,
            "{name}: {found} instructions where {expected} were; {ANEW}"
        );
    }
}
