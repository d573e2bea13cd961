//! What waits for SES drains at the pace that was set, and nothing else waits for it.

use simulator::{AfterThrottle, Drain, Throttled};

#[test]
fn ten_thousand_mails_drain_at_their_pace_beside_all_other_work() {
    let took = Drain { mails: 10_000, gaps: 5_000, rate: 14 }.play();
    assert_eq!(took.violations, Vec::<String>::new());
    // 10 in a second is the default of `EmailsPerSecond`; half as long again is the limit.
    assert!((1_000..=1_500).contains(&took.mails), "{took:?}");
    assert!((1..=2).contains(&took.behind), "{took:?}");
    assert_eq!(took.gaps_in_an_hour, 5_000);
    assert_eq!(took.throttled, 0, "the pace stays below SES's own");
}

#[test]
fn a_throttled_mail_delays_no_sales_message_and_repeats_none() {
    let after = Throttled { buyers: 200 }.play();
    let AfterThrottle { sales_sent, sales, mails, behind, later_took, violations } = after;
    assert_eq!(violations, Vec::<String>::new());
    assert_eq!((sales_sent, sales), (600, 600), "each once");
    assert_eq!(mails, 200, "each once");
    assert_eq!(behind, 0);
    assert!(later_took < 60, "{later_took} seconds");
}
