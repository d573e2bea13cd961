//! A hundred kills and a hundred mails in doubt, with the binaries that `make build-local` built.

use binaries::{Order, Report, doubtful_mails, many};

#[test]
fn a_hundred_kills_neither_lose_nor_double_anything() {
    let order = Order { kills: 100, from: 0, shard: (0, 1), may_be_silent: false };
    let (report, _) = many(order, Report::default(), |_, _| {});
    assert!(report.violations().is_empty(), "{:?}\n{report}", report.violations());
    assert_eq!(report.of("failed"), 0, "{report}");
    for function in ["recorder", "reactor"] {
        assert!(report.of(&format!("kills/{function}")) > 0, "the {function} was never killed:\n{report}");
    }
}

#[tokio::test]
async fn a_mail_with_an_ambiguous_answer_is_requested_only_once() {
    let report = doubtful_mails(100).await.unwrap();
    assert!(report.violations().is_empty(), "{:?}\n{report}", report.violations());
    assert_eq!(report.of("ses/ambiguous-answers"), 100, "{report}");
}

#[test]
fn reports_add_up_and_are_read_back_as_written() {
    let mut one = Report::default();
    one.count("kills", 2);
    one.violation("lost", "an event");
    let mut sum = Report::from_json(&one.to_json());
    assert_eq!(sum, one);
    sum.add(one);
    assert_eq!((sum.of("kills"), sum.of("lost"), sum.violations().len()), (4, 2, 2));
}

#[test]
fn the_tables_of_a_report_contain_every_count() {
    let mut report = Report::default();
    report.count("kills", 1200);
    report.count("kills/recorder/PutItem/killed-after", 1100);
    report.count("other-faults/recorder/PutItem/cut", 7);
    report.count("other-faults/recorder/Query/cut", 8);
    let tables = "|request|cut|killed-after|\n|---|---:|---:|\n|recorder, PutItem|7|1,100|\n|recorder, Query|8|0|\n\n\
                  |count||\n|---|---:|\n|kills|1,200|\n";
    assert_eq!(report.tables(), tables);
}
