use simulator::scenarios::posts;
use simulator::{Faults, Plan};

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
