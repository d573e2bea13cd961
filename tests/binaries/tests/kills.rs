//! A hundred kills, and as many mails in doubt, of the binaries that `make build-local` built.

use binaries::{Order, Report, doubtful_mails, many};

#[test]
fn a_hundred_kills_lose_nothing_and_double_nothing() {
    let order = Order { kills: 100, from: 0, shard: (0, 1), may_be_silent: false };
    let (report, _) = many(order, Report::default(), |_, _| {});
    assert!(report.violations().is_empty(), "{:?}\n{report}", report.violations());
    assert_eq!(report.of("failed"), 0, "{report}");
    for function in ["recorder", "reactor"] {
        assert!(report.of(&format!("kills/{function}")) > 0, "the {function} was never killed:\n{report}");
    }
}

#[tokio::test]
async fn a_mail_whose_answer_is_ambiguous_is_one_request_whoever_looks_at_it_again() {
    let report = doubtful_mails(100).await.unwrap();
    assert!(report.violations().is_empty(), "{:?}\n{report}", report.violations());
    assert_eq!(report.of("ses/ambiguous-answers"), 100, "{report}");
}

#[test]
fn reports_add_up_and_are_read_back_as_they_were_written() {
    let mut one = Report::default();
    one.count("kills", 2);
    one.violation("lost", "an event");
    let mut sum = Report::from_json(&one.to_json());
    assert_eq!(sum, one);
    sum.add(one);
    assert_eq!((sum.of("kills"), sum.of("lost"), sum.violations().len()), (4, 2, 2));
}
