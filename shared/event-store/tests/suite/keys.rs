//! Reads for audits: the keys of all commits, without their contents.

use contract::stored::Undecodable;
use domain::Sequence;
use event_store::{CommitKey, DynamoStreams, StoreError};
use serde_json::json;
use testkit::wire::{Answer, Wire};

use crate::story::{Snapshot, of_length};
use crate::streams::Streams;
use crate::table::{Table, streams_at};

/// A wire in front of this table that limits pages to two items, as if the items filled megabytes.
async fn in_twos(table: &Table) -> Wire {
    let url = table.url.clone();
    Wire::start(move |request| {
        let mut body = request.json();
        body["Limit"] = json!(2);
        request.body = body.to_string().into_bytes();
        Answer::Forward(url.clone())
    })
    .await
}

/// The keys of all pages and their total cost in read units.
async fn all(streams: &DynamoStreams) -> Result<(Vec<CommitKey>, f64), StoreError> {
    let (mut keys, mut units, mut from) = (Vec::new(), 0.0, None);
    loop {
        let page = streams.keys(from).await?;
        keys.extend(page.keys);
        units += page.read_units;
        from = page.next;
        if from.is_none() {
            return Ok((keys, units));
        }
    }
}

#[tokio::test]
async fn a_scan_of_all_streams_returns_every_commit_once() {
    let table = Table::start().await;
    let wire = in_twos(&table).await;
    let streams = Streams::Dynamo(streams_at(&table.url), table);
    let mut expected = Vec::new();
    for (name, length) in [("ada", 3), ("bob", 1), ("cem", 5)] {
        let story = of_length(name, length, Snapshot::ByPolicy).record(&streams).await;
        expected.extend(story.commits.iter().map(|commit| CommitKey {
            buyer: story.buyer.clone(),
            first: Sequence::new(commit.sequence),
            last: Sequence::new(commit.last),
            recorded_at: commit.recorded_at.parse().unwrap(),
            is_in_feed: commit.feed.is_some(),
        }));
    }
    let (mut found, units) = all(&streams_at(wire.url())).await.unwrap();
    assert!(wire.operations().len() > 4, "{:?}", wire.operations());
    found.sort_by_key(|key| (key.buyer.to_string(), key.first));
    assert_eq!(found, expected);
    let billed = wire.exchanges().into_iter().map(|exchange| {
        let answer = exchange.reply.unwrap().body_json();
        answer["ConsumedCapacity"]["CapacityUnits"].as_f64().unwrap()
    });
    assert!(units > 0.0 && (units - billed.sum::<f64>()).abs() < 1e-9, "{units}");
}

#[tokio::test]
async fn a_range_of_one_stream_is_read_completely_and_consistently() {
    let table = Table::start().await;
    let wire = in_twos(&table).await;
    let streams = Streams::Dynamo(streams_at(&table.url), table);
    for name in ["ada", "bob"] {
        of_length(name, 12, Snapshot::ByPolicy).record(&streams).await;
    }
    let (from, to) = (Sequence::new(3), Sequence::new(9));
    let part = streams_at(wire.url()).keys_within(&testkit::buyer("ada"), from, to).await.unwrap();
    let keys: Vec<(&str, u64)> = part.keys.iter().map(|key| (key.buyer.as_str(), key.first.get())).collect();
    assert_eq!(keys, (3..=9).map(|first| ("ada", first)).collect::<Vec<_>>());
    assert!(wire.operations().len() > 3, "{:?}", wire.operations());
    let is_consistent = |request: &serde_json::Value| request["ConsistentRead"] == true;
    assert!(wire.exchanges().iter().all(|exchange| is_consistent(&exchange.request.json())));
    let billed = wire.exchanges().into_iter().map(|exchange| {
        let answer = exchange.reply.unwrap().body_json();
        answer["ConsumedCapacity"]["CapacityUnits"].as_f64().unwrap()
    });
    assert!(part.read_units > 0.0 && (part.read_units - billed.sum::<f64>()).abs() < 1e-9);
}

#[tokio::test]
async fn errors_name_the_item_that_no_version_wrote() {
    let (number, time) = (json!({ "N": "7" }), json!({ "S": "2026-11-23T10:00:00Z" }));
    let (word, missing) = (json!({ "S": "?" }), json!({ "NULL": true }));
    for (last, recorded_at) in [(&number, &word), (&word, &time), (&missing, &time)] {
        let table = Table::start().await;
        table.put(&json!({
            "buyer": { "S": "ada" }, "sequence": number, "last": last, "recordedAt": recorded_at,
        }));
        let streams = streams_at(&table.url);
        let (from, to) = (Sequence::new(1), Sequence::new(9));
        assert_named(&streams.keys(None).await.unwrap_err());
        assert_named(&streams.keys_within(&testkit::buyer("ada"), from, to).await.unwrap_err());
    }
}

#[track_caller]
fn assert_named(error: &StoreError) {
    let StoreError::Undecodable(Undecodable::Corrupt { buyer, sequence, part }) = error else {
        panic!("{error:?}");
    };
    assert_eq!((buyer.as_str(), *sequence, *part), ("ada", 7, "item"));
}
