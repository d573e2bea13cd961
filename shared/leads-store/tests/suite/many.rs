//! More than one request carries: a progress that exceeds one transaction is written in several, and the cursor moves
//! with the last one. One request reads the cursors of a hundred buyers, and unprocessed keys are read individually.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::{BuyerId, CloseReason, LeadId, OfferVersion, Sequence};
use leads_store::{
    Behind, CURSORS_AT_ONCE, Closing, Cursor, Held, HeldAtHead, LeadChange, LeadsStore as _, Moved, Outcome,
    Progress,
};
use serde_json::{Value, json};
use testkit::wire::{Answer, Reply, Wire};
use testkit::{at, offer};

use super::{Table, both, buyer, dynamo, progress};
use testkit::engine::{Engine, leads_at};

/// A progress that closes `count` leads.
fn closing(progress: Progress, count: usize) -> Progress {
    let closed = Closing { reason: CloseReason::Erased, at: at("10:00:01") };
    let change = LeadChange { opened: None, closed: Some(closed) };
    let lead =
        |at: usize| LeadId::High { offer: offer(&format!("car-{at}")), accepted_at: OfferVersion::FIRST };
    Progress { leads: (0..count).map(|at| (lead(at), change.clone())).collect(), ..progress }
}

/// The place of the cursor, and the number of stored leads.
async fn written(table: &Table) -> (u64, usize) {
    let about = table.contents().await.about;
    (about.cursor.through.get(), about.leads.len())
}

fn mark(name: &str) -> Behind {
    let (mark, reason) = (name.to_owned(), "test".to_owned());
    Behind { mark, reason, attempts: 1, not_before: at("10:08:00") }
}

#[tokio::test]
async fn the_cursor_moves_with_any_number_of_items() {
    for count in [97, 98, 99, 100, 197, 198, 199, 600] {
        for table in both().await {
            let oldest = Held { sequence: Sequence::new(1), since: at("10:00:01"), due: at("10:00:02") };
            let outcomes = BTreeMap::from([("quote/car-1".to_owned(), Outcome::Superseded)]);
            let all = Progress {
                settled: [(Sequence::new(1), outcomes)].into(),
                held: Some(HeldAtHead { oldest: Some(oldest.clone()), is_known: false }),
                ..closing(progress(0, 1), count)
            };
            assert_eq!(
                table.move_cursor(&buyer(), &all, None).await.unwrap(),
                Moved::Done,
                "{table}: {count}"
            );
            let about = table.contents().await.about;
            assert_eq!((about.cursor.through, about.leads.len()), (Sequence::new(1), count), "{table}");
            assert_eq!((about.settled, about.held), (all.settled, Some(oldest)), "{table}: {count}");
        }
    }
}

#[tokio::test]
async fn many_items_are_written_from_any_cursor_with_or_without_a_mark() {
    for table in both().await {
        table.mark_behind(&buyer(), &mark("first")).await.unwrap();
        let all = closing(progress(0, 1), 150);
        assert_eq!(table.move_cursor(&buyer(), &all, Some("first")).await.unwrap(), Moved::Done, "{table}");
        assert_eq!(written(&table).await, (1, 150), "{table}");
        assert_eq!(table.cursor(&buyer()).await.unwrap().behind, None, "{table}");

        table.mark_behind(&buyer(), &mark("newer")).await.unwrap();
        let all = closing(progress(1, 2), 160);
        assert_eq!(table.move_cursor(&buyer(), &all, Some("first")).await.unwrap(), Moved::Done, "{table}");
        assert_eq!(written(&table).await, (2, 160), "{table}");
        let behind = table.cursor(&buyer()).await.unwrap().behind;
        assert_eq!(behind, Some(mark("newer")), "{table}: a newer mark stays");
    }
}

#[tokio::test]
async fn many_items_are_not_written_if_the_cursor_has_moved() {
    // A cursor never moves back to 0 in practice. It is refused all the same.
    for (from, moved_to) in [(0, 1), (1, 2), (1, 3), (1, 4), (1, 0)] {
        let table = dynamo().await;
        table.move_cursor(&buyer(), &progress(0, moved_to), None).await.unwrap();
        let late = table.move_cursor(&buyer(), &closing(progress(from, 3), 150), None).await;
        if moved_to < 3 {
            let source = late.unwrap_err().source.to_string();
            assert_eq!(source, "another worker moved the cursor in the meantime", "{from} {moved_to}");
        } else {
            assert_eq!(late.unwrap(), Moved::Overtaken, "{from} {moved_to}");
        }
        assert_eq!(written(&table).await, (moved_to, 0), "{from} {moved_to}");
    }
}

#[tokio::test]
async fn a_worker_overtaken_between_transactions_repeats_its_progress() {
    for (from, mark) in [(0, None), (1, None), (1, Some("first"))] {
        let engine = Engine::start().await;
        let (direct, url) = (leads_at(&engine.url), engine.url.clone());
        if from > 0 {
            direct.move_cursor(&buyer(), &progress(0, from), None).await.unwrap();
        }
        let requests = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&requests);
        let put = engine.putting();
        let wire = Wire::start(move |_| {
            if count.fetch_add(1, Ordering::SeqCst) == 1 {
                put(&json!({
                    "buyer": { "S": "buyer-7" }, "kind": { "S": "cursor" }, "through": { "N": "2" }, "mark": { "S": "first" },
                }));
            }
            Answer::Forward(url.clone())
        })
        .await;
        let leads = leads_at(wire.url());
        let late = leads.move_cursor(&buyer(), &closing(progress(from, 3), 150), mark).await;
        let source = late.unwrap_err().source.to_string();
        assert_eq!(source, "another worker moved the cursor in the meantime", "from {from}");
        assert_eq!(direct.cursor(&buyer()).await.unwrap().through, Sequence::new(2), "from {from}");
        let repeated = leads.move_cursor(&buyer(), &closing(progress(2, 3), 150), None).await;
        assert_eq!(repeated.unwrap(), Moved::Done, "from {from}");
        assert_eq!(direct.about(&buyer()).await.unwrap().leads.len(), 150, "from {from}");
    }
}

fn buyers(count: usize) -> Vec<BuyerId> {
    (1..=count).map(|number| testkit::buyer(&format!("buyer-{number}"))).collect()
}

fn cursor(through: u64) -> Cursor {
    Cursor { through: Sequence::new(through), ..Cursor::default() }
}

#[tokio::test]
async fn a_hundred_cursors_are_read_at_once_and_missing_ones_are_at_0() {
    let buyers = buyers(CURSORS_AT_ONCE);
    for table in both().await {
        let mut expected = BTreeMap::new();
        for (buyer, through) in buyers.iter().zip(0..) {
            // Every other buyer is unknown.
            let through = if through % 2 == 0 { 0 } else { through };
            if through > 0 {
                table.move_cursor(buyer, &progress(0, through), None).await.unwrap();
            }
            expected.insert(buyer.clone(), cursor(through));
        }
        assert_eq!(table.cursors(&buyers).await.unwrap(), expected, "{table}");
        assert_eq!(table.cursors(&[]).await.unwrap(), BTreeMap::new(), "{table}");
    }
}

#[tokio::test]
async fn many_cursors_take_one_consistent_request_and_none_takes_none() {
    let engine = Engine::start().await;
    let url = engine.url.clone();
    let wire = Wire::start(move |_| Answer::Forward(url.clone())).await;
    let leads = leads_at(wire.url());
    leads.cursors(&[]).await.unwrap();
    assert_eq!(wire.operations(), [""; 0]);
    leads.cursors(&buyers(CURSORS_AT_ONCE)).await.unwrap();
    assert_eq!(wire.operations(), ["BatchGetItem"]);
    let request = wire.exchanges()[0].request.json();
    let requested = request["RequestItems"].as_object().unwrap().values().next().unwrap().clone();
    assert_eq!(requested["ConsistentRead"], json!(true));
    assert_eq!(requested["Keys"].as_array().unwrap().len(), CURSORS_AT_ONCE);
}

/// An answer for the first requested key that leaves the others unprocessed, as under throttling.
fn answers_the_first(request: &Value) -> Value {
    let (table, requested) = request["RequestItems"].as_object().unwrap().iter().next().unwrap();
    let (first, rest) = requested["Keys"].as_array().unwrap().split_first().unwrap();
    let mut item = first.clone();
    item["through"] = json!({ "N": "9" });
    json!({
        "Responses": { table: [item] },
        "UnprocessedKeys": { table: { "Keys": rest, "ConsistentRead": true } },
    })
}

#[tokio::test]
async fn cursors_left_unprocessed_are_read_one_by_one() {
    let engine = Engine::start().await;
    let direct = leads_at(&engine.url);
    let [ada, bob, cem] = ["ada", "bob", "cem"].map(testkit::buyer);
    direct.move_cursor(&bob, &progress(0, 4), None).await.unwrap();
    let url = engine.url.clone();
    let wire = Wire::start(move |request| match request.operation() {
        "BatchGetItem" => Answer::Reply(Reply::json(200, &answers_the_first(&request.json()))),
        _ => Answer::Forward(url.clone()),
    })
    .await;
    let found = leads_at(wire.url()).cursors(&[ada.clone(), bob.clone(), cem.clone()]).await.unwrap();
    assert_eq!(found, BTreeMap::from([(ada, cursor(9)), (bob, cursor(4)), (cem, cursor(0))]));
    assert_eq!(wire.operations(), ["BatchGetItem", "GetItem", "GetItem"]);
}

#[tokio::test]
async fn a_failed_read_of_an_unprocessed_cursor_fails_the_batch() {
    let wire = Wire::start(|request| match request.operation() {
        "BatchGetItem" => Answer::Reply(Reply::json(200, &answers_the_first(&request.json()))),
        _ => Answer::Reply(Reply::error(400, "AccessDeniedException")),
    })
    .await;
    let error = leads_at(wire.url()).cursors(&buyers(2)).await.unwrap_err();
    assert_eq!((error.operation, error.buyer.as_str()), ("GetItem", "buyer-2"));
}
