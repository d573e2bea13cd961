//! Settling: only with the nonce of the claim, and only from a status that the verdict judges. Fences: a claim or an
//! ending without an e-mail is written only if nothing was recorded after the head that was judged.

use domain::Sequence;
use leads_store::{Claim, Claimed, LeadsStore as _, Settled, Status, Verdict};
use testkit::leads::{claim, claimed, settled, verdict};
use testkit::{accepted, at, made};

use super::{both, buyer};

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

/// The three endings without an e-mail.
const UNSENT: [Status; 3] = [Status::Superseded, Status::Rejected, Status::Abandoned];

fn at_head(head: u64, verdict: Verdict) -> Verdict {
    Verdict { head: Some(Sequence::new(head)), ..verdict }
}

#[tokio::test]
async fn a_claim_is_refused_once_a_fact_follows_the_head() {
    for table in both().await {
        table.record(made("car-1")).await;
        let old_head = claim(KEY, "first", "10:00:00");
        assert_eq!(table.claim(&old_head).await.unwrap(), Claimed::HeadMoved, "{table}");
        assert_eq!(table.entry(KEY).await, None, "{table}");
        table.must_claim(&Claim { head: Sequence::new(1), ..old_head }).await;
    }
}

#[tokio::test]
async fn the_sweepers_claim_is_refused_once_a_fact_follows_the_head() {
    for table in both().await {
        let entry = table.bring_to(KEY, Status::Retry).await;
        table.record(made("car-1")).await;
        let again = Claim { found: Some("first".to_owned()), ..claim(KEY, "second", "11:00:00") };
        assert_eq!(table.claim(&again).await.unwrap(), Claimed::HeadMoved, "{table}");
        assert_eq!(table.entry(KEY).await, Some(entry), "{table}");
        table.must_claim(&Claim { head: Sequence::new(1), ..again }).await;
    }
}

#[tokio::test]
async fn an_unsent_ending_is_refused_once_a_fact_follows_its_head() {
    for table in both().await {
        for status in UNSENT {
            let key = format!("accepted-email/car-1/{}", status.name());
            table.must_claim(&Claim { head: Sequence::START, ..claim(&key, "first", "10:00:00") }).await;
        }
        table.record(made("car-1")).await;
        table.record(accepted("car-1").v(2)).await;
        for status in UNSENT {
            let key = format!("accepted-email/car-1/{}", status.name());
            let ending = verdict("first", status, "10:00:01");
            let before = table.entry(&key).await.unwrap();
            for head in [0, 1] {
                let stale = at_head(head, ending.clone());
                assert_eq!(table.settles(&key, &stale).await, Settled::HeadMoved, "{table}: {status:?}");
                assert_eq!(table.entry(&key).await.as_ref(), Some(&before), "{table}: untouched");
            }
            assert_eq!(table.settles(&key, &at_head(2, ending.clone())).await, Settled::Done, "{table}");
            assert_eq!(table.entry(&key).await, Some(settled(before, &ending)), "{table}: {status:?}");
        }
    }
}

#[tokio::test]
async fn an_ending_without_a_head_ignores_later_facts() {
    for table in both().await {
        for status in [Status::Sent, Status::Unknown, Status::Retry] {
            let key = format!("accepted-email/car-1/{}", status.name());
            table.must_claim(&claim(&key, "first", "10:00:00")).await;
        }
        table.record(made("car-1")).await;
        for status in [Status::Sent, Status::Unknown, Status::Retry] {
            let key = format!("accepted-email/car-1/{}", status.name());
            let plain = verdict("first", status, "10:00:01");
            assert_eq!(table.settles(&key, &plain).await, Settled::Done, "{table}: {status:?}");
        }
    }
}

#[tokio::test]
async fn an_ending_ignores_facts_of_other_buyers() {
    for table in both().await {
        table.record(made("car-1")).await;
        let of_another = Claim { buyer: testkit::buyer("buyer-8"), ..claim(KEY, "first", "10:00:00") };
        table.must_claim(&of_another).await;
        let ending = at_head(0, verdict("first", Status::Rejected, "10:00:01"));
        let ended = table.settle(&of_another.buyer, KEY, &ending).await.unwrap();
        assert_eq!(ended, Settled::Done, "{table}");
    }
}

#[tokio::test]
async fn a_fenced_ending_also_requires_the_judged_entry() {
    for table in both().await {
        let entry = table.bring_to(KEY, Status::Retry).await;
        let ending = at_head(0, verdict("first", Status::Superseded, "11:00:00"));
        let retry = Verdict { from: &[Status::Retry], ..ending.clone() };
        let other = Verdict { nonce: "other".to_owned(), ..retry.clone() };
        for refused in [&ending, &other] {
            assert_eq!(table.settles(KEY, refused).await, Settled::Changed, "{table}");
            assert_eq!(table.entry(KEY).await.as_ref(), Some(&entry), "{table}: untouched");
        }
        assert_eq!(table.settles("accepted-email/car-1/2", &retry).await, Settled::Changed, "{table}: none");
        assert_eq!(table.settles(KEY, &retry).await, Settled::Done, "{table}");
        assert_eq!(table.settles(KEY, &retry).await, Settled::Already { by_us: true }, "{table}: sent twice");
    }
}

#[tokio::test]
async fn an_ending_already_written_is_reported_even_if_the_head_moved() {
    for table in both().await {
        let first = claim(KEY, "first", "10:00:00");
        table.must_claim(&first).await;
        let ending = at_head(0, verdict("first", Status::Rejected, "10:00:01"));
        assert_eq!(table.settles(KEY, &ending).await, Settled::Done, "{table}");
        table.record(made("car-1")).await;
        assert_eq!(table.settles(KEY, &ending).await, Settled::Already { by_us: true }, "{table}");
        assert_eq!(table.entry(KEY).await, Some(settled(claimed(&first), &ending)), "{table}");
        assert_eq!(first.buyer, buyer());
    }
}
