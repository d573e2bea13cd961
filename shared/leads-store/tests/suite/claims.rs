//! The reactors' claim: it takes what no other attempt is responsible for, and never what the sweeper must try again.

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

/// A claim of the same key at a later opening.
fn later(nonce: &str) -> Claim {
    Claim { sequence: Sequence::new(7), ..claim(nonce, "23:00:00") }
}

fn elsewhere(claim: Claim) -> Claim {
    Claim { address: AddressDigest::of("eve@example.com"), ..claim }
}

impl Table {
    /// Claims at ten o'clock, and settles a second later if the status is not that of the claim; returns the entry.
    pub(super) async fn stands(&self, key: &str, status: Status) -> LedgerEntry {
        let first = claim_of(key, "first", "10:00:00");
        self.takes(&first).await;
        let mut entry = claimed(&first);
        if status != first.taking.status() {
            let verdict = verdict("first", status, "10:00:01");
            assert!(self.settles(key, &verdict).await.is_ours(), "{self}: {status:?}");
            entry = settled(entry, &verdict);
        }
        assert_eq!(self.entry(key).await.as_ref(), Some(&entry), "{self}: {status:?}");
        entry
    }

    async fn assert_held(&self, claim: &Claim, entry: &LedgerEntry) {
        assert_eq!(self.claim(claim).await.unwrap(), Claimed::Held(Box::new(entry.clone())), "{self}");
        assert_eq!(self.entry(KEY).await.as_ref(), Some(entry), "{self}: untouched");
    }

    /// It is taken, and nothing is left of what was known.
    async fn assert_taken(&self, claim: &Claim) {
        self.takes(claim).await;
        assert_eq!(self.entry(KEY).await, Some(claimed(claim)), "{self}");
    }
}

#[tokio::test]
async fn a_mail_never_claimed_is_taken_for_whatever_it_is_taken_for() {
    let due = at("10:00:30");
    let takings = [
        (Taking::Attempt(due), Some(at("10:00:00")), true),
        (Taking::Park(due), None, true),
        (Taking::Reject("address-unusable"), None, false),
    ];
    for (taking, first_tried_at, is_open) in takings {
        for table in both().await {
            let first = Claim { taking: taking.clone(), first_tried_at, ..claim("first", "10:00:00") };
            table.assert_taken(&first).await;
            let open: &[&str] = if is_open { &["email/quote-email"] } else { &[] };
            assert_eq!(table.contents().await.open_work, open, "{table}: {taking:?}");
        }
    }
}

#[tokio::test]
async fn a_mail_that_an_entry_is_responsible_for_is_held_whatever_is_claimed() {
    for status in [Status::Sending, Status::Retry, Status::Unknown, Status::Sent, Status::Suppressed] {
        for table in both().await {
            let entry = table.stands(KEY, status).await;
            // Past its deadline and long due, for another address, for a later opening.
            for other in [claim("second", "10:00:02"), later("third"), elsewhere(later("fourth"))] {
                table.assert_held(&other, &entry).await;
            }
        }
    }
}

#[tokio::test]
async fn a_retry_is_claimable_by_no_reactor_parked_or_tried() {
    for table in both().await {
        let parked = Taking::Park(at("10:00:00"));
        let parked = Claim { taking: parked, first_tried_at: None, ..claim("first", "10:00:00") };
        table.assert_taken(&parked).await;
        table.assert_held(&elsewhere(later("second")), &claimed(&parked)).await;
    }
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_is_ours_when_it_comes_again() {
    for table in both().await {
        let first = claim("first", "10:00:00");
        table.assert_taken(&first).await;
        table.assert_taken(&first).await;
        // Even if a fact was recorded in between: the first one had taken effect before it.
        table.record(made("car-1")).await;
        table.assert_taken(&first).await;
    }
}

#[tokio::test]
async fn a_rejected_mail_is_held_for_its_address_and_taken_for_another() {
    for table in both().await {
        let entry = table.stands(KEY, Status::Rejected).await;
        table.assert_held(&claim("second", "11:00:00"), &entry).await;
        table.assert_held(&later("third"), &entry).await;
        table.assert_taken(&elsewhere(claim("fourth", "11:00:01"))).await;
    }
}

#[tokio::test]
async fn a_mail_rejected_by_its_claim_is_taken_for_another_address() {
    for table in both().await {
        let reject = Taking::Reject("address-stopped");
        let rejected = Claim { taking: reject, first_tried_at: None, ..claim("first", "10:00:00") };
        table.assert_taken(&rejected).await;
        table.assert_held(&later("second"), &claimed(&rejected)).await;
        table.assert_taken(&elsewhere(later("third"))).await;
    }
}

#[tokio::test]
async fn a_superseded_mail_is_taken_and_begins_anew() {
    for table in both().await {
        table.stands(KEY, Status::Superseded).await;
        table.assert_taken(&later("second")).await;
    }
}

#[tokio::test]
async fn a_mail_given_up_unsent_is_taken_by_a_later_opening_only() {
    for table in both().await {
        let entry = table.stands(KEY, Status::Abandoned).await;
        assert!(entry.is_unsent, "{table}");
        table.assert_held(&elsewhere(claim("second", "11:00:00")), &entry).await;
        let earlier = Claim { sequence: Sequence::START, ..claim("third", "11:00:00") };
        table.assert_held(&earlier, &entry).await;
        table.assert_taken(&later("fourth")).await;
    }
}

#[tokio::test]
async fn a_mail_given_up_in_doubt_is_held_for_every_later_opening() {
    for table in both().await {
        let doubtful = table.stands(KEY, Status::Unknown).await;
        let given_up =
            Verdict { from: &[Status::Unknown], ..verdict("first", Status::Abandoned, "11:00:00") };
        assert!(table.settles(KEY, &given_up).await.is_ours(), "{table}");
        table.assert_held(&elsewhere(later("second")), &settled(doubtful, &given_up)).await;
    }
}

#[tokio::test]
async fn the_entry_that_holds_a_mail_is_reported_even_if_the_head_has_moved() {
    for table in both().await {
        let entry = table.stands(KEY, Status::Sent).await;
        table.record(made("car-1")).await;
        table.assert_held(&claim("second", "10:00:02"), &entry).await;
    }
}

#[tokio::test]
async fn other_buyers_facts_and_other_mails_do_not_matter_to_a_claim() {
    for table in both().await {
        table.record(made("car-1")).await;
        table.assert_taken(&Claim { head: Sequence::new(1), ..claim("first", "10:00:00") }).await;
        let of_another = Claim { buyer: testkit::buyer("buyer-8"), ..claim("second", "10:00:00") };
        table.takes(&of_another).await;
        let another =
            Claim { head: Sequence::new(1), ..claim_of("accepted-email/car-1/2", "third", "10:00:00") };
        table.takes(&another).await;
        assert_eq!(another.buyer, buyer());
    }
}
