use simulator::{Plan, Sight, many};

/// So few of 10,000 runs must meet it.
const LEAST: u64 = 10;

#[test]
fn random_runs_meet_everything_that_they_are_meant_to_meet() {
    let summary = many(0, 10_000, false, Plan::of);
    for (sight, met) in Sight::ALL.iter().zip(summary.met) {
        assert!(met >= LEAST, "{}: only {met} runs of 10,000", sight.name());
    }
}

#[test]
fn every_run_is_listened_to() {
    for seed in 0..100 {
        assert!(Plan::of(seed).run().lines > 0, "seed {seed}");
    }
}
