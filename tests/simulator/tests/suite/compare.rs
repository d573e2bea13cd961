use simulator::Comparison;

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
