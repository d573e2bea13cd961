use simulator::{Plan, Strategy, many};

#[test]
fn every_other_way_does_harm_on_the_same_seeds_on_which_ours_does_none() {
    for strategy in Strategy::ALL {
        let summary = many(0, 1_000, true, |seed| Plan { strategy: Some(strategy), ..Plan::of(seed) });
        assert!(summary.failed > 0, "{strategy:?}");
    }
}
