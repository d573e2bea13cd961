use contract::stored::StoredCommit;
use contract::trace::TraceParent;
use domain::Event;
use event_store::{Appended, Appending, Commits as _, EventStore as _, Head, LARGEST_ITEM};
use futures::future::join_all;
use jiff::Timestamp;
use testkit::{accepted, buyer, made, rejected, withdrawn};

use crate::streams::{Snapshot, Story, Streams, Table, in_both, item, of_length, streams_at};

fn first_commit(name: &str, event: Event) -> StoredCommit {
    Story::of(name).append_one(event)
}

async fn stored(streams: &Streams, name: &str) -> Vec<StoredCommit> {
    streams.page(&buyer(name), None, 100).await.unwrap().commits
}

#[tokio::test]
async fn an_append_at_a_free_sequence_is_written() {
    in_both(async |streams| {
        let mut story = Story::of("buyer-7");
        for event in [made("car-1"), accepted("car-1").v(2), withdrawn("car-1").v(3)] {
            let commit = story.append_one(event);
            assert_eq!(streams.append(&commit).await.unwrap(), Appended::Written);
        }
        story.commits.reverse();
        assert_eq!(stored(streams, "buyer-7").await, story.commits);
    })
    .await;
}

#[tokio::test]
async fn an_append_at_a_taken_sequence_returns_the_stored_commit() {
    in_both(async |streams| {
        let first = first_commit("buyer-7", made("car-1"));
        let second = first_commit("buyer-7", made("car-2"));
        assert_ne!(first, second);
        assert_eq!(streams.append(&first).await.unwrap(), Appended::Written);
        for attempt in [&second, &first] {
            let appended = streams.append(attempt).await.unwrap();
            assert_eq!(appended, Appended::Conflict(Box::new(first.clone())));
        }
        assert_eq!(stored(streams, "buyer-7").await, [first]);
    })
    .await;
}

#[tokio::test]
async fn one_of_many_writers_wins_and_the_others_get_its_commit() {
    in_both(async |streams| {
        let commits: Vec<_> =
            (0..12).map(|writer| first_commit("buyer-7", made(&format!("car-{writer}")))).collect();
        let ends = join_all(commits.iter().map(|commit| streams.append(commit))).await;
        let ends: Vec<Appended> = ends.into_iter().map(Result::unwrap).collect();
        let winner = ends.iter().position(|end| *end == Appended::Written).unwrap();
        for (writer, end) in ends.iter().enumerate() {
            if writer != winner {
                assert_eq!(*end, Appended::Conflict(Box::new(commits[winner].clone())));
            }
        }
        assert_eq!(stored(streams, "buyer-7").await, [commits[winner].clone()]);
    })
    .await;
}

#[tokio::test]
async fn commits_with_any_optional_parts_read_back_unchanged() {
    in_both(async |streams| {
        let mut with_reason = rejected("car-2").v(2);
        with_reason.change =
            domain::OfferChange::Rejected { reason: Some("zu günstig 🚗 \"\\\n".to_owned()) };
        with_reason.time = None;
        let mut story = Story::of("buyer-7");
        let all = story.append(&[made("car-1"), accepted("car-1").v(2)], Snapshot::Always);
        let no_snapshot = story.append(&[made("car-2")], Snapshot::Never);
        let no_effects = story.append(&[with_reason], Snapshot::Always);
        let bare = story.append(&[withdrawn("car-3").v(9)], Snapshot::Never);

        let carries = |commit: &StoredCommit| {
            (commit.effects.is_some(), commit.feed.is_some(), commit.snapshot.is_some())
        };
        assert_eq!(carries(&all), (true, true, true));
        assert_eq!(carries(&no_snapshot), (true, true, false));
        assert_eq!(carries(&no_effects), (false, false, true));
        assert_eq!(carries(&bare), (false, true, false), "the event is held");

        let mut story = story.record(streams).await;
        story.commits.reverse();
        assert_eq!(stored(streams, "buyer-7").await, story.commits);
    })
    .await;
}

#[tokio::test]
async fn a_commit_of_the_largest_size_fits_into_an_item() {
    in_both(async |streams| {
        let mut commit = first_commit("buyer-7", made("car-1"));
        commit.snapshot = Some(String::new());
        commit.snapshot = Some("x".repeat(LARGEST_ITEM - commit.bytes()));
        assert_eq!(commit.bytes(), LARGEST_ITEM);
        assert_eq!(streams.append(&commit).await.unwrap(), Appended::Written);
        assert_eq!(stored(streams, "buyer-7").await, [commit]);
    })
    .await;
}

#[tokio::test]
async fn buyers_with_common_prefixes_have_separate_streams() {
    in_both(async |streams| {
        let names = ["b", "bu", "buyer-1", "buyer-10", "buyer-1#0", "BUYER-1", "buyer-1~"];
        for (length, name) in (1..).zip(names) {
            of_length(name, length, Snapshot::ByPolicy).record(streams).await;
        }
        for (length, name) in (1..).zip(names) {
            let mut story = of_length(name, length, Snapshot::ByPolicy);
            story.commits.reverse();
            assert_eq!(stored(streams, name).await, story.commits, "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_item_has_exactly_the_attributes_of_its_commit() {
    let table = Table::start().await;
    let mut story = Story::of("buyer-7");
    story.append(&[made("car-1"), accepted("car-1").v(2)], Snapshot::Always);
    story.append(&[withdrawn("car-3").v(9)], Snapshot::Never);
    let story = story.record(&streams_at(&table.url)).await;
    assert_eq!(table.items(), story.commits.iter().map(item).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_senders_places_in_traces_are_kept_in_the_commit() {
    in_both(async |streams| {
        let trace = TraceParent::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
        let mut appending = Appending::onto(Head::default()).live();
        for (sequence, event) in [made("car-1"), made("car-2")].iter().enumerate() {
            appending.take(event.into());
            if sequence == 1 {
                appending.trace(appending.state().sequence, trace);
            }
        }
        let (commit, _) = appending.commit(&buyer("buyer-7"), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(commit.traces.as_deref(), Some(&*format!("2 {trace}")));
        assert_eq!(streams.append(&commit).await.unwrap(), Appended::Written);
        assert_eq!(stored(streams, "buyer-7").await, [commit]);
    })
    .await;
}
