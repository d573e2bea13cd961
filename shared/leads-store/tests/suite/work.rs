//! The sweeper's work. Open work is found by kind and shard, longest due first, page by page, even beside unreadable
//! items. One sweep runs at a time, and an expired lease does not block the next one. How far the sweeper has walked
//! never moves back.

use contract::stored::shard_of;
use domain::{BuyerId, Sequence};
use leads_store::{
    Again, Behind, Held, HeldAtHead, LeadsStore as _, Lease, LedgerEntry, Open, OpenWork, Progress, Settled,
    Status, Verdict, Walked, WorkCount, WorkKind, WorkPlace, WorkShard,
};
use serde_json::json;
use testkit::at;
use testkit::engine::LEADS;
use testkit::leads::{claim, claimed, settled, verdict};

use super::{Table, both, buyer, dynamo, progress};

const KEY: &str = "quote-email";

/// `count` buyers of the same shard as `buyer-7`.
fn neighbours(count: usize) -> Vec<BuyerId> {
    let names = (0..).map(|number| testkit::buyer(&format!("neighbour-{number}")));
    names.filter(|name| shard_of(name, 4) == shard_of(&buyer(), 4)).take(count).collect()
}

impl Table {
    /// Stores an e-mail of this buyer that is in doubt and due at this time. Returns its entry.
    async fn in_doubt(&self, of: &BuyerId, due: &str) -> LedgerEntry {
        let claim = leads_store::Claim { buyer: of.clone(), ..claim(KEY, "first", "10:00:00") };
        self.must_claim(&claim).await;
        let verdict = Verdict { due: Some(at(due)), ..verdict("first", Status::Unknown, "10:00:08") };
        assert_eq!(self.settle(of, KEY, &verdict).await.unwrap(), Settled::Done, "{self}");
        settled(claimed(&claim), &verdict)
    }

    async fn mark(&self, of: &BuyerId, due: &str) {
        let (mark, reason) = ("first".to_owned(), "no time left".to_owned());
        let behind = Behind { mark, reason, attempts: 1, not_before: at(due) };
        self.mark_behind(of, &behind).await.unwrap();
    }

    /// The number of open items of a kind.
    async fn open(&self, kind: WorkKind) -> u64 {
        let mut open = 0;
        for shard in kind.shards() {
            let WorkCount { count, next } = self.count(shard, None).await.unwrap();
            assert_eq!(next, None, "{self}");
            open += count;
        }
        open
    }

    /// All items of a kind that are due by this time, read in pages of this size.
    async fn found(&self, kind: WorkKind, until: &str, limit: usize) -> Vec<Result<OpenWork, WorkPlace>> {
        let mut found = Vec::new();
        for shard in kind.shards() {
            let mut after = None;
            loop {
                let page = self.due(shard, at(until), after.as_ref(), limit).await.unwrap();
                assert!(page.items.len() <= limit, "{self}");
                found.extend(page.items);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        found
    }
}

fn shard(kind: WorkKind) -> WorkShard {
    kind.shards().find(|shard| shard.shard == shard_of(&buyer(), 4)).unwrap()
}

#[tokio::test]
async fn due_work_is_found_longest_due_first_with_any_page_size() {
    let buyers = neighbours(4);
    for table in both().await {
        let mut expected = Vec::new();
        for (buyer, due) in buyers.iter().zip(["11:00:03", "11:00:01", "11:00:02", "12:00:00"]) {
            let entry = Box::new(table.in_doubt(buyer, due).await);
            let what = Open::Email { key: KEY.to_owned(), entry };
            expected.push(OpenWork { buyer: buyer.clone(), due: at(due), what });
        }
        expected.sort_by_key(|work| work.due);
        let all: Vec<_> = expected.into_iter().map(Ok).collect();
        for limit in [1, 2, 3, 4, 100] {
            let due = async |until: &str| table.found(WorkKind::Email, until, limit).await;
            assert_eq!(due("11:00:00.999").await, [], "{table}: nothing is due yet");
            assert_eq!(due("11:00:03").await, all[..3], "{table}: pages of {limit}");
            assert_eq!(due("12:00:00").await, all, "{table}: pages of {limit}");
        }
    }
}

#[tokio::test]
async fn each_kind_of_work_is_found_and_counted_separately() {
    let held = Held { sequence: Sequence::new(1), since: at("10:00:00"), due: at("10:30:00") };
    for table in both().await {
        for kind in WorkKind::ALL {
            assert_eq!(table.open(kind).await, 0, "{table}");
        }
        // All items belong to one buyer, so their shards have the same number.
        let entry = Box::new(table.in_doubt(&buyer(), "11:00:00").await);
        let held_at_head = Some(HeldAtHead { oldest: Some(held.clone()), is_known: false });
        let moved = Progress { held: held_at_head, ..progress(0, 1) };
        table.move_cursor(&buyer(), &moved, None).await.unwrap();
        table.mark(&buyer(), "10:08:00").await;
        for name in ["ada", "bob"] {
            table.mark(&testkit::buyer(name), "23:59:59").await;
        }
        let work = |due, what| Ok(OpenWork { buyer: buyer(), due: at(due), what });
        let email = Open::Email { key: KEY.to_owned(), entry };
        assert_eq!(table.found(WorkKind::Email, "12:00:00", 9).await, [work("11:00:00", email)], "{table}");
        let behind = [work("10:08:00", Open::Behind)];
        assert_eq!(table.found(WorkKind::Behind, "12:00:00", 9).await, behind, "{table}");
        let gaps = [work("10:30:00", Open::Held(held.clone()))];
        assert_eq!(table.found(WorkKind::Held, "12:00:00", 9).await, gaps, "{table}");
        for (kind, count) in [(WorkKind::Email, 1), (WorkKind::Behind, 3), (WorkKind::Held, 1)] {
            assert_eq!(table.open(kind).await, count, "{table}: due or not");
        }
    }
}

#[tokio::test]
async fn the_next_page_misses_nothing_after_the_previous_was_settled() {
    let buyers = neighbours(7);
    for table in both().await {
        for buyer in &buyers {
            table.in_doubt(buyer, "11:00:00").await;
        }
        let (mut after, mut closed) = (None, Vec::new());
        loop {
            let page = table.due(shard(WorkKind::Email), at("11:00:00"), after.as_ref(), 3).await.unwrap();
            for work in page.items {
                let OpenWork { buyer, .. } = work.unwrap();
                let ending = verdict("first", Status::Abandoned, "11:00:01");
                assert_eq!(table.settle(&buyer, KEY, &ending).await.unwrap(), Settled::Done, "{table}");
                closed.push(buyer);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        closed.sort();
        let mut all = buyers.clone();
        all.sort();
        assert_eq!(closed, all, "{table}");
        assert_eq!(table.found(WorkKind::Email, "23:00:00", 9).await, [], "{table}: no work is left");
    }
}

#[test]
fn every_kind_of_work_has_a_name_and_four_shards() {
    assert_eq!(WorkKind::ALL.map(WorkKind::name), ["email", "behind", "held"]);
    for kind in WorkKind::ALL {
        assert_eq!(kind.shards().map(|shard| shard.shard).collect::<Vec<_>>(), [0, 1, 2, 3]);
    }
}

/// An e-mail in the shard of `buyer-7` whose status no version wrote.
fn unreadable(due: &str) -> serde_json::Value {
    let s = |text: &str| json!({ "S": text });
    let work = format!("email#{}", shard_of(&buyer(), 4));
    json!({
        "buyer": s(buyer().as_str()), "kind": s("email/quote-email"), "openWork": s(&work), "due": s(due),
        "status": s("?"),
    })
}

#[tokio::test]
async fn unreadable_work_is_returned_by_its_place_beside_other_work() {
    let table = dynamo().await;
    let Table::Dynamo { engine, .. } = &table else { panic!("{table}") };
    let other = neighbours(1).remove(0);
    table.in_doubt(&other, "11:00:00").await;
    for due in ["2026-11-23T10:00:00.000Z", "?"] {
        engine.put(LEADS, &unreadable(due));
        let place = WorkPlace {
            due: due.to_owned(),
            buyer: buyer().to_string(),
            kind: "email/quote-email".to_owned(),
        };
        // A `due` that is not a time sorts after every time.
        let page = table.due(shard(WorkKind::Email), at("12:00:00"), None, 9).await.unwrap();
        let places: Vec<_> = page.items.iter().filter_map(|item| item.as_ref().err()).collect();
        if due == "?" {
            assert_eq!(places, [&place; 0]);
        } else {
            assert_eq!((places, page.items.len()), (vec![&place], 2));
        }
    }
}

#[tokio::test]
async fn unreadable_work_is_postponed_if_it_is_unchanged() {
    let table = dynamo().await;
    let Table::Dynamo { engine, .. } = &table else { panic!("{table}") };
    engine.put(LEADS, &unreadable("2026-11-23T10:00:00.000Z"));
    let page = async |until: &str| table.due(shard(WorkKind::Email), at(until), None, 9).await.unwrap().items;
    let found = page("10:00:00").await.remove(0).unwrap_err();

    let other = WorkPlace { due: "2026-11-23T09:00:00.000Z".to_owned(), ..found.clone() };
    table.postpone(&other, at("12:00:00")).await.unwrap();
    assert_eq!(page("10:00:00").await.len(), 1, "the place has another due time");

    table.postpone(&found, at("11:00:00")).await.unwrap();
    assert_eq!(page("10:59:59").await, []);
    assert_eq!(page("11:00:00").await.len(), 1);
    let gone = WorkPlace { kind: "email/other".to_owned(), ..found };
    table.postpone(&gone, at("12:00:00")).await.unwrap();
    assert_eq!(engine.items().len(), 1, "a missing item is not created");
}

fn lease(nonce: &str, now: &str, until: &str) -> Lease {
    Lease { nonce: nonce.to_owned(), now: at(now), until: at(until) }
}

#[tokio::test]
async fn a_lease_excludes_a_second_sweep() {
    for table in both().await {
        let first = lease("first", "10:00:00", "10:15:00");
        assert_eq!(table.begin(&first).await.unwrap(), Some(None), "{table}");
        assert_eq!(table.begin(&first).await.unwrap(), Some(None), "{table}: its answer was lost");
        for now in ["10:00:00", "10:14:59", "10:15:00"] {
            let second = lease("second", now, "10:30:00");
            assert_eq!(table.begin(&second).await.unwrap(), None, "{table}: {now}");
        }
    }
}

#[tokio::test]
async fn an_expired_lease_can_be_taken_and_not_ended_by_its_old_holder() {
    for table in both().await {
        let first = lease("first", "10:00:00", "10:15:00");
        table.begin(&first).await.unwrap();
        let second = lease("second", "10:15:00.001", "10:30:00");
        assert_eq!(table.begin(&second).await.unwrap(), Some(None), "{table}");
        table.end(&first).await.unwrap();
        let third = lease("third", "10:20:00", "10:35:00");
        assert_eq!(table.begin(&third).await.unwrap(), None, "{table}: the second one has it");
    }
}

#[tokio::test]
async fn a_released_lease_is_free_at_once_and_returns_the_position() {
    for table in both().await {
        let first = lease("first", "10:00:00", "10:15:00");
        table.begin(&first).await.unwrap();
        let walked = Walked::to(at("09:58:00"));
        table.set_walked(walked).await.unwrap();
        table.end(&first).await.unwrap();
        table.end(&first).await.unwrap(); // Repeated after a lost answer.
        let second = lease("second", "10:00:01", "10:15:01");
        assert_eq!(table.begin(&second).await.unwrap(), Some(Some(walked)), "{table}");
    }
}

impl Table {
    /// How far the sweeper has walked, as the next sweep reads it.
    async fn walked(&self) -> Option<Walked> {
        let lease = Lease { nonce: "sweep".to_owned(), until: at("10:15:00"), now: at("10:00:00") };
        self.begin(&lease).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn the_sweepers_positions_move_forward_independently() {
    let walked = |through, again_at| Walked { through: at(through), ..Walked::to(at(again_at)) };
    for table in both().await {
        assert_eq!(table.walked().await, None, "{table}: before the first walk");
        for (set, known) in [
            (walked("10:00:00", "10:00:00"), walked("10:00:00", "10:00:00")),
            (walked("10:05:00", "09:00:00"), walked("10:05:00", "10:00:00")),
            (walked("09:00:00", "10:30:00"), walked("10:05:00", "10:30:00")),
            (walked("10:05:00", "10:30:00"), walked("10:05:00", "10:30:00")),
            (walked("10:05:00.5", "10:30:00.001"), walked("10:05:00.5", "10:30:00.001")),
        ] {
            table.set_walked(set).await.unwrap();
            assert_eq!(table.walked().await, Some(known), "{table}");
        }
    }
}

#[tokio::test]
async fn a_later_second_walk_replaces_an_earlier_one() {
    let again = |began, through| {
        let again = Again { began: at(began), through: at(through) };
        Walked { again, ..Walked::to(at("09:00:00")) }
    };
    for table in both().await {
        for (set, known) in [
            (again("10:00:00", "07:00:00"), again("10:00:00", "07:00:00")),
            (again("10:00:00", "08:00:00.001"), again("10:00:00", "08:00:00.001")),
            (again("10:00:00", "07:30:00"), again("10:00:00", "08:00:00.001")),
            (again("11:00:00", "06:00:00"), again("11:00:00", "06:00:00")),
            (again("10:00:00", "09:59:00"), again("11:00:00", "06:00:00")),
        ] {
            table.set_walked(set).await.unwrap();
            assert_eq!(table.walked().await, Some(known), "{table}");
        }
    }
}

#[tokio::test]
async fn a_position_of_an_older_version_has_no_second_walk() {
    let table = dynamo().await;
    let Table::Dynamo { engine, .. } = &table else { panic!("{table}") };
    let s = |text: &str| serde_json::json!({ "S": text });
    engine.put(
        LEADS,
        &serde_json::json!({
            "buyer": s("sweeper/place"), "kind": s("place"),
            "walkedThrough": s("2026-11-23T10:05:00.000Z"), "walkedAgainAt": s("2026-11-23T10:00:00.000Z"),
        }),
    );
    let known = Walked { through: at("10:05:00"), ..Walked::to(at("10:00:00")) };
    assert_eq!(table.walked().await, Some(known));
}
