//! The index `feed`: the commits recorded between two moments, and slices that miss none of them.

use std::cell::RefCell;
use std::collections::BTreeSet;

use contract::stored::StoredCommit;
use contract::stored::shard_of;
use domain::Sequence;
use event_store::{
    DynamoStreams, EventStore as _, Feed, FeedEntry, FeedPartition, MemoryStreams, Slice, StoreError, slice,
};
use jiff::Timestamp;
use serde_json::json;
use testkit::buyer;
use testkit::wire::{Answer, Wire};

use crate::story::{Snapshot, endless, of_length};
use crate::table::{Table, streams_at};

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

/// A feed that records the limits of the requests.
struct Recording {
    memory: MemoryStreams,
    limits: RefCell<BTreeSet<usize>>,
}

impl Feed for Recording {
    async fn recorded(
        &self,
        partition: &FeedPartition,
        after: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<FeedEntry>, StoreError> {
        self.limits.borrow_mut().insert(limit);
        self.memory.recorded(partition, after, until, limit).await
    }
}

async fn recording(commits: &[StoredCommit]) -> Recording {
    let memory = MemoryStreams::default();
    for commit in commits {
        memory.append(commit).await.unwrap();
    }
    Recording { memory, limits: RefCell::default() }
}

impl Recording {
    /// The times of the entries in the slice, the end of the slice, and the requested limits.
    async fn slice(
        &self,
        after: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> (Vec<Timestamp>, Timestamp, Vec<usize>) {
        self.limits.take();
        let Slice { entries, through } = slice(self, after, until, limit).await.unwrap();
        let limits = self.limits.borrow().iter().copied().collect();
        (entries.into_iter().map(|entry| entry.recorded_at).collect(), through, limits)
    }
}

#[tokio::test]
async fn a_slice_merges_all_shards_by_time_and_ends_with_the_hour() {
    let times: Vec<Timestamp> = (1..=20).map(|second| at(&format!("00:{second:02}"))).collect();
    let commits: Vec<StoredCommit> =
        times.iter().enumerate().map(|(number, time)| commit(&format!("buyer-{number}"), *time)).collect();
    let feed = recording(&commits).await;
    let end = at("59:59.999");
    let midnight: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
    assert_eq!(feed.slice(at("00:00"), midnight, 50).await, (times.clone(), end, vec![50]));
    assert_eq!(feed.slice(at("00:05"), midnight, 50).await, (times[5..].to_vec(), end, vec![50]));
    assert_eq!(feed.slice(at("00:05"), at("00:07"), 50).await, (times[5..7].to_vec(), at("00:07"), vec![50]));
    // The last tick of an hour is read, so the next slice covers the next hour.
    let next = "2026-11-23T11:59:59.999Z".parse().unwrap();
    assert_eq!(feed.slice(end, midnight, 50).await, (vec![], next, vec![50]));
    // Nothing is left, so the slice ends where it began.
    assert_eq!(feed.slice(at("00:20"), at("00:20"), 50).await, (vec![], at("00:20"), vec![50]));
}

#[tokio::test]
async fn a_full_slice_leaves_its_last_millisecond_for_the_next_slice() {
    let names = neighbours(4);
    let times = ["00:01", "00:02", "00:03", "00:03"];
    let commits: Vec<StoredCommit> =
        names.iter().zip(times).map(|(name, time)| commit(name, at(time))).collect();
    let feed = recording(&commits).await;
    let all = |times: &[&str]| times.iter().map(|time| at(time)).collect::<Vec<_>>();
    assert_eq!(feed.slice(at("00:00"), at("30:00"), 3).await, (all(&times[..2]), at("00:02.999"), vec![3]));
    assert_eq!(feed.slice(at("00:00"), at("30:00"), 5).await, (all(&times), at("30:00"), vec![5]));
}

#[tokio::test]
async fn the_limit_grows_if_one_millisecond_holds_more_entries() {
    let names = neighbours(5);
    let commits: Vec<StoredCommit> = names.iter().map(|name| commit(name, at("00:01"))).collect();
    let feed = recording(&commits).await;
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
