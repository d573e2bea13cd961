//! What is left to be done, and how far the sweeper came.

use domain::{BuyerId, Sequence};
use effects::leads::{
    AddressDigest, Again, Behind, Claim, Claimed, Cursors as _, Ledger as _, LedgerEntry, Open, OpenWork,
    Status, Verdict, Walked, Work as _,
};

use super::{Table, both, buyer};
use crate::world::at;

const KEY: &str = "quote-email";

impl Table {
    /// A mail of this buyer in doubt, to be given up at that time.
    async fn in_doubt(&self, of: &BuyerId, due: &str) -> LedgerEntry {
        let claim = Claim {
            buyer: of.clone(),
            key: KEY.to_owned(),
            sequence: Sequence::new(1),
            nonce: "first".to_owned(),
            address: AddressDigest::of("ada@example.com"),
            head: Sequence::START,
            now: at("10:00:00"),
            deadline: at("10:00:30"),
            is_shadow: false,
        };
        assert_eq!(self.claim(&claim).await.unwrap(), Claimed::Ours);
        let (status, reason) = (Status::Unknown, Some("timed out".to_owned()));
        let verdict = Verdict { status, message_id: None, reason, due: Some(at(due)), now: at("10:00:08") };
        assert!(self.settle(of, KEY, "first", &verdict).await.unwrap());
        let found = self.open_work(at("23:59:59"), 9).await.unwrap();
        let entry = found.into_iter().find_map(|work| match work.what {
            Open::Email { entry, .. } if work.buyer == *of => Some(*entry),
            Open::Email { .. } | Open::Behind | Open::Held(_) => None,
        });
        entry.unwrap()
    }
}

#[tokio::test]
async fn what_is_due_is_found_and_what_was_due_first_comes_first() {
    for table in both().await {
        let buyers = ["ada", "bob", "cem", "dee"].map(testkit::buyer);
        let mut expected = Vec::new();
        for (buyer, due) in buyers.iter().zip(["11:00:03", "11:00:01", "11:00:02", "12:00:00"]) {
            let entry = Box::new(table.in_doubt(buyer, due).await);
            let what = Open::Email { key: KEY.to_owned(), entry };
            expected.push(OpenWork { buyer: buyer.clone(), due: at(due), what });
        }
        let (mark, reason) = ("first".to_owned(), "no time left".to_owned());
        let behind = Behind { mark, reason, attempts: 1, not_before: at("11:00:00") };
        table.mark_behind(&buyers[3], &behind).await.unwrap();
        expected.push(OpenWork { buyer: buyers[3].clone(), due: at("11:00:00"), what: Open::Behind });
        expected.sort_by_key(|work| work.due);

        assert_eq!(table.open_work(at("10:59:59"), 9).await.unwrap(), [], "{table}: nothing is due yet");
        assert_eq!(table.open_work(at("11:00:03"), 9).await.unwrap(), expected[..4], "{table}");
        assert_eq!(table.open_work(at("12:00:00"), 9).await.unwrap(), expected, "{table}");
    }
}

#[tokio::test]
async fn a_mail_is_given_up_as_it_was_found_and_is_work_no_more() {
    for table in both().await {
        let found = table.in_doubt(&buyer(), "11:00:00").await;
        let now = at("11:00:00");
        for other in [
            LedgerEntry { nonce: "other".to_owned(), ..found.clone() },
            LedgerEntry { status: Status::Retry, ..found.clone() },
        ] {
            let closed = table.close(&buyer(), KEY, &other, Status::Abandoned, now).await.unwrap();
            assert!(!closed, "{table}: not as it was found");
        }
        let nothing = table.close(&buyer(), "other", &found, Status::Abandoned, now).await.unwrap();
        assert!(!nothing, "{table}: nothing there");
        assert_eq!(table.contents().await.about.ledger[KEY], found, "{table}: untouched");

        assert!(table.close(&buyer(), KEY, &found, Status::Abandoned, now).await.unwrap(), "{table}");
        let closed =
            LedgerEntry { status: Status::Abandoned, due: None, since: now, first_tried_at: now, ..found };
        let contents = table.contents().await;
        assert_eq!(contents.about.ledger[KEY], closed, "{table}");
        assert_eq!(contents.open_work, Vec::<String>::new(), "{table}");
    }
}

#[tokio::test]
async fn each_of_the_sweeper_s_places_goes_forward_on_its_own_and_never_back() {
    let walked = |through, again_at| Walked { through: at(through), ..Walked::to(at(again_at)) };
    for table in both().await {
        assert_eq!(table.walked().await.unwrap(), None, "{table}: not before the first walk");
        for (told, known) in [
            (walked("10:00:00", "10:00:00"), walked("10:00:00", "10:00:00")),
            (walked("10:05:00", "09:00:00"), walked("10:05:00", "10:00:00")),
            (walked("09:00:00", "10:30:00"), walked("10:05:00", "10:30:00")),
            (walked("10:05:00", "10:30:00"), walked("10:05:00", "10:30:00")),
            (walked("10:05:00.5", "10:30:00.001"), walked("10:05:00.5", "10:30:00.001")),
        ] {
            table.set_walked(told).await.unwrap();
            assert_eq!(table.walked().await.unwrap(), Some(known), "{table}");
        }
    }
}

#[tokio::test]
async fn a_second_walk_goes_forward_and_a_later_one_begins_anew_further_back() {
    let again = |began, through| {
        let again = Again { began: at(began), through: at(through) };
        Walked { again, ..Walked::to(at("09:00:00")) }
    };
    for table in both().await {
        for (told, known) in [
            (again("10:00:00", "07:00:00"), again("10:00:00", "07:00:00")),
            (again("10:00:00", "08:00:00.001"), again("10:00:00", "08:00:00.001")),
            (again("10:00:00", "07:30:00"), again("10:00:00", "08:00:00.001")),
            (again("11:00:00", "06:00:00"), again("11:00:00", "06:00:00")),
            (again("10:00:00", "09:59:00"), again("11:00:00", "06:00:00")),
        ] {
            table.set_walked(told).await.unwrap();
            assert_eq!(table.walked().await.unwrap(), Some(known), "{table}");
        }
    }
}

#[tokio::test]
async fn a_place_that_an_older_version_left_has_no_second_walk_under_way() {
    let table = super::dynamo().await;
    let Table::Dynamo { engine, .. } = &table else { panic!("{table}") };
    let s = |text: &str| serde_json::json!({ "S": text });
    engine.laying()(&serde_json::json!({
        "buyer": s("sweeper/place"), "kind": s("place"),
        "walkedThrough": s("2026-11-23T10:05:00.000Z"), "walkedAgainAt": s("2026-11-23T10:00:00.000Z"),
    }));
    let known = Walked { through: at("10:05:00"), ..Walked::to(at("10:00:00")) };
    assert_eq!(table.walked().await.unwrap(), Some(known));
}
