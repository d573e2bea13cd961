use simulator::{Plan, Sight, many};

/// The minimum number of runs, of 10,000, that must meet each sight.
const LEAST: u64 = 10;

#[test]
fn random_runs_meet_every_sight() {
    let summary = many(0, 10_000, false, Plan::of);
    for (sight, met) in Sight::ALL.iter().zip(summary.met) {
        assert!(met >= LEAST, "{}: only {met} of 10,000 runs met it", sight.name());
    }
}

#[test]
fn the_log_lines_of_every_run_are_captured() {
    for seed in 0..100 {
        assert!(Plan::of(seed).run().lines > 0, "seed {seed}");
    }
}
