//! Mails that wait for SES drain at the configured pace, and no other work waits for them.

use simulator::{AfterThrottle, Drain, Throttled};

#[test]
fn ten_thousand_mails_drain_at_their_pace_and_delay_no_other_work() {
    let took = Drain { mails: 10_000, gaps: 5_000, rate: 14 }.play();
    assert_eq!(took.violations, Vec::<String>::new());
    // At 10 per second, the default of `EmailsPerSecond`, they take 1,000 seconds; half as much again is the limit.
    assert!((1_000..=1_500).contains(&took.mails), "{took:?}");
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
