//! Settling: only by the nonce that claimed, only from a status that the verdict judges.

use leads_store::{Settled, Status, Verdict};

use super::both;
use crate::attempts::at;
use crate::attempts::{claim, claimed, settled, verdict};

const KEY: &str = "quote-email";

const ALL: [Status; 8] = [
    Status::Sending,
    Status::Sent,
    Status::Rejected,
    Status::Retry,
    Status::Unknown,
    Status::Abandoned,
    Status::Superseded,
    Status::Suppressed,
];

#[tokio::test]
async fn only_the_nonce_that_claimed_settles() {
    for table in both().await {
        let sent = verdict("second", Status::Sent, "10:00:01");
        assert_eq!(table.settles(KEY, &sent).await, Settled::Changed, "{table}: nothing there");
        assert_eq!(table.entry(KEY).await, None, "{table}");
        let first = claim(KEY, "first", "10:00:00");
        table.takes(&first).await;
        for status in [Status::Sent, Status::Retry, Status::Unknown] {
            let other = verdict("second", status, "10:00:01");
            assert_eq!(table.settles(KEY, &other).await, Settled::Changed, "{table}: {status:?}");
        }
        assert_eq!(table.entry(KEY).await, Some(claimed(&first)), "{table}");
    }
}

#[tokio::test]
async fn what_was_judged_in_another_status_is_changed_or_stands_already() {
    let judged = [Status::Sent, Status::Rejected, Status::Retry, Status::Unknown, Status::Abandoned];
    for table in both().await {
        for status in ALL {
            for to in judged {
                let key = format!("accepted-email/{}/{}", status.name(), to.name());
                let before = table.stands(&key, status).await;
                let verdict = verdict("first", to, "10:30:00");
                let expected = match (verdict.from.contains(&status), status == to) {
                    (true, _) => Settled::Done,
                    (false, true) => Settled::Already { by_us: false },
                    (false, false) => Settled::Changed,
                };
                let case = format!("{table}: {to:?} after {status:?}");
                assert_eq!(table.settles(&key, &verdict).await, expected, "{case}");
                let after = if expected == Settled::Done { settled(before, &verdict) } else { before };
                assert_eq!(table.entry(&key).await, Some(after), "{case}");
            }
        }
    }
}

#[test]
fn a_claimant_settles_a_doubtful_mail_and_finally_also_one_given_up() {
    assert_eq!(Verdict::BY_CLAIMANT, [Status::Sending, Status::Unknown]);
    assert_eq!(Verdict::BY_CLAIMANT_FINALLY, [Status::Sending, Status::Unknown, Status::Abandoned]);
}

#[tokio::test]
async fn a_verdict_written_twice_is_recognised_by_its_time() {
    for table in both().await {
        table.takes(&claim(KEY, "first", "10:00:00")).await;
        // The table keeps milliseconds.
        let now = "2026-11-23T10:00:01.123456Z".parse().unwrap();
        let sent = Verdict { now, ..verdict("first", Status::Sent, "10:00:01") };
        assert_eq!(table.settles(KEY, &sent).await, Settled::Done, "{table}");
        assert_eq!(table.settles(KEY, &sent).await, Settled::Already { by_us: true }, "{table}");
        let later = Verdict { now: at("10:00:02"), ..sent };
        assert_eq!(table.settles(KEY, &later).await, Settled::Already { by_us: false }, "{table}");
    }
}

#[test]
fn only_a_write_of_our_own_is_ours() {
    let all = [
        Settled::Done,
        Settled::Already { by_us: true },
        Settled::Already { by_us: false },
        Settled::Changed,
        Settled::HeadMoved,
    ];
    assert_eq!(all.map(Settled::is_ours), [true, true, false, false, false]);
}

#[tokio::test]
async fn a_reason_stays_until_another_one_comes_or_the_mail_is_sent() {
    let reason = |reason: &str| Some(reason.to_owned());
    for (told, to, expected) in [
        (None, Status::Abandoned, reason("a reason")),
        (reason("another"), Status::Abandoned, reason("another")),
        (None, Status::Sent, None),
    ] {
        for table in both().await {
            table.stands(KEY, Status::Unknown).await;
            let verdict = Verdict { reason: told.clone(), ..verdict("first", to, "10:00:02") };
            assert_eq!(table.settles(KEY, &verdict).await, Settled::Done, "{table}");
            assert_eq!(table.entry(KEY).await.unwrap().reason, expected, "{table}: {to:?}");
        }
    }
}

#[tokio::test]
async fn an_open_mail_is_in_the_index_and_a_closed_one_is_not() {
    for table in both().await {
        for status in ALL {
            let key = format!("accepted-email/car-1/{}", status.name());
            table.stands(&key, status).await;
        }
        let open = ["retry", "sending", "unknown"].map(|name| format!("email/accepted-email/car-1/{name}"));
        let mut found = table.contents().await.open_work;
        found.sort();
        assert_eq!(found, open, "{table}");
    }
}
