//! Cursors of many buyers: one request reads a hundred of them, and unprocessed keys are read individually.

use std::collections::BTreeMap;

use domain::{BuyerId, Sequence};
use leads_store::{CURSORS_AT_ONCE, Cursor, Cursors as _};
use serde_json::{Value, json};
use testkit::wire::{Answer, Reply, Wire};

use super::{both, progress};
use crate::dynamo::{Engine, leads_at};

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
