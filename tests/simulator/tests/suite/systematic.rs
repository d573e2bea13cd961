//! Every fault at every call of every scenario.

use simulator::scenarios::{SCENARIOS, plan};
use simulator::{Coverage, systematic};

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
