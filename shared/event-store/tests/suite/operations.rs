//! What operators append, and what is taken out of older commits.

use std::cell::Cell;

use contract::stored::{self, StoredCommit};
use domain::{BuyerId, Fact, OfferVersion, Sequence, Stage, State};
use event_store::surroundings::Surroundings;
use event_store::{
    Appended, Appending, Commits, Emptying, EventStore, NotErased, NotReset, NotVoided, Page, Performing,
    ResetGrounds, StoreError, erase, history, load, reset, tail_after, void,
};
use jiff::Timestamp;
use testkit::{acceptance_withdrawn, accepted, buyer, made, offer, rejected, withdrawn};

use crate::story::{Snapshot, Story, endless, moment, of_length};
use crate::streams::{Streams, in_both};

struct Still;

impl Surroundings for Still {
    fn now(&self) -> Timestamp {
        moment()
    }

    fn nonce(&self) -> String {
        "nonce".to_owned()
    }
}

fn version(number: u32) -> OfferVersion {
    OfferVersion::new(number).unwrap()
}

async fn voided(streams: &impl EventStore, name: &str, through: u32) -> Result<Sequence, NotVoided> {
    let (of, id) = (buyer("buyer-7"), offer(name));
    void(streams, &Still, Performing::Live, &of, &id, version(through)).await.unwrap()
}

async fn erased(streams: &(impl EventStore + Emptying)) -> Result<Sequence, NotErased> {
    erase(streams, &Still, Performing::Live, &buyer("buyer-7")).await.unwrap()
}

async fn given_back(
    streams: &(impl EventStore + Emptying),
    settled: u64,
    former: &State,
) -> Result<Sequence, NotReset> {
    let grounds = ResetGrounds { settled_through: Sequence::new(settled), former };
    reset(streams, &Still, Performing::Live, &buyer("buyer-7"), grounds).await.unwrap()
}

async fn everything(streams: &impl EventStore) -> Vec<StoredCommit> {
    let mut commits = streams.page(&buyer("buyer-7"), None, 100).await.unwrap().commits;
    commits.reverse();
    commits
}

#[tokio::test]
async fn only_the_gap_before_the_first_held_version_can_be_declared_void() {
    in_both(async |streams| {
        let mut story = Story::of("buyer-7");
        for event in [made("car-1"), accepted("car-1").v(4), rejected("car-2").v(2)] {
            story.tell_one(event);
        }
        story.record(streams).await;
        let held = version(4);
        assert_eq!(voided(streams, "car-1", 4).await, Err(NotVoided::BeyondTheGap { held }));
        assert_eq!(voided(streams, "car-1", 1).await, Err(NotVoided::NoGap { version: version(1) }));
        assert_eq!(voided(streams, "car-3", 1).await, Err(NotVoided::NothingHeld));
        assert_eq!(voided(streams, "car-1", 3).await, Ok(Sequence::new(4)));
        assert_eq!(voided(streams, "car-1", 3).await, Ok(Sequence::new(4)), "done before");
        assert_eq!(voided(streams, "car-2", 1).await, Ok(Sequence::new(5)));
        let state = load(streams, &buyer("buyer-7")).await.unwrap().state;
        assert_eq!((state.held_count(), state.version_of(&offer("car-1"))), (0, Some(held)));
    })
    .await;
}

#[tokio::test]
async fn an_erased_buyer_s_commits_are_emptied_and_keep_their_keys_and_effects() {
    in_both(async |streams| {
        let story = of_length("buyer-7", 12, Snapshot::AsThePolicySays).record(streams).await;
        assert_eq!(erased(streams).await, Ok(Sequence::new(13)));
        let commits = everything(streams).await;
        let keys: Vec<u64> = commits.iter().map(|commit| commit.sequence).collect();
        assert_eq!(keys, (1..=13).collect::<Vec<_>>());
        for (commit, before) in commits.iter().zip(&story.commits) {
            let mut emptied = before.clone();
            emptied.empty(Sequence::new(13));
            assert_eq!(*commit, emptied);
        }
        let text = format!("{commits:?}").to_lowercase();
        assert!(!text.contains("canary") && !text.contains("+61"), "{text}");

        // Done again, nothing changes; what comes after is folded onto what the fact carries.
        assert_eq!(erased(streams).await, Ok(Sequence::new(13)));
        assert_eq!(everything(streams).await, commits);
        let head = load(streams, &buyer("buyer-7")).await.unwrap();
        assert!(head.state.is_erased && head.state.sequence == Sequence::new(13));
        assert_eq!(head.state.version_of(&offer("car-1")), Some(version(12)));
    })
    .await;
}

#[tokio::test]
async fn nobody_can_erase_whom_nobody_knows() {
    in_both(async |streams| {
        assert_eq!(erased(streams).await, Err(NotErased::UnknownBuyer));
        assert_eq!(everything(streams).await, []);
    })
    .await;
}

#[tokio::test]
async fn pending_effects_of_emptied_commits_are_found() {
    in_both(async |streams| {
        let story = of_length("buyer-7", 12, Snapshot::Never).record(streams).await;
        erased(streams).await.unwrap();
        let (head, tail) = tail_after(streams, &buyer("buyer-7"), Some(Sequence::new(4))).await.unwrap();
        assert!(head.state.is_erased);
        let sequences: Vec<u64> = tail.iter().map(|commit| commit.first.get()).collect();
        assert_eq!(sequences, (5..=13).collect::<Vec<_>>());
        for (commit, before) in tail.iter().zip(story.commits.iter().skip(4)) {
            assert_eq!(commit.effects, stored::decode(before).unwrap().effects);
        }
    })
    .await;
}

#[tokio::test]
async fn a_buyer_is_given_back_only_when_nothing_would_be_lost() {
    in_both(async |streams| {
        let nobody = State::default();
        assert_eq!(given_back(streams, 0, &nobody).await, Err(NotReset::UnknownBuyer));
        let mut story = Story::of("buyer-7");
        for event in [made("car-1"), accepted("car-1").v(2), withdrawn("car-1").v(4)] {
            story.tell_one(event);
        }
        let former = State { sequence: Sequence::START, ..story.state.clone() };
        story.record(streams).await;
        assert_eq!(given_back(streams, 3, &former).await, Err(NotReset::Held { count: 1 }));
        voided(streams, "car-1", 3).await.unwrap();
        let (through, head) = (Sequence::new(3), Sequence::new(4));
        assert_eq!(given_back(streams, 3, &former).await, Err(NotReset::NotSettled { through, head }));
        let less = NotReset::FormerBehind { offer: offer("car-1") };
        assert_eq!(given_back(streams, 4, &former).await, Err(less.clone()), "its version 2 is behind ours");
        assert_eq!(given_back(streams, 4, &nobody).await, Err(less));

        let state = load(streams, &buyer("buyer-7")).await.unwrap().state;
        assert_eq!(given_back(streams, 4, &state).await, Ok(Sequence::new(5)));
        assert_eq!(given_back(streams, 0, &nobody).await, Ok(Sequence::new(5)), "done before");
        assert!(everything(streams).await.iter().take(4).all(|commit| commit.emptied_by == Some(5)));
        assert!(load(streams, &buyer("buyer-7")).await.unwrap().state.is_first_sight());
    })
    .await;
}

#[tokio::test]
async fn a_buyer_is_not_given_back_to_a_system_that_would_open_a_closed_lead_again() {
    in_both(async |streams| {
        let mut story = Story::of("buyer-7");
        for event in [made("car-1"), accepted("car-1").v(2)] {
            story.tell_one(event);
        }
        let accepted = story.state.clone();
        story.tell_one(acceptance_withdrawn("car-1").v(3));
        let pending = story.state.clone();
        story.record(streams).await;
        let former = |version: u32, state: &State| {
            let mut former = State { sequence: Sequence::START, ..state.clone() };
            former.offers.values_mut().for_each(|offer| offer.version = OfferVersion::new(version).unwrap());
            former
        };
        let version = OfferVersion::new(2).unwrap();
        let over = NotReset::FormerContradicts { offer: offer("car-1"), version };
        for knows in [3, 4] {
            assert_eq!(given_back(streams, 3, &former(knows, &accepted)).await, Err(over.clone()), "{knows}");
        }
        let mut anew = former(4, &accepted);
        let at = OfferVersion::new(4).unwrap();
        anew.offers.values_mut().for_each(|offer| offer.stage = Stage::Accepted { at });
        assert_eq!(given_back(streams, 3, &anew).await, Ok(Sequence::new(4)), "accepted anew");
        assert_eq!(given_back(streams, 3, &former(3, &pending)).await, Ok(Sequence::new(4)), "done before");
    })
    .await;
}

#[tokio::test]
async fn an_erased_buyer_is_not_given_back() {
    in_both(async |streams| {
        of_length("buyer-7", 1, Snapshot::Never).record(streams).await;
        erased(streams).await.unwrap();
        assert_eq!(given_back(streams, 2, &State::default()).await, Err(NotReset::Erased));
    })
    .await;
}

#[tokio::test]
async fn what_took_the_place_of_a_commit_s_facts_is_told_once_for_all() {
    in_both(async |streams| {
        let story = of_length("buyer-7", 1, Snapshot::Always).record(streams).await;
        let mut emptied = story.commits[0].clone();
        emptied.empty(Sequence::new(2));
        for by in [2, 3] {
            streams.empty(&story.buyer, Sequence::new(1), Sequence::new(by)).await.unwrap();
            assert_eq!(everything(streams).await, [emptied.clone()]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_commit_that_is_not_there_is_not_made_by_emptying_it() {
    in_both(async |streams| {
        streams.empty(&buyer("buyer-7"), Sequence::new(1), Sequence::new(2)).await.unwrap();
        assert_eq!(everything(streams).await, []);
    })
    .await;
}

#[tokio::test]
async fn a_writer_with_an_old_head_finds_an_emptied_commit_and_loads_again() {
    in_both(async |streams| {
        let mut story = of_length("buyer-7", 3, Snapshot::Always);
        let stale = story.head.clone();
        story.tell_one(made("car-2"));
        story.record(streams).await;
        erased(streams).await.unwrap();
        let mut appending = Appending::onto(stale.clone());
        appending.take(made("car-3").into());
        let (commit, _) = appending.commit(&buyer("buyer-7"), Performing::Live, moment()).unwrap();
        let Appended::Conflict(found) = streams.append(&commit).await.unwrap() else { panic!("written") };
        assert_eq!(stale.followed_by(&found).unwrap(), None);
    })
    .await;
}

/// Streams in which somebody erases the buyer after so many pages.
struct ErasedMeanwhile<'a> {
    streams: &'a Streams,
    pages: Cell<usize>,
}

impl Commits for ErasedMeanwhile<'_> {
    async fn page(
        &self,
        buyer: &BuyerId,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let page = self.streams.page(buyer, before, limit).await;
        self.pages.set(self.pages.get() + 1);
        if self.pages.get() == 1 {
            erased(self.streams).await.unwrap();
        }
        page
    }
}

impl EventStore for ErasedMeanwhile<'_> {
    async fn append(&self, commit: &StoredCommit) -> Result<Appended, StoreError> {
        self.streams.append(commit).await
    }
}

#[tokio::test]
async fn a_stream_that_is_emptied_while_it_is_read_is_read_again() {
    in_both(async |streams| {
        let story = of_length("buyer-7", 20, Snapshot::Never).record(streams).await;
        let meanwhile = ErasedMeanwhile { streams, pages: Cell::new(0) };
        let (head, tail) = tail_after(&meanwhile, &story.buyer, Some(Sequence::START)).await.unwrap();
        assert!(head.state.is_erased);
        assert_eq!(tail.len(), 21);
    })
    .await;
}

#[tokio::test]
async fn a_stream_once_live_stays_live() {
    in_both(async |streams| {
        let record = async |event: domain::Event, performing| {
            let head = load(streams, &buyer("buyer-7")).await.unwrap();
            let mut appending = Appending::onto(head);
            appending.take(event.into());
            let (commit, head) = appending.commit(&buyer("buyer-7"), performing, moment()).unwrap();
            assert_eq!(streams.append(&commit).await.unwrap(), Appended::Written);
            assert_eq!(load(streams, &buyer("buyer-7")).await.unwrap(), head);
            commit.shadow
        };
        let mut events = endless("car-1");
        let mut next = || events.next().unwrap();
        assert!(record(next(), Performing::Shadow).await);
        assert!(record(next(), Performing::Shadow).await);
        assert!(!record(next(), Performing::Live).await);
        assert!(!record(next(), Performing::Shadow).await);
        let shadows: Vec<bool> = history(streams, &buyer("buyer-7"))
            .await
            .unwrap()
            .iter()
            .map(|commit| commit.is_shadow)
            .collect();
        assert_eq!(shadows, [true, true, false, false]);
    })
    .await;
}

#[tokio::test]
async fn a_fact_that_one_item_cannot_hold_is_refused_and_nothing_is_written() {
    in_both(async |streams| {
        let mut story = Story::of("buyer-7");
        let long = |number: u32| format!("{number:0>100}");
        for batch in 0..180 {
            let events: Vec<_> = (0..10).map(|one| made(&long(batch * 10 + one))).collect();
            story.tell(&events, Snapshot::Never);
        }
        let story = streams.lay(story).await;
        let end = erase(streams, &Still, Performing::Live, &story.buyer).await;
        assert!(matches!(end, Err(StoreError::TooLarge { .. })), "{end:?}");
        assert_eq!(load(streams, &story.buyer).await.unwrap().state.sequence, Sequence::new(1800));
        let facts = history(streams, &story.buyer).await.unwrap();
        assert!(facts.iter().all(|commit| commit.facts.iter().all(|fact| matches!(fact, Fact::Event(_)))));
    })
    .await;
}
