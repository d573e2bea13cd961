use simulator::{Plan, many};

/// The number of seeds in each test run; `make sim` runs more.
const SEEDS: u64 = 100_000;

#[test]
fn whatever_fails_nothing_is_lost_or_doubled_and_every_run_ends() {
    let summary = many(0, SEEDS, false, Plan::of);
    let failing: Vec<String> = summary
        .first
        .iter()
        .map(|(seed, report)| format!("make sim FROM={seed} SEEDS=1\n  {}", report.violations.join("\n  ")))
        .collect();
    assert_eq!((summary.passed, summary.failed), (SEEDS, 0), "{}", failing.join("\n"));
}

#[test]
fn the_same_seed_gives_the_same_run_to_the_byte() {
    for seed in 0..300 {
        let plan = Plan { has_trace: true, ..Plan::of(seed) };
        let first = plan.run();
        assert!(!first.trace.is_empty());
        assert_eq!(first, plan.run(), "seed {seed}");
    }
}
