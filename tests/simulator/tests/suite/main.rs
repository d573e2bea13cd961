//! The simulator's tests: properties that must hold in every run.

mod safeguards;

use simulator::scenarios::{SCENARIOS, plan, posts};
use simulator::{
    AfterThrottle, Comparison, Coverage, Drain, Faults, Outage, Plan, Sight, Throttled, many, systematic,
};

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

#[track_caller]
fn assert_passed(name: &str, coverage: &Coverage) {
    let failing: Vec<String> = coverage
        .first
        .iter()
        .map(|(faults, report)| format!("{faults:?}:\n  {}", report.violations.join("\n  ")))
        .collect();
    assert_eq!(coverage.failed, 0, "{name}\n{}", failing.join("\n"));
    assert!(coverage.passed > 0, "{name}");
}

#[test]
fn without_faults_every_scenario_passes() {
    for (name, scenario) in SCENARIOS {
        let plan = plan(scenario);
        assert_eq!(plan.run().violations, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn every_scenario_survives_every_fault_at_every_call() {
    for (name, scenario) in SCENARIOS {
        assert_passed(name, &systematic(scenario, false));
    }
}

/// `make sim-pairs` plays the pairs of all scenarios.
#[test]
fn a_withdrawn_acceptance_survives_every_pair_of_faults() {
    assert_passed("acceptance withdrawn", &systematic("m0 a0 t0", true));
}

/// Plays ten messages of two buyers, one of them bad, in all rotations.
#[test]
fn one_bad_message_in_ten_delays_no_innocent_one() {
    let ten = "m0.1 a0.2 Bm0.1 t0.3 ! Ba0.2 m1.1 a1.2 Bt0.3 Bw0.4";
    for (seed, end) in (0..200).zip((1..=10).cycle()) {
        let words: Vec<&str> = ten.split(' ').cycle().skip(end).take(10).collect();
        let faults = Faults::At(Vec::new());
        let report = Plan { faults, posts: Some(posts(&words.join(" "))), ..Plan::of(seed) }.run();
        assert_eq!((report.violations, report.most_receives), (Vec::new(), 1), "seed {seed}");
    }
}

#[test]
fn after_thirty_hours_of_outage_all_effects_are_performed_in_order() {
    // The outage is longer than the change feed's retention. The effects of each buyer: a quote, a high lead and a
    // mail for each of 8 offers, the opening and closing of the low lead, and an invitation.
    let drained = Outage { buyers: 3_704, offers: 8, hours: 30 }.play();
    assert_eq!(drained.violations, Vec::<String>::new());
    assert_eq!(drained.pending, 3_704 * 27);
    assert!(drained.pending >= 100_000);
    // The opening of the low lead and the invitation are overtaken; all other effects are performed.
    assert_eq!((drained.mails, drained.announced), (3_704 * 8, 3_704 * 17));
}

#[test]
fn ten_thousand_mails_drain_at_their_pace_and_delay_no_other_work() {
    let took = Drain { mails: 10_000, gaps: 5_000, rate: 14 }.play();
    assert_eq!(took.violations, Vec::<String>::new());
    // At 10 per second, the default of `EmailsPerSecond`, they take 1,000 seconds, plus the time between two sweeps: 240 of every
    // 300 seconds are swept.
    assert!((1_000..=1_600).contains(&took.mails), "{took:?}");
    assert!((1..=2).contains(&took.behind), "{took:?}");
    assert_eq!(took.gaps_in_an_hour, 5_000);
    assert_eq!(took.throttled, 0, "the pace stays below the rate of SES");
}

#[test]
fn a_throttled_mail_delays_no_sales_message_and_repeats_none() {
    let after = Throttled { buyers: 200 }.play();
    let AfterThrottle { sales_sent, sales, mails, behind, later_took, violations } = after;
    assert_eq!(violations, Vec::<String>::new());
    assert_eq!((sales_sent, sales), (600, 600), "each message is sent once");
    assert_eq!(mails, 200, "each mail is sent once");
    assert_eq!(behind, 0);
    assert!(later_took < 60, "the later messages took {later_took} seconds");
}

#[test]
fn every_other_way_does_harm_on_seeds_on_which_ours_does_none() {
    let comparison = Comparison::of(0, 1_000);
    let (ours, others) = comparison.ways().split_first().expect("ours");
    assert_eq!((ours.harm, ours.any), ([0; 5], 0));
    for other in others {
        assert!(other.any > 0 && other.harm.iter().any(|harm| *harm > 0), "{other:?}");
    }
    for kind in 0..5 {
        assert!(others.iter().any(|other| other.harm[kind] > 0), "no other way does harm {kind}");
    }
}

/// The runs in which each sight is looked for.
const RUNS: u64 = 20_000;

/// How many of these runs must meet a sight: 10 of 10,000.
const fn least(sight: Sight) -> u64 {
    // Of 40,000 runs 32 met it; pauses made it rarer.
    if matches!(sight, Sight::LeftInShadow) { 10 } else { 20 }
}

#[test]
fn random_runs_meet_every_sight() {
    let summary = many(0, RUNS, false, Plan::of);
    for (sight, met) in Sight::ALL.iter().zip(summary.met) {
        assert!(met >= least(*sight), "{}: only {met} of {RUNS} runs met it", sight.name());
    }
}

#[test]
fn the_log_lines_of_every_run_are_captured() {
    for seed in 0..100 {
        assert!(Plan::of(seed).run().lines > 0, "seed {seed}");
    }
}
