use std::cell::RefCell;

use contract::stored::{self, Commit, StoredCommit, Undecodable};
use domain::{BuyerId, Sequence};
use event_store::{
    Appended, Commits, EventStore, Head, MemoryStreams, Page, StoreError, Tail, history, load, tail_after,
};
use testkit::buyer;

use crate::story::{Snapshot, Story, endless, of_length};
use crate::streams::{Streams, in_both};

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
                endless("car-1").take(5).for_each(|event| drop(state.fold(&event)));
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

/// A store that records the limits of the requested pages.
#[derive(Default)]
struct Recording {
    memory: MemoryStreams,
    limits: RefCell<Vec<usize>>,
}

impl Commits for Recording {
    async fn page(
        &self,
        buyer: &BuyerId,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.limits.borrow_mut().push(limit);
        self.memory.page(buyer, before, limit).await
    }
}

impl EventStore for Recording {
    async fn append(&self, commit: &StoredCommit) -> Result<Appended, StoreError> {
        self.memory.append(commit).await
    }
}

#[tokio::test]
async fn pages_grow_fourfold_up_to_the_largest_page() {
    let recording = Recording::default();
    let story = of_length("buyer-7", 5000, Snapshot::Never).record(&recording.memory).await;
    assert_eq!(history(&recording, &story.buyer).await.unwrap().len(), 5000);
    assert_eq!(*recording.limits.borrow(), [8, 32, 128, 512, 2048, 2048, 2048]);
}
