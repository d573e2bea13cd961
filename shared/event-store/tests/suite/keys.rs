//! What an audit reads of all streams: every commit without its contents.

use contract::stored::Undecodable;
use domain::Sequence;
use event_store::{CommitKey, DynamoStreams, StoreError};
use serde_json::json;
use testkit::wire::{Answer, Wire};

use crate::story::{Snapshot, of_length};
use crate::streams::Streams;
use crate::table::{Table, streams_at};

/// A wire before this table that makes pages of two items, as if there were megabytes.
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

/// Every page, and what they cost together.
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
async fn every_commit_of_every_stream_is_told_once_streams_one_after_the_other() {
    let table = Table::start().await;
    let wire = in_twos(&table).await;
    let streams = Streams::Dynamo(streams_at(&table.url), table);
    let mut expected = Vec::new();
    for (name, length) in [("ada", 3), ("bob", 1), ("cem", 5)] {
        let story = of_length(name, length, Snapshot::AsThePolicySays).record(&streams).await;
        expected.extend(story.commits.iter().map(|commit| CommitKey {
            buyer: story.buyer.clone(),
            first: Sequence::new(commit.sequence),
            last: Some(Sequence::new(commit.last)),
            recorded_at: commit.recorded_at.parse().unwrap(),
            is_in_feed: commit.feed.is_some(),
        }));
    }
    let (mut found, units) = all(&streams_at(wire.url())).await.unwrap();
    assert!(wire.operations().len() > 4, "{:?}", wire.operations());
    let streams_in_turn = found.chunk_by(|one, other| one.buyer == other.buyer).count();
    assert_eq!(streams_in_turn, 3);
    found.sort_by_key(|key| key.buyer.to_string());
    assert_eq!(found, expected);
    let billed = wire.exchanges().into_iter().map(|exchange| {
        let answer = exchange.reply.unwrap().body_json();
        answer["ConsumedCapacity"]["CapacityUnits"].as_f64().unwrap()
    });
    assert!(units > 0.0 && (units - billed.sum::<f64>()).abs() < 1e-9, "{units}");
}

#[tokio::test]
async fn an_item_that_no_version_wrote_is_named() {
    let table = Table::start().await;
    table.put(&json!({ "buyer": { "S": "ada" }, "sequence": { "N": "7" }, "recordedAt": { "S": "?" } }));
    let error = streams_at(&table.url).keys(None).await.unwrap_err();
    let StoreError::Undecodable(Undecodable::Corrupt { buyer, sequence, part }) = error else {
        panic!("{error:?}");
    };
    assert_eq!((buyer.as_str(), sequence, part), ("ada", 7, "item"));
}
