//! The reactor's claim: it takes e-mails for which no entry is responsible, and never one that the sweeper must retry.

use domain::Sequence;
use leads_store::{AddressDigest, Claim, Claimed, Ledger as _, LedgerEntry, Status, Taking, Verdict};
use testkit::made;

use super::{Table, both, buyer};
use crate::attempts::at;
use crate::attempts::{claim as claim_of, claimed, settled, verdict};

const KEY: &str = "quote-email";

fn claim(nonce: &str, now: &str) -> Claim {
    claim_of(KEY, nonce, now)
}

/// A claim on the same key at a later opening.
fn later(nonce: &str) -> Claim {
    Claim { sequence: Sequence::new(7), ..claim(nonce, "23:00:00") }
}

fn elsewhere(claim: Claim) -> Claim {
    Claim { address: AddressDigest::of("eve@example.com"), ..claim }
}

impl Table {
    /// Brings the e-mail to this status: claims it at ten o'clock and settles it a second later. Returns the entry.
    pub(super) async fn bring_to(&self, key: &str, status: Status) -> LedgerEntry {
        let first = claim_of(key, "first", "10:00:00");
        self.must_claim(&first).await;
        let mut entry = claimed(&first);
        if status != first.taking.status() {
            let verdict = verdict("first", status, "10:00:01");
            assert!(self.settles(key, &verdict).await.is_ours(), "{self}: {status:?}");
            entry = settled(entry, &verdict);
        }
        assert_eq!(self.entry(key).await.as_ref(), Some(&entry), "{self}: {status:?}");
        entry
    }

    async fn assert_refused(&self, claim: &Claim, entry: &LedgerEntry) {
        assert_eq!(self.claim(claim).await.unwrap(), Claimed::Taken(Box::new(entry.clone())), "{self}");
        assert_eq!(self.entry(KEY).await.as_ref(), Some(entry), "{self}: untouched");
    }

    /// Asserts that the claim succeeds and that the entry starts afresh.
    async fn assert_claims(&self, claim: &Claim) {
        self.must_claim(claim).await;
        assert_eq!(self.entry(KEY).await, Some(claimed(claim)), "{self}");
    }
}

#[tokio::test]
async fn an_unclaimed_e_mail_can_be_claimed_for_every_purpose() {
    let due = at("10:00:30");
    let takings = [
        (Taking::Attempt(due), Some(at("10:00:00")), true),
        (Taking::Park(due), None, true),
        (Taking::Reject("address-unusable"), None, false),
    ];
    for (taking, first_tried_at, is_open) in takings {
        for table in both().await {
            let first = Claim { taking: taking.clone(), first_tried_at, ..claim("first", "10:00:00") };
            table.assert_claims(&first).await;
            let open: &[&str] = if is_open { &["email/quote-email"] } else { &[] };
            assert_eq!(table.contents().await.open_work, open, "{table}: {taking:?}");
        }
    }
}

#[tokio::test]
async fn an_e_mail_with_a_responsible_entry_cannot_be_claimed() {
    for status in [Status::Sending, Status::Retry, Status::Unknown, Status::Sent, Status::Suppressed] {
        for table in both().await {
            let entry = table.bring_to(KEY, status).await;
            // Soon after; at a later opening, past the deadline; and also for another address.
            for other in [claim("second", "10:00:02"), later("third"), elsewhere(later("fourth"))] {
                table.assert_refused(&other, &entry).await;
            }
        }
    }
}

#[tokio::test]
async fn a_retry_cannot_be_claimed_by_a_reactor() {
    for table in both().await {
        let parked = Taking::Park(at("10:00:00"));
        let parked = Claim { taking: parked, first_tried_at: None, ..claim("first", "10:00:00") };
        table.assert_claims(&parked).await;
        table.assert_refused(&elsewhere(later("second")), &claimed(&parked)).await;
    }
}

#[tokio::test]
async fn a_repeated_claim_succeeds_after_a_lost_answer() {
    for table in both().await {
        let first = claim("first", "10:00:00");
        table.assert_claims(&first).await;
        table.assert_claims(&first).await;
        // The repeated claim succeeds even if a fact was recorded in between, because the first one preceded that fact.
        table.record(made("car-1")).await;
        table.assert_claims(&first).await;
    }
}

#[tokio::test]
async fn a_rejected_e_mail_can_be_claimed_only_for_another_address() {
    for table in both().await {
        let entry = table.bring_to(KEY, Status::Rejected).await;
        table.assert_refused(&claim("second", "11:00:00"), &entry).await;
        table.assert_refused(&later("third"), &entry).await;
        table.assert_claims(&elsewhere(claim("fourth", "11:00:01"))).await;
    }
}

#[tokio::test]
async fn an_e_mail_rejected_by_its_claim_can_be_claimed_for_another_address() {
    for table in both().await {
        let reject = Taking::Reject("address-stopped");
        let rejected = Claim { taking: reject, first_tried_at: None, ..claim("first", "10:00:00") };
        table.assert_claims(&rejected).await;
        table.assert_refused(&later("second"), &claimed(&rejected)).await;
        table.assert_claims(&elsewhere(later("third"))).await;
    }
}

#[tokio::test]
async fn a_superseded_e_mail_can_be_claimed_and_starts_afresh() {
    for table in both().await {
        table.bring_to(KEY, Status::Superseded).await;
        table.assert_claims(&later("second")).await;
    }
}

#[tokio::test]
async fn an_abandoned_unsent_e_mail_can_be_claimed_by_a_later_opening() {
    for table in both().await {
        let entry = table.bring_to(KEY, Status::Abandoned).await;
        assert!(entry.is_unsent, "{table}");
        table.assert_refused(&elsewhere(claim("second", "11:00:00")), &entry).await;
        let earlier = Claim { sequence: Sequence::START, ..claim("third", "11:00:00") };
        table.assert_refused(&earlier, &entry).await;
        table.assert_claims(&later("fourth")).await;
    }
}

#[tokio::test]
async fn an_abandoned_doubtful_e_mail_can_never_be_claimed() {
    for table in both().await {
        let doubtful = table.bring_to(KEY, Status::Unknown).await;
        let given_up =
            Verdict { from: &[Status::Unknown], ..verdict("first", Status::Abandoned, "11:00:00") };
        assert!(table.settles(KEY, &given_up).await.is_ours(), "{table}");
        table.assert_refused(&elsewhere(later("second")), &settled(doubtful, &given_up)).await;
    }
}

#[tokio::test]
async fn the_responsible_entry_is_reported_even_if_the_head_moved() {
    for table in both().await {
        let entry = table.bring_to(KEY, Status::Sent).await;
        table.record(made("car-1")).await;
        table.assert_refused(&claim("second", "10:00:02"), &entry).await;
    }
}

#[tokio::test]
async fn claims_ignore_other_buyers_facts_and_other_e_mails() {
    for table in both().await {
        table.record(made("car-1")).await;
        table.assert_claims(&Claim { head: Sequence::new(1), ..claim("first", "10:00:00") }).await;
        let of_another = Claim { buyer: testkit::buyer("buyer-8"), ..claim("second", "10:00:00") };
        table.must_claim(&of_another).await;
        let another =
            Claim { head: Sequence::new(1), ..claim_of("accepted-email/car-1/2", "third", "10:00:00") };
        table.must_claim(&another).await;
        assert_eq!(another.buyer, buyer());
    }
}
