//! Fences: a claim or an ending without an e-mail is written only if nothing was recorded after the head that it
//! judged.

use domain::Sequence;
use leads_store::{Claim, Claimed, Ledger as _, Settled, Status, Verdict};
use testkit::{accepted, made};

use super::{both, buyer};
use crate::attempts::{claim, claimed, settled, verdict};

const KEY: &str = "quote-email";

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
