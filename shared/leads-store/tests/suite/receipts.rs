//! Receipts: the ledger only moves forward, whatever the order of the receipts.

use contract::receipt::{Kind, Receipt};
use jiff::Timestamp;
use leads_store::{
    AddressDigest, Claim, LeadsStore as _, LedgerEntry, ReceiptOutcome, ReceiptRecord, Receipts as _,
    Settled, Status, Verdict,
};
use testkit::at;
use testkit::leads::{ADA, claim, verdict};

use super::{Table, both, buyer, dynamo, memory};

const KEY: &str = "quote-email";

fn receipt(kind: Kind) -> Receipt {
    Receipt {
        buyer: buyer(),
        effect: KEY.to_owned(),
        nonce: "first".to_owned(),
        kind,
        message_id: "ses-1".to_owned(),
    }
}

fn bounced(time: &str) -> Kind {
    Kind::Bounced { at: at(time), is_permanent: true }
}

fn every_kind() -> [Kind; 9] {
    [
        Kind::Sent,
        Kind::Delivered,
        bounced("10:20:00"),
        Kind::Bounced { at: at("10:10:00"), is_permanent: false },
        Kind::Complained { at: at("10:30:00") },
        Kind::NotSpam,
        Kind::Rejected,
        Kind::NotRendered,
        Kind::Delayed,
    ]
}

impl Table {
    /// Brings the first attempt to this status.
    async fn with(&self, status: Status) -> &Self {
        self.must_claim(&claim(KEY, "first", "10:00:00")).await;
        if status != Status::Sending {
            let verdict = Verdict { message_id: None, reason: None, ..verdict("first", status, "10:00:01") };
            assert_eq!(self.settles(KEY, &verdict).await, Settled::Done);
        }
        self
    }

    async fn apply(&self, kind: Kind) -> ReceiptOutcome {
        self.apply_receipt(&receipt(kind), at("10:40:00")).await.unwrap()
    }

    async fn mail(&self) -> LedgerEntry {
        self.contents().await.about.ledger.remove(KEY).unwrap()
    }

    async fn stops_ada(&self) -> bool {
        let stopped = self.cursor(&buyer()).await.unwrap().stopped;
        assert!(stopped.len() <= 1, "{self}: no other address is stopped");
        stopped.contains(&AddressDigest::of(ADA))
    }
}

#[tokio::test]
async fn a_receipt_settles_every_unsettled_e_mail() {
    let open = [Status::Sending, Status::Unknown, Status::Abandoned, Status::Retry, Status::Superseded];
    for status in open {
        for kind in every_kind() {
            for table in both().await {
                let before = table.with(status).await.mail().await;
                let expected = match kind {
                    Kind::Delayed => None,
                    Kind::Rejected | Kind::NotRendered => Some(Status::Rejected),
                    Kind::Sent
                    | Kind::Delivered
                    | Kind::NotSpam
                    | Kind::Bounced { .. }
                    | Kind::Complained { .. } => Some(Status::Sent),
                };
                let outcome =
                    if expected.is_some() { ReceiptOutcome::Settled } else { ReceiptOutcome::Known };
                assert_eq!(table.apply(kind).await, outcome, "{table}: {kind:?} after {status:?}");
                let mail = table.mail().await;
                assert_eq!(mail.status, expected.unwrap_or(status), "{table}: {kind:?}");
                if let Some(expected) = expected {
                    let reason = (expected == Status::Rejected).then(|| kind.name().to_owned());
                    assert_eq!(
                        (mail.due, mail.reason, mail.since),
                        (None, reason, at("10:40:00")),
                        "{table}"
                    );
                    assert_eq!(mail.message_id.as_deref(), Some("ses-1"), "{table}");
                    assert!(!mail.is_unsent, "{table}: SES accepted it");
                    assert_eq!(table.contents().await.open_work, Vec::<String>::new(), "{table}");
                } else {
                    assert_eq!(mail, before, "{table}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_repeated_receipt_changes_nothing() {
    for kind in every_kind() {
        for table in both().await {
            table.with(Status::Unknown).await.apply(kind).await;
            let mail = table.mail().await;
            let again = table.apply_receipt(&receipt(kind), at("11:40:00")).await.unwrap();
            assert_eq!((again, table.mail().await), (ReceiptOutcome::Known, mail), "{table}: {kind:?}");
        }
    }
}

#[test]
fn names_of_receipt_outcomes_are_fixed() {
    let all = [
        ReceiptOutcome::Settled,
        ReceiptOutcome::Known,
        ReceiptOutcome::OtherAttempt,
        ReceiptOutcome::NoSuchEmail,
    ];
    assert_eq!(all.map(ReceiptOutcome::name), ["settled", "known", "other-attempt", "no-such-email"]);
}

/// The entry without its times, which depend on the order of receipts.
fn without_moments(mail: LedgerEntry) -> LedgerEntry {
    LedgerEntry { since: Timestamp::UNIX_EPOCH, first_tried_at: None, ..mail }
}

/// Collects all permutations of these receipts, by Heap's algorithm.
fn orders(kinds: &mut [Kind], of: usize, found: &mut Vec<Vec<Kind>>) {
    if of <= 1 {
        found.push(kinds.to_vec());
        return;
    }
    for index in 0..of {
        orders(kinds, of - 1, found);
        kinds.swap(if of.is_multiple_of(2) { index } else { 0 }, of - 1);
    }
}

#[tokio::test]
async fn receipts_end_in_the_same_entry_in_every_order() {
    let mut found = Vec::new();
    let mut kinds = [
        Kind::Sent,
        bounced("10:20:00"),
        bounced("10:15:00"),
        Kind::Complained { at: at("10:30:00") },
        Kind::Rejected,
        Kind::Delayed,
    ];
    orders(&mut kinds, 6, &mut found);
    assert_eq!(found.len(), 720);
    let mut ends = Vec::new();
    for order in &found {
        let table = memory();
        table.with(Status::Unknown).await;
        for (index, kind) in order.iter().enumerate() {
            table.apply(*kind).await;
            // Some receipts are repeated.
            table.apply(order[index / 2]).await;
        }
        assert!(table.stops_ada().await, "{order:?}");
        ends.push(without_moments(table.mail().await));
    }
    assert!(ends.iter().all(|end| *end == ends[0]), "{ends:?}");
    let record = ReceiptRecord {
        bounced_at: Some(at("10:15:00")),
        passing_bounce_at: None,
        complained_at: Some(at("10:30:00")),
    };
    assert_eq!((ends[0].status, ends[0].receipts.clone()), (Status::Rejected, record));
}

#[tokio::test]
async fn memory_and_dynamodb_agree_on_any_two_receipts() {
    for first in every_kind() {
        for second in every_kind() {
            let [in_memory, in_dynamodb] = both().await;
            for table in [&in_memory, &in_dynamodb] {
                table.with(Status::Unknown).await;
                table.apply(first).await;
                table.apply(second).await;
                assert_eq!(
                    table.apply(second).await,
                    ReceiptOutcome::Known,
                    "{table}: {first:?}, {second:?}"
                );
            }
            assert_eq!(
                in_memory.contents().await,
                in_dynamodb.contents().await,
                "{first:?}, then {second:?}"
            );

            let at_once = dynamo().await;
            at_once.with(Status::Unknown).await;
            futures::join!(at_once.apply(first), at_once.apply(second));
            let (after, before) = (at_once.mail().await, in_memory.mail().await);
            let is_either = |reason: &Option<String>| {
                [first, second].iter().any(|kind| reason.as_deref() == Some(kind.name()))
            };
            assert!(after.reason == before.reason || is_either(&after.reason), "{first:?} with {second:?}");
            let plain = |mail: LedgerEntry| LedgerEntry { reason: None, ..without_moments(mail) };
            assert_eq!(plain(after), plain(before), "{first:?} with {second:?}");
        }
    }
}

#[tokio::test]
async fn only_permanent_bounces_and_complaints_stop_the_address() {
    for kind in every_kind() {
        for status in [Status::Unknown, Status::Sent] {
            for table in both().await {
                table.with(status).await.apply(kind).await;
                let stops =
                    matches!(kind, Kind::Bounced { is_permanent: true, .. } | Kind::Complained { .. });
                assert_eq!(table.stops_ada().await, stops, "{table}: {kind:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_bounce_of_a_rejected_e_mail_shows_that_ses_accepted_it() {
    for table in both().await {
        assert!(table.with(Status::Rejected).await.mail().await.is_unsent, "{table}");
        assert_eq!(table.apply(bounced("10:20:00")).await, ReceiptOutcome::Settled, "{table}");
        let mail = table.mail().await;
        assert_eq!((mail.status, mail.is_unsent), (Status::Rejected, false), "{table}");
    }
}

#[tokio::test]
async fn receipts_of_other_and_unknown_attempts_change_nothing() {
    for table in both().await {
        table.with(Status::Unknown).await;
        let before = table.contents().await;
        let other = |change: fn(&mut Receipt)| {
            let mut receipt = receipt(bounced("10:20:00"));
            change(&mut receipt);
            receipt
        };
        for (forged, outcome) in [
            (other(|receipt| receipt.nonce = "another".to_owned()), ReceiptOutcome::OtherAttempt),
            (
                other(|receipt| receipt.effect = "accepted-email/car-1/2".to_owned()),
                ReceiptOutcome::NoSuchEmail,
            ),
            (other(|receipt| receipt.buyer = testkit::buyer("buyer-8")), ReceiptOutcome::NoSuchEmail),
        ] {
            assert_eq!(table.apply_receipt(&forged, at("10:40:00")).await.unwrap(), outcome, "{table}");
            assert_eq!(table.contents().await, before, "{table}");
        }
    }
}

#[tokio::test]
async fn a_late_worker_cannot_change_an_e_mail_settled_by_a_receipt() {
    for table in both().await {
        table.with(Status::Sending).await.apply(Kind::Delivered).await;
        let unknown = verdict("first", Status::Unknown, "10:41:00");
        assert_eq!(table.settles(KEY, &unknown).await, Settled::Changed, "{table}");
        assert_eq!(table.mail().await.status, Status::Sent, "{table}");
    }
}

#[tokio::test]
async fn receipts_of_one_attempt_are_not_kept_for_the_next() {
    for table in both().await {
        table.with(Status::Unknown).await;
        table.apply(Kind::Rejected).await;
        table.apply(bounced("10:20:00")).await;
        assert_eq!(table.mail().await.status, Status::Rejected, "{table}");
        let address = AddressDigest::of("eve@example.com");
        table.must_claim(&Claim { address, ..claim(KEY, "second", "10:50:00") }).await;
        let mail = table.mail().await;
        assert_eq!(
            (mail.status, mail.receipts, mail.message_id),
            (Status::Sending, ReceiptRecord::default(), None),
            "{table}"
        );
        assert_eq!(table.apply(Kind::Delivered).await, ReceiptOutcome::OtherAttempt, "{table}");
    }
}
