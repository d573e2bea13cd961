//! Every call of a scenario, struck by every fault.

use simulator::scenarios::{SCENARIOS, plan};
use simulator::{Coverage, systematic};

#[track_caller]
fn ends_well(name: &str, coverage: &Coverage) {
    let failing: Vec<String> = coverage
        .first
        .iter()
        .map(|(faults, report)| format!("{faults:?}:\n  {}", report.violations.join("\n  ")))
        .collect();
    assert_eq!(coverage.failed, 0, "{name}\n{}", failing.join("\n"));
    assert!(coverage.passed > 0, "{name}");
}

#[test]
fn without_a_fault_every_scenario_ends_well() {
    for (name, scenario) in SCENARIOS {
        let plan = plan(scenario);
        assert_eq!(plan.run().violations, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn every_call_of_every_scenario_may_be_struck_by_every_fault() {
    for (name, scenario) in SCENARIOS {
        ends_well(name, &systematic(scenario, false));
    }
}

/// `make sim-pairs` does so with all of them.
#[test]
fn every_two_calls_of_an_acceptance_taken_back_may_be_struck_by_every_two_faults() {
    ends_well("acceptance taken back", &systematic("m0 a0 t0", true));
}
