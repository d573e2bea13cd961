//! The e-mail ledger: at most one attempt at a time, and none after the fact that cancels it.

use domain::Sequence;
use effects::leads::{AddressDigest, Claim, Claimed, Heard, Ledger as _, LedgerEntry, Status, Verdict};
use jiff::Timestamp;
use testkit::{accepted, made};

use super::{Table, both, buyer};
use crate::world::at;

const KEY: &str = "accepted-email/car-1/2";

fn address(address: &str) -> AddressDigest {
    AddressDigest::of(address)
}

/// Made at this time, by the attempt of this name; the head is at 0.
fn claim(nonce: &str, now: &str) -> Claim {
    Claim {
        buyer: buyer(),
        key: KEY.to_owned(),
        sequence: Sequence::new(2),
        nonce: nonce.to_owned(),
        address: address("ada@example.com"),
        head: Sequence::START,
        now: at(now),
        deadline: at("12:00:30"),
        is_shadow: false,
    }
}

fn verdict(status: Status, due: Option<Timestamp>, now: &str) -> Verdict {
    let message_id = (status == Status::Sent).then(|| "ses-1".to_owned());
    let reason = (status != Status::Sent).then(|| "a reason".to_owned());
    Verdict { status, message_id, reason, due, now: at(now) }
}

/// The entry that this claim makes.
fn sending(claim: &Claim, first_tried_at: &str) -> LedgerEntry {
    LedgerEntry {
        status: Status::Sending,
        nonce: claim.nonce.clone(),
        sequence: claim.sequence,
        address: claim.address.clone(),
        due: Some(claim.deadline),
        first_tried_at: at(first_tried_at),
        since: claim.now,
        message_id: None,
        reason: None,
        heard: Heard::default(),
    }
}

/// The entry after this verdict on it.
fn after(entry: LedgerEntry, verdict: &Verdict) -> LedgerEntry {
    let Verdict { status, message_id, reason, due, now } = verdict.clone();
    let begins_anew = matches!(status, Status::Superseded | Status::Rejected);
    let first_tried_at = if begins_anew { now } else { entry.first_tried_at };
    LedgerEntry { status, message_id, reason, due, since: now, first_tried_at, ..entry }
}

impl Table {
    async fn entry(&self) -> Option<LedgerEntry> {
        self.contents().await.about.ledger.remove(KEY)
    }

    /// Claims at ten o'clock, settles a second later; returns the entry.
    async fn settled(&self, status: Status, due: Option<Timestamp>) -> LedgerEntry {
        let first = claim("first", "10:00:00");
        assert_eq!(self.claim(&first).await.unwrap(), Claimed::Ours);
        let verdict = verdict(status, due, "10:00:01");
        assert!(self.settle(&buyer(), KEY, "first", &verdict).await.unwrap(), "{self}");
        let entry = after(sending(&first, "10:00:00"), &verdict);
        assert_eq!(self.entry().await, Some(entry.clone()), "{self}");
        entry
    }

    async fn assert_held(&self, claim: &Claim, entry: &LedgerEntry) {
        assert_eq!(self.claim(claim).await.unwrap(), Claimed::Held(Box::new(entry.clone())), "{self}");
        assert_eq!(self.entry().await.as_ref(), Some(entry), "{self}: untouched");
    }

    async fn assert_taken(&self, claim: &Claim, first_tried_at: &str) {
        assert_eq!(self.claim(claim).await.unwrap(), Claimed::Ours, "{self}");
        assert_eq!(self.entry().await, Some(sending(claim, first_tried_at)), "{self}");
    }
}

#[tokio::test]
async fn a_mail_never_claimed_is_taken() {
    for table in both().await {
        table.assert_taken(&claim("first", "10:00:00"), "10:00:00").await;
        assert_eq!(table.contents().await.open_work, [format!("email/{KEY}")], "{table}");
    }
}

#[tokio::test]
async fn a_mail_that_somebody_is_at_is_held_even_past_its_deadline() {
    for table in both().await {
        let first = claim("first", "10:00:00");
        table.assert_taken(&first, "10:00:00").await;
        for now in ["10:00:00", "12:00:30", "23:59:59"] {
            table.assert_held(&claim("second", now), &sending(&first, "10:00:00")).await;
        }
    }
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_is_ours_when_it_comes_again() {
    for table in both().await {
        let first = claim("first", "10:00:00");
        table.assert_taken(&first, "10:00:00").await;
        table.assert_taken(&first, "10:00:00").await;
        // Even if a fact was recorded in between: the first one had taken effect before it.
        table.record(made("car-1")).await;
        table.assert_taken(&first, "10:00:00").await;
    }
}

#[tokio::test]
async fn a_mail_to_be_tried_again_is_held_until_it_is_due() {
    // Fractions of a second too: DynamoDB compares texts.
    for (due, too_early, in_time) in [
        ("10:02:00", "10:01:59.999", "10:02:00"),
        ("10:02:00.5", "10:02:00", "10:02:00.5"),
        ("10:02:00.12", "10:02:00.119", "10:02:00.123"),
    ] {
        for table in both().await {
            let entry = table.settled(Status::Retry, Some(at(due))).await;
            assert_eq!(table.contents().await.open_work, [format!("email/{KEY}")], "{table}");
            table.assert_held(&claim("second", too_early), &entry).await;
            // Its 24 hours began with the first attempt.
            table.assert_taken(&claim("second", in_time), "10:00:00").await;
        }
    }
}

#[tokio::test]
async fn a_mail_to_be_tried_again_at_no_time_is_due_at_once() {
    for table in both().await {
        table.settled(Status::Retry, None).await;
        table.assert_taken(&claim("second", "10:00:01"), "10:00:00").await;
    }
}

#[tokio::test]
async fn a_rejected_mail_is_held_for_its_address_and_taken_for_another() {
    for table in both().await {
        let entry = table.settled(Status::Rejected, None).await;
        assert_eq!(table.contents().await.open_work, Vec::<String>::new(), "{table}");
        table.assert_held(&claim("second", "11:00:00"), &entry).await;
        let another = Claim { address: address("eve@example.com"), ..claim("third", "11:00:01") };
        table.assert_taken(&another, "11:00:01").await;
    }
}

#[tokio::test]
async fn a_superseded_mail_is_taken_and_begins_anew() {
    for table in both().await {
        table.settled(Status::Superseded, None).await;
        let later = Claim { sequence: Sequence::new(7), ..claim("second", "11:00:00") };
        table.assert_taken(&later, "11:00:00").await;
    }
}

#[tokio::test]
async fn a_mail_sent_doubtful_or_given_up_is_held_for_ever_and_for_any_address() {
    for (status, due) in
        [(Status::Sent, None), (Status::Unknown, Some(at("11:00:01"))), (Status::Abandoned, None)]
    {
        for table in both().await {
            let entry = table.settled(status, due).await;
            let is_open = !table.contents().await.open_work.is_empty();
            assert_eq!(is_open, status == Status::Unknown, "{table}");
            table.assert_held(&claim("second", "23:00:00"), &entry).await;
            let another = Claim { address: address("eve@example.com"), ..claim("third", "23:00:00") };
            table.assert_held(&another, &entry).await;
        }
    }
}

#[tokio::test]
async fn nothing_is_claimed_once_a_fact_after_the_head_is_recorded() {
    for table in both().await {
        table.record(made("car-1")).await;
        let old_head = claim("first", "10:00:00");
        assert_eq!(table.claim(&old_head).await.unwrap(), Claimed::HeadMoved, "{table}");
        assert_eq!(table.entry().await, None, "{table}");

        let head = Claim { head: Sequence::new(1), ..claim("second", "10:00:00") };
        table.assert_taken(&head, "10:00:00").await;
        let retry = verdict(Status::Retry, Some(at("10:02:00")), "10:00:01");
        assert!(table.settle(&buyer(), KEY, "second", &retry).await.unwrap());
        table.record(accepted("car-1").v(2)).await;
        let due = Claim { head: Sequence::new(1), ..claim("third", "10:02:00") };
        assert_eq!(table.claim(&due).await.unwrap(), Claimed::HeadMoved, "{table}: a second attempt neither");
        let entry = after(sending(&head, "10:00:00"), &retry);
        assert_eq!(table.entry().await, Some(entry), "{table}");
    }
}

#[tokio::test]
async fn what_is_held_is_told_even_if_the_head_has_moved() {
    for table in both().await {
        let entry = table.settled(Status::Sent, None).await;
        table.record(made("car-1")).await;
        table.assert_held(&claim("second", "10:00:02"), &entry).await;
    }
}

#[tokio::test]
async fn other_buyers_facts_and_other_mails_do_not_matter() {
    for table in both().await {
        table.record(made("car-1")).await;
        table.assert_taken(&Claim { head: Sequence::new(1), ..claim("first", "10:00:00") }, "10:00:00").await;
        let of_another = Claim { buyer: testkit::buyer("buyer-8"), ..claim("second", "10:00:00") };
        assert_eq!(table.claim(&of_another).await.unwrap(), Claimed::Ours, "{table}");
        let another =
            Claim { key: "quote-email".to_owned(), head: Sequence::new(1), ..claim("third", "10:00:00") };
        assert_eq!(table.claim(&another).await.unwrap(), Claimed::Ours, "{table}");
    }
}

#[tokio::test]
async fn only_the_attempt_that_claimed_settles() {
    for table in both().await {
        let sent = verdict(Status::Sent, None, "10:00:01");
        assert!(!table.settle(&buyer(), KEY, "first", &sent).await.unwrap(), "{table}: nothing there");
        assert_eq!(table.entry().await, None, "{table}");
        let first = claim("first", "10:00:00");
        table.assert_taken(&first, "10:00:00").await;
        let retry = verdict(Status::Retry, None, "10:00:01");
        for verdict in [sent, retry] {
            assert!(
                !table.settle(&buyer(), KEY, "second", &verdict).await.unwrap(),
                "{table}: another nonce"
            );
        }
        assert_eq!(table.entry().await, Some(sending(&first, "10:00:00")), "{table}");
    }
}

#[tokio::test]
async fn a_doubtful_mail_can_still_be_settled_by_its_attempt_also_after_it_was_given_up() {
    let abandoned = verdict(Status::Abandoned, None, "10:00:02");
    let sent = verdict(Status::Sent, None, "10:00:03");
    for verdicts in [&[sent.clone()][..], &[abandoned, sent]] {
        for table in both().await {
            let mut entry = table.settled(Status::Unknown, Some(at("11:00:01"))).await;
            for verdict in verdicts {
                assert!(table.settle(&buyer(), KEY, "first", verdict).await.unwrap(), "{table}");
                entry = after(entry, verdict);
                assert_eq!(table.entry().await, Some(entry.clone()), "{table}");
            }
            assert_eq!(table.contents().await.open_work, Vec::<String>::new(), "{table}");
        }
    }
}

#[tokio::test]
async fn the_same_verdict_again_is_fine_and_another_one_comes_too_late() {
    let statuses = [Status::Sent, Status::Rejected, Status::Retry, Status::Abandoned, Status::Superseded];
    for status in statuses {
        for table in both().await {
            let entry = table.settled(status, None).await;
            for other in statuses {
                if status == Status::Abandoned && matches!(other, Status::Sent | Status::Rejected) {
                    continue;
                }
                let again = verdict(other, None, "10:00:09");
                let is_settled = table.settle(&buyer(), KEY, "first", &again).await.unwrap();
                assert_eq!(is_settled, other == status, "{table}: {other:?} after {status:?}");
                assert_eq!(table.entry().await, Some(entry.clone()), "{table}: untouched");
            }
        }
    }
}

#[tokio::test]
async fn a_mail_given_up_too_early_can_still_be_settled_for_good_by_its_attempt() {
    for status in [Status::Sent, Status::Rejected] {
        for table in both().await {
            let abandoned = table.settled(Status::Abandoned, None).await;
            let verdict = verdict(status, None, "10:00:09");
            assert!(
                !table.settle(&buyer(), KEY, "second", &verdict).await.unwrap(),
                "{table}: another attempt"
            );
            assert!(table.settle(&buyer(), KEY, "first", &verdict).await.unwrap(), "{table}");
            assert_eq!(table.entry().await, Some(after(abandoned, &verdict)), "{table}");
        }
    }
}
