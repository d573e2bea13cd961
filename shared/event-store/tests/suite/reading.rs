//! The rules of loading, for random histories and snapshots.

use std::cell::RefCell;

use contract::stored::{self, Commit, StoredCommit, Undecodable};
use domain::{BuyerId, Event, Sequence};
use event_store::{Commits as _, Head, MemoryStreams, Page, StoreError, Tail, history, load, tail_after};
use proptest::prelude::*;
use testkit::hooks::{BeforeEach, Call};
use testkit::{Hooked, acceptance_withdrawn, accepted, buyer, made_by, rejected, withdrawn};
use tokio::runtime;

use crate::streams::{Snapshot, Story, Streams, endless, in_both, of_length};

/// Reads all pages, each from the end of the previous one.
async fn follow(streams: &Streams, buyer: &BuyerId, limit: usize) -> Vec<StoredCommit> {
    let mut found: Vec<StoredCommit> = Vec::new();
    loop {
        let before = found.last().map(|commit| Sequence::new(commit.sequence));
        let Page { commits, has_more } = streams.page(buyer, before, limit).await.unwrap();
        assert!(commits.len() <= limit);
        assert!(!(has_more && commits.is_empty()), "a page with a successor must not be empty");
        found.extend(commits);
        if !has_more {
            return found;
        }
    }
}

fn decoded(commits: &[StoredCommit]) -> Vec<Commit> {
    commits.iter().map(|commit| stored::decode(commit).unwrap()).collect()
}

#[tokio::test]
async fn an_unknown_buyer_has_an_empty_stream() {
    in_both(async |streams| {
        of_length("buyer-7", 1, Snapshot::Always).record(streams).await;
        let unknown = buyer("buyer-8");
        let page = streams.page(&unknown, None, 8).await.unwrap();
        assert_eq!(page, Page { commits: Vec::new(), has_more: false });
        assert_eq!(load(streams, &unknown).await.unwrap(), Head::default());
        assert_eq!(history(streams, &unknown).await.unwrap(), Vec::new());
        let tail = tail_after(streams, &unknown, Some(Sequence::START)).await.unwrap();
        assert_eq!(tail, (Head::default(), Vec::new()));
    })
    .await;
}

#[tokio::test]
async fn pages_are_newest_first_and_contain_every_commit_once() {
    in_both(async |streams| {
        let mut story = of_length("buyer-7", 21, Snapshot::ByPolicy).record(streams).await;
        story.commits.reverse();
        for limit in [1, 2, 7, 20, 21, 22, 1000] {
            assert_eq!(follow(streams, &story.buyer, limit).await, story.commits, "in pages of {limit}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_page_holds_the_commits_before_a_sequence_up_to_its_limit() {
    in_both(async |streams| {
        let mut story = Story::of("buyer-7");
        let events: Vec<_> = endless("car-1").take(9).collect();
        for three in events.chunks(3) {
            story.append(three, Snapshot::ByPolicy);
        }
        let story = story.record(streams).await;
        let sequences = async |before, limit| {
            let page = streams.page(&story.buyer, Some(Sequence::new(before)), limit).await.unwrap();
            (page.commits.iter().map(|commit| commit.sequence).collect::<Vec<_>>(), page.has_more)
        };
        assert_eq!(sequences(100, 8).await, (vec![7, 4, 1], false));
        assert_eq!(sequences(8, 8).await, (vec![7, 4, 1], false), "within a commit");
        assert_eq!(sequences(7, 8).await, (vec![4, 1], false), "the bound is exclusive");
        assert_eq!(sequences(7, 1).await, (vec![4], true));
        assert_eq!(sequences(1, 8).await, (vec![], false));
    })
    .await;
}

#[tokio::test]
async fn a_load_reads_past_unusable_snapshots() {
    let unusable = |snapshot: &str| {
        [
            "not JSON".to_owned(),
            "{}".to_owned(),
            snapshot.replacen("\"fold\":3", "\"fold\":99", 1),
            snapshot.replacen("\"sequence\":", "\"sequence\":1", 1),
        ]
    };
    in_both(async |streams| {
        for case in 0..4 {
            let mut story = of_length(&format!("buyer-{case}"), 40, Snapshot::Never);
            story.commits[4].snapshot = {
                let mut state = domain::State::default();
                endless("car-1").take(5).for_each(|event| state.fold(&event.into()));
                Some(stored::encode_snapshot(&state))
            };
            for place in [20, 39] {
                story.commits[place].snapshot =
                    Some(unusable(&stored::encode_snapshot(&story.state))[case].clone());
                assert_eq!(stored::decode(&story.commits[place]).unwrap().snapshot, None);
            }
            let story = story.record(streams).await;
            let tail =
                story.commits[5..].iter().fold(Tail::default(), |tail, commit| tail.and(commit.bytes()));
            let head = load(streams, &story.buyer).await.unwrap();
            assert_eq!(head, Head { state: story.state, tail, is_live: true }, "case {case}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_commit_of_a_newer_format_fails_the_load() {
    in_both(async |streams| {
        let mut story = of_length("buyer-7", 12, Snapshot::Never);
        story.commits[1].format = 99;
        let story = story.record(streams).await;
        let error = load(streams, &story.buyer).await.unwrap_err();
        assert!(
            matches!(
                error,
                StoreError::Undecodable(Undecodable::NewerFormat { sequence: 2, format: 99, .. })
            ),
            "{error:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_load_reads_nothing_before_the_newest_snapshot() {
    in_both(async |streams| {
        let mut story = of_length("buyer-7", 12, Snapshot::ByPolicy);
        story.commits[1].facts = "not JSON".to_owned();
        let story = story.record(streams).await;
        assert_eq!(load(streams, &story.buyer).await.unwrap().state, story.state);
        assert!(matches!(history(streams, &story.buyer).await, Err(StoreError::Undecodable(_))));
    })
    .await;
}

#[tokio::test]
async fn a_stream_of_more_than_a_megabyte_is_read_to_its_end() {
    in_both(async |streams| {
        let story = streams.lay(of_length("buyer-7", 4000, Snapshot::Never)).await;
        assert!(story.commits.iter().map(StoredCommit::bytes).sum::<usize>() > 1024 * 1024);
        assert_eq!(history(streams, &story.buyer).await.unwrap(), decoded(&story.commits));
        assert_eq!(load(streams, &story.buyer).await.unwrap().state, story.state);
    })
    .await;
}

#[tokio::test]
async fn pages_grow_fourfold_up_to_the_largest_page() {
    let (streams, limits) = (MemoryStreams::default(), RefCell::new(Vec::new()));
    let story = of_length("buyer-7", 5000, Snapshot::Never).record(&streams).await;
    let noted = BeforeEach("page", async |call: &Call<'_>| limits.borrow_mut().extend(call.limit));
    let streams = Hooked { inner: &streams, hook: &noted };
    assert_eq!(history(&streams, &story.buyer).await.unwrap().len(), 5000);
    assert_eq!(*limits.borrow(), [8, 32, 128, 512, 2048, 2048, 2048]);
}

/// An arbitrary event. Order and repetition do not matter, because the fold is total.
fn event() -> impl Strategy<Value = Event> {
    (0..4_u32, 1..6_u32, 0..4_u8).prop_map(|(offer, version, change)| {
        let name = format!("car-{offer}");
        if version == 1 {
            let mut contact = testkit::contact();
            contact.phone = contact.phone.filter(|_| offer != 0);
            return made_by(&name, contact);
        }
        let builder = match change {
            0 => accepted(&name),
            1 => acceptance_withdrawn(&name),
            2 => rejected(&name),
            _ => withdrawn(&name),
        };
        builder.v(version)
    })
}

/// Stories of commits with up to four events each, of which about one in `rarity` has a snapshot.
fn stories(snapshot: impl Fn(bool) -> Snapshot + Copy) -> impl Strategy<Value = Story> {
    (1..30_u32).prop_flat_map(move |rarity| {
        let is_chosen = proptest::bool::weighted(1.0 / f64::from(rarity));
        let commit = (proptest::collection::vec(event(), 1..=4), is_chosen);
        proptest::collection::vec(commit, 0..50).prop_map(move |commits| {
            let mut story = Story::of("buyer-7");
            for (events, is_chosen) in commits {
                story.append(&events, snapshot(is_chosen));
            }
            story
        })
    })
}

fn stories_with_snapshots_anywhere() -> impl Strategy<Value = Story> {
    stories(|is_chosen| if is_chosen { Snapshot::Always } else { Snapshot::Never })
}

fn run(rule: impl Future<Output = ()>) {
    runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(rule);
}

/// The expected head: the fold of all facts, and the tail after the newest snapshot.
fn expected(story: &Story) -> Head {
    let tail = story.commits.iter().rev().take_while(|commit| commit.snapshot.is_none());
    Head {
        state: story.state.clone(),
        tail: tail.fold(Tail::default(), |tail, commit| tail.and(commit.bytes())),
        is_live: !story.commits.is_empty(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_load_equals_the_fold_of_all_facts_for_any_snapshots(story in stories_with_snapshots_anywhere()) {
        run(in_both(async |streams| {
            let story = streams.lay(story.clone()).await;
            assert_eq!(load(streams, &story.buyer).await.unwrap(), expected(&story));
        }));
    }

    #[test]
    fn the_head_after_an_append_equals_the_loaded_head(story in stories(|_| Snapshot::ByPolicy)) {
        run(in_both(async |streams| {
            let story = streams.lay(story.clone()).await;
            assert_eq!(story.head, expected(&story));
            assert_eq!(load(streams, &story.buyer).await.unwrap(), story.head);
        }));
    }

    #[test]
    fn following_each_commit_gives_the_loaded_head(story in stories_with_snapshots_anywhere()) {
        let mut head = Head::default();
        for commit in &story.commits {
            head = head.followed_by(commit).unwrap().unwrap();
        }
        assert_eq!(head, expected(&story));
    }
}

proptest! {
    // Each case makes one request per fact, so fewer cases are run.
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_tail_contains_exactly_the_commits_with_later_facts(story in stories_with_snapshots_anywhere()) {
        run(in_both(async |streams| {
            let story = streams.lay(story.clone()).await;
            let end = story.state.sequence.get();
            for after in 0..=end + 1 {
                let tail: Vec<_> = story.commits.iter().filter(|commit| commit.last > after).collect();
                let tail = tail.into_iter().map(|commit| stored::decode(commit).unwrap()).collect();
                let found = tail_after(streams, &story.buyer, Some(Sequence::new(after))).await.unwrap();
                assert_eq!(found, (expected(&story), tail), "after {after}");
            }
            let found = tail_after(streams, &story.buyer, None).await.unwrap();
            assert_eq!(found, (expected(&story), Vec::new()));
        }));
    }
}
