//! Settling: only with the nonce of the claim, and only from a status that the verdict judges.

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
async fn only_the_nonce_of_the_claim_can_settle() {
    for table in both().await {
        let sent = verdict("second", Status::Sent, "10:00:01");
        assert_eq!(table.settles(KEY, &sent).await, Settled::Changed, "{table}: nothing there");
        assert_eq!(table.entry(KEY).await, None, "{table}");
        let first = claim(KEY, "first", "10:00:00");
        table.must_claim(&first).await;
        for status in [Status::Sent, Status::Retry, Status::Unknown] {
            let other = verdict("second", status, "10:00:01");
            assert_eq!(table.settles(KEY, &other).await, Settled::Changed, "{table}: {status:?}");
        }
        assert_eq!(table.entry(KEY).await, Some(claimed(&first)), "{table}");
    }
}

#[tokio::test]
async fn a_verdict_on_another_status_is_refused() {
    let judged = [Status::Sent, Status::Rejected, Status::Retry, Status::Unknown, Status::Abandoned];
    for table in both().await {
        for status in ALL {
            for to in judged {
                let key = format!("accepted-email/{}/{}", status.name(), to.name());
                let before = table.bring_to(&key, status).await;
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
fn a_claimant_settles_doubtful_and_with_certainty_abandoned_e_mails() {
    assert_eq!(Verdict::BY_CLAIMANT, [Status::Sending, Status::Unknown]);
    assert_eq!(Verdict::BY_CLAIMANT_FINALLY, [Status::Sending, Status::Unknown, Status::Abandoned]);
}

#[tokio::test]
async fn a_verdict_written_twice_is_recognized_by_its_time() {
    for table in both().await {
        table.must_claim(&claim(KEY, "first", "10:00:00")).await;
        // The table stores milliseconds.
        let now = "2026-11-23T10:00:01.123456Z".parse().unwrap();
        let sent = Verdict { now, ..verdict("first", Status::Sent, "10:00:01") };
        assert_eq!(table.settles(KEY, &sent).await, Settled::Done, "{table}");
        assert_eq!(table.settles(KEY, &sent).await, Settled::Already { by_us: true }, "{table}");
        let later = Verdict { now: at("10:00:02"), ..sent };
        assert_eq!(table.settles(KEY, &later).await, Settled::Already { by_us: false }, "{table}");
    }
}

#[test]
fn only_our_own_writes_count_as_ours() {
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
async fn a_reason_stays_until_it_is_replaced_or_the_e_mail_is_sent() {
    let reason = |reason: &str| Some(reason.to_owned());
    for (given, to, expected) in [
        (None, Status::Abandoned, reason("a reason")),
        (reason("another"), Status::Abandoned, reason("another")),
        (None, Status::Sent, None),
    ] {
        for table in both().await {
            table.bring_to(KEY, Status::Unknown).await;
            let verdict = Verdict { reason: given.clone(), ..verdict("first", to, "10:00:02") };
            assert_eq!(table.settles(KEY, &verdict).await, Settled::Done, "{table}");
            assert_eq!(table.entry(KEY).await.unwrap().reason, expected, "{table}: {to:?}");
        }
    }
}

#[tokio::test]
async fn only_open_e_mails_are_in_the_index() {
    for table in both().await {
        for status in ALL {
            let key = format!("accepted-email/car-1/{}", status.name());
            table.bring_to(&key, status).await;
        }
        let open = ["retry", "sending", "unknown"].map(|name| format!("email/accepted-email/car-1/{name}"));
        let mut found = table.contents().await.open_work;
        found.sort();
        assert_eq!(found, open, "{table}");
    }
}
