//! The rules of loading, for random histories and snapshots.

use contract::stored;
use domain::{Event, Sequence};
use event_store::{Head, Tail, load, tail_after};
use proptest::prelude::*;
use testkit::{acceptance_withdrawn, accepted, made_by, rejected, withdrawn};
use tokio::runtime;

use crate::story::{Snapshot, Story};
use crate::streams::in_both;

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
