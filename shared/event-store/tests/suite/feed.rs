//! The index `feed`: the commits recorded between two moments, and slices that miss none of them. Reads for audits: the
//! keys of all commits, without their contents.

use std::cell::RefCell;
use std::collections::BTreeSet;

use contract::stored::{StoredCommit, Undecodable, shard_of};
use domain::Sequence;
use event_store::{
    CommitKey, DynamoStreams, EventStore as _, Feed, FeedEntry, FeedPartition, MemoryStreams, Slice,
    StoreError, slice,
};
use jiff::Timestamp;
use serde_json::json;
use testkit::hooks::{BeforeEach, Call};
use testkit::wire::{Answer, Wire};
use testkit::{Hooked, buyer};

use crate::streams::{Snapshot, Streams, Table, endless, of_length, streams_at};

/// A moment within the hour that most tests use.
fn at(time: &str) -> Timestamp {
    format!("2026-11-23T10:{time}Z").parse().unwrap()
}

/// A commit of this buyer, recorded at this moment.
fn commit(name: &str, recorded_at: Timestamp) -> StoredCommit {
    let mut commit = of_length(name, 1, Snapshot::Never).commits.remove(0);
    commit.recorded_at = contract::stored::written(recorded_at);
    commit.feed = Some(FeedPartition::of(&buyer(name), recorded_at).key().to_owned());
    commit
}

fn entry(name: &str, recorded_at: Timestamp) -> FeedEntry {
    FeedEntry { buyer: buyer(name), sequence: Sequence::new(1), recorded_at }
}

/// The names of `count` buyers of one shard.
fn neighbours(count: usize) -> Vec<String> {
    let shard = |name: &String| FeedPartition::of(&buyer(name), at("00:00"));
    let first = shard(&"buyer-0".to_owned());
    (0..).map(|number| format!("buyer-{number}")).filter(|name| shard(name) == first).take(count).collect()
}

/// Runs a rule against memory and against DynamoDB, each with these commits.
async fn in_both(commits: &[StoredCommit], rule: impl AsyncFn(&dyn AnyFeed)) {
    let memory = MemoryStreams::default();
    for commit in commits {
        memory.append(commit).await.unwrap();
    }
    rule(&memory).await;
    let table = Table::start().await;
    table.lay(commits);
    rule(&streams_at(&table.url)).await;
}

/// A feed of either kind, behind an object-safe trait.
trait AnyFeed {
    fn entries<'a>(
        &'a self,
        partition: &'a FeedPartition,
        after: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> std::pin::Pin<Box<dyn Future<Output = Vec<FeedEntry>> + 'a>>;
}

impl<F: Feed> AnyFeed for F {
    fn entries<'a>(
        &'a self,
        partition: &'a FeedPartition,
        after: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> std::pin::Pin<Box<dyn Future<Output = Vec<FeedEntry>> + 'a>> {
        Box::pin(async move { self.recorded(partition, after, until, limit).await.unwrap() })
    }
}

#[tokio::test]
async fn entries_between_two_moments_are_returned_oldest_first() {
    let names = neighbours(5);
    let times = ["00:00.003", "00:00.001", "00:00.002", "00:00.004"];
    let mut commits: Vec<StoredCommit> =
        names.iter().zip(times).map(|(name, time)| commit(name, at(time))).collect();
    let mut without_effects = commit("without-effects", at("00:00.002"));
    without_effects.feed = None;
    commits.push(without_effects);
    let next_hour: Timestamp = "2026-11-23T11:00:00Z".parse().unwrap();
    commits.push(commit(&names[4], next_hour));
    let partition = FeedPartition::of(&buyer(&names[0]), at("00:00"));
    let found = |places: &[usize]| -> Vec<FeedEntry> {
        places.iter().map(|place| entry(&names[*place], at(times[*place]))).collect()
    };
    in_both(&commits, async |feed: &dyn AnyFeed| {
        let entries = async |after, until, limit| feed.entries(&partition, at(after), at(until), limit).await;
        assert_eq!(entries("00:00.000", "59:59.999", 9).await, found(&[1, 2, 0, 3]));
        assert_eq!(entries("00:00.001", "00:00.003", 9).await, found(&[2, 0]));
        assert_eq!(entries("00:00.000", "59:59.999", 2).await, found(&[1, 2]), "the limit is respected");
        assert_eq!(entries("00:00.004", "59:59.999", 9).await, []);
        let other =
            FeedPartition::of_hour(at("00:00")).into_iter().find(|other| *other != partition).unwrap();
        assert_eq!(feed.entries(&other, at("00:00"), at("59:59.999"), 9).await, []);
    })
    .await;
}

#[tokio::test]
async fn pages_are_read_until_the_limit_is_reached() {
    let names = neighbours(7);
    let table = Table::start().await;
    let time = |place: usize| at(&format!("00:0{place}"));
    let commits: Vec<StoredCommit> =
        names.iter().enumerate().map(|(place, name)| commit(name, time(place))).collect();
    table.lay(&commits);
    let partition = FeedPartition::of(&buyer(&names[0]), at("00:00"));
    for (limit, requested) in [(5, vec![5, 3, 1]), (6, vec![6, 4, 2]), (9, vec![9, 7, 5, 3])] {
        let url = table.url.clone();
        // Each page holds at most two entries, whatever limit is requested.
        let wire = Wire::start(move |request| {
            let mut body = request.json();
            body["Limit"] = json!(body["Limit"].as_u64().unwrap().min(2));
            request.body = body.to_string().into_bytes();
            Answer::Forward(url.clone())
        })
        .await;
        let streams: DynamoStreams = streams_at(wire.url());
        let before = "2026-11-23T09:59:59.999Z".parse().unwrap();
        let found = streams.recorded(&partition, before, at("59:59.999"), limit).await.unwrap();
        let expected: Vec<FeedEntry> =
            names.iter().enumerate().map(|(place, name)| entry(name, time(place))).take(limit).collect();
        assert_eq!(found, expected);
        let limits =
            wire.exchanges().iter().map(|one| one.request.json()["Limit"].as_u64().unwrap()).collect();
        let limits: Vec<u64> = limits;
        assert_eq!(limits, requested, "{limit}");
    }
}

#[test]
fn an_hour_has_eight_partitions_named_by_hour_and_shard() {
    let hour = FeedPartition::of_hour(at("59:59.999"));
    let keys: Vec<&str> = hour.iter().map(FeedPartition::key).collect();
    assert_eq!(keys, (0..8).map(|shard| format!("2026-11-23T10#{shard}")).collect::<Vec<_>>());
    assert!(hour.contains(&FeedPartition::of(&buyer("ada"), at("00:00"))));
    let next: Timestamp = "2026-11-23T11:00:00Z".parse().unwrap();
    for time in ["00:00", "00:00.001", "59:59.999"] {
        assert_eq!(FeedPartition::next_hour(at(time)), next);
    }
    assert_eq!(FeedPartition::next_hour(Timestamp::UNIX_EPOCH), Timestamp::from_second(3600).unwrap());
    let before: Timestamp = "1969-12-31T23:59:59Z".parse().unwrap();
    assert_eq!(FeedPartition::next_hour(before), Timestamp::UNIX_EPOCH);
}

#[test]
fn buyers_are_spread_over_exactly_the_given_shards() {
    let shards = |count| -> BTreeSet<u8> {
        (0..200).map(|number| shard_of(&buyer(&format!("buyer-{number}")), count)).collect()
    };
    for count in [1, 4, 8] {
        assert_eq!(shards(count), (0..count).collect(), "{count}");
    }
    assert_eq!(shards(0), BTreeSet::from([0]));
}

#[test]
fn only_a_commit_in_the_index_has_an_entry() {
    let mut commit = commit("ada", at("00:07"));
    assert_eq!(FeedEntry::of(&commit), Some(entry("ada", at("00:07"))));
    commit.feed = None;
    assert_eq!(FeedEntry::of(&commit), None);
}

/// A feed of these commits.
struct Recorded(MemoryStreams);

async fn recorded(commits: &[StoredCommit]) -> Recorded {
    let memory = MemoryStreams::default();
    for commit in commits {
        memory.append(commit).await.unwrap();
    }
    Recorded(memory)
}

impl Recorded {
    /// The times of the entries in the slice, the end of the slice, and the requested limits.
    async fn slice(
        &self,
        after: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> (Vec<Timestamp>, Timestamp, Vec<usize>) {
        let limits = RefCell::new(BTreeSet::new());
        let noted = BeforeEach("recorded", async |call: &Call<'_>| limits.borrow_mut().extend(call.limit));
        let feed = Hooked { inner: &self.0, hook: &noted };
        let Slice { entries, through } = slice(&feed, after, until, limit).await.unwrap();
        let times = entries.into_iter().map(|entry| entry.recorded_at).collect();
        (times, through, limits.take().into_iter().collect())
    }
}

#[tokio::test]
async fn a_slice_merges_all_shards_by_time_and_ends_with_the_hour() {
    let times: Vec<Timestamp> = (1..=20).map(|second| at(&format!("00:{second:02}"))).collect();
    let commits: Vec<StoredCommit> =
        times.iter().enumerate().map(|(number, time)| commit(&format!("buyer-{number}"), *time)).collect();
    let feed = recorded(&commits).await;
    let end = at("59:59.999");
    let midnight: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
    assert_eq!(feed.slice(at("00:00"), midnight, 50).await, (times.clone(), end, vec![50]));
    assert_eq!(feed.slice(at("00:05"), midnight, 50).await, (times[5..].to_vec(), end, vec![50]));
    assert_eq!(feed.slice(at("00:05"), at("00:07"), 50).await, (times[5..7].to_vec(), at("00:07"), vec![50]));
    // The last tick of an hour is read, so the next slice covers the next hour.
    let next = "2026-11-23T11:59:59.999Z".parse().unwrap();
    assert_eq!(feed.slice(end, midnight, 50).await, (vec![], next, vec![50]));
}

#[tokio::test]
async fn nothing_is_asked_for_between_two_times_of_one_millisecond() {
    let feed = recorded(&[commit("ada", at("00:20.001"))]).await;
    for (after, until) in [("00:20", "00:20"), ("00:20.0004", "00:20.0008"), ("00:20.0011", "00:20.0019")] {
        assert_eq!(
            feed.slice(at(after), at(until), 50).await,
            (vec![], at(until), vec![]),
            "{after} {until}"
        );
    }
    assert_eq!(feed.slice(at("00:21"), at("00:20"), 50).await, (vec![], at("00:21"), vec![]));
    let found = feed.slice(at("00:20.0009"), at("00:20.0011"), 50).await;
    assert_eq!(found, (vec![at("00:20.001")], at("00:20.0011"), vec![50]));
}

#[tokio::test]
async fn a_full_slice_leaves_its_last_millisecond_for_the_next_slice() {
    let names = neighbours(4);
    let times = ["00:01", "00:02", "00:03", "00:03"];
    let commits: Vec<StoredCommit> =
        names.iter().zip(times).map(|(name, time)| commit(name, at(time))).collect();
    let feed = recorded(&commits).await;
    let all = |times: &[&str]| times.iter().map(|time| at(time)).collect::<Vec<_>>();
    assert_eq!(feed.slice(at("00:00"), at("30:00"), 3).await, (all(&times[..2]), at("00:02.999"), vec![3]));
    assert_eq!(feed.slice(at("00:00"), at("30:00"), 5).await, (all(&times), at("30:00"), vec![5]));
}

#[tokio::test]
async fn the_limit_grows_if_one_millisecond_holds_more_entries() {
    let names = neighbours(5);
    let commits: Vec<StoredCommit> = names.iter().map(|name| commit(name, at("00:01"))).collect();
    let feed = recorded(&commits).await;
    let (found, through, limits) = feed.slice(at("00:00.999"), at("30:00"), 2).await;
    assert_eq!((found.len(), through, limits), (5, at("30:00"), vec![2, 8]));
    // The same holds for the last millisecond before `until`.
    let (found, through, limits) = feed.slice(at("00:00.999"), at("00:01"), 5).await;
    assert_eq!((found.len(), through, limits), (5, at("00:01"), vec![5, 20]));
}

#[test]
fn added_facts_are_returned_in_order() {
    let mut appending = event_store::Appending::onto(event_store::Head::default()).live();
    let events: Vec<domain::Event> = endless("car-1").take(3).collect();
    for event in &events {
        appending.take(event.clone().into());
    }
    let facts: Vec<domain::Fact> = events.iter().cloned().map(Into::into).collect();
    assert_eq!(appending.facts(), facts);
}

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
