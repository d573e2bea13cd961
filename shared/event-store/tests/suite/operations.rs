//! The operators' appends, and the removal of personal data from an erased buyer's older commits.

use std::cell::Cell;

use contract::stored::{self, StoredCommit};
use domain::{Answer, Fact, Known, NotReset, NotVoided, OfferVersion, Sequence, State};
use event_store::{
    Appended, Appending, Clearing, EventStore, Head, NotErased, StoreError, erase, go_live, history, load,
    reset, tail_after, void,
};
use testkit::hooks::{After, Before, Call, Fate};
use testkit::{Hooked, accepted, buyer, made, offer, rejected, withdrawn};

use crate::streams::{Snapshot, Story, clock, endless, in_both, moment, of_length};

fn version(number: u32) -> OfferVersion {
    OfferVersion::new(number).unwrap()
}

async fn voided(streams: &impl EventStore, name: &str, through: u32) -> Result<Sequence, NotVoided> {
    let (of, id) = (buyer("buyer-7"), offer(name));
    void(streams, &clock(), &of, &id, version(through)).await.unwrap()
}

async fn erased(streams: &(impl EventStore + Clearing)) -> Result<Sequence, NotErased> {
    erase(streams, &clock(), &buyer("buyer-7")).await.unwrap()
}

async fn was_reset(streams: &impl EventStore, former: &Answer) -> Result<Sequence, NotReset> {
    reset(streams, &clock(), &buyer("buyer-7"), former).await.unwrap()
}

/// The answer of a former system that has seen these events.
fn answer(events: &[domain::Event]) -> Answer {
    let mut state = State::default();
    for event in events {
        state.fold(&event.into());
    }
    Answer { known: Known { offers: state.offers.into(), ..Known::default() }, is_handed_over: false }
}

/// Records each fact in a commit of its own, in shadow until a handover.
async fn recorded(streams: &impl EventStore, facts: impl IntoIterator<Item = Fact>) -> Head {
    let mut head = load(streams, &buyer("buyer-7")).await.unwrap();
    for fact in facts {
        let mut appending = Appending::onto(head);
        appending.take(fact);
        let (commit, after) = appending.commit(&buyer("buyer-7"), moment()).unwrap();
        assert_eq!(streams.append(&commit).await.unwrap(), Appended::Written);
        head = after;
        assert_eq!(load(streams, &buyer("buyer-7")).await.unwrap().state, head.state);
    }
    head
}

async fn everything(streams: &impl EventStore) -> Vec<StoredCommit> {
    let mut commits = streams.page(&buyer("buyer-7"), None, 100).await.unwrap().commits;
    commits.reverse();
    commits
}

#[tokio::test]
async fn only_the_gap_before_the_first_held_version_can_be_voided() {
    in_both(async |streams| {
        let mut story = Story::of("buyer-7");
        for event in [made("car-1"), accepted("car-1").v(4), rejected("car-2").v(2)] {
            story.append_one(event);
        }
        story.record(streams).await;
        let held = version(4);
        assert_eq!(voided(streams, "car-1", 4).await, Err(NotVoided::BeyondTheGap { held }));
        assert_eq!(voided(streams, "car-1", 1).await, Err(NotVoided::NoGap { version: version(1) }));
        assert_eq!(voided(streams, "car-3", 1).await, Err(NotVoided::NothingHeld));
        assert_eq!(voided(streams, "car-1", 3).await, Ok(Sequence::new(4)));
        assert_eq!(voided(streams, "car-1", 3).await, Ok(Sequence::new(4)), "repeated");
        assert_eq!(voided(streams, "car-2", 1).await, Ok(Sequence::new(5)));
        let state = load(streams, &buyer("buyer-7")).await.unwrap().state;
        assert_eq!((state.held_count(), state.version_of(&offer("car-1"))), (0, Some(held)));
    })
    .await;
}

#[tokio::test]
async fn erasing_removes_only_personal_data_from_the_commits() {
    in_both(async |streams| {
        let story = of_length("buyer-7", 450, Snapshot::ByPolicy).record(streams).await;
        assert_eq!(erased(streams).await, Ok(Sequence::new(451)));
        let commits = history_of(streams).await;
        let keys: Vec<u64> = commits.iter().map(|commit| commit.sequence).collect();
        assert_eq!(keys, (1..=451).collect::<Vec<_>>());
        for (commit, before) in commits.iter().zip(&story.commits) {
            assert_eq!(*commit, before.without_personal_data().unwrap());
        }
        let text = format!("{commits:?}").to_lowercase();
        assert!(!text.contains("canary") && !text.contains("+61"), "{text}");

        // Repeating the erasure changes nothing.
        assert_eq!(erased(streams).await, Ok(Sequence::new(451)));
        assert_eq!(history_of(streams).await, commits);
        let head = load(streams, &buyer("buyer-7")).await.unwrap();
        assert!(head.state.is_erased && head.state.sequence == Sequence::new(451));
        assert_eq!(head.state.version_of(&offer("car-1")), Some(version(450)));
    })
    .await;
}

async fn history_of(streams: &impl EventStore) -> Vec<StoredCommit> {
    let mut commits = streams.page(&buyer("buyer-7"), None, 1000).await.unwrap().commits;
    commits.reverse();
    commits
}

#[tokio::test]
async fn an_interrupted_erasure_continues() {
    in_both(async |streams| {
        let mut story = Story::of("buyer-7");
        for number in 0..12 {
            story.append_one(made(&format!("car-{number}")));
        }
        let story = story.record(streams).await;
        let left = Cell::new(5);
        let cut_off = Before(async |call: &Call<'_>| match (call.operation, left.get()) {
            ("clear", 0) => Fate::Fails,
            ("clear", more) => {
                left.set(more - 1);
                Fate::Passes
            }
            _ => Fate::Passes,
        });
        let cut_off = Hooked { inner: streams, hook: &cut_off };
        let end = Box::pin(erase(&cut_off, &clock(), &story.buyer)).await;
        assert!(matches!(end, Err(StoreError::Unavailable { .. })), "{end:?}");
        recorded(streams, [made("car-99").without_personal_data().into()]).await;
        assert_eq!(erased(streams).await, Ok(Sequence::new(13)));
        let text = format!("{:?}", history_of(streams).await).to_lowercase();
        assert!(!text.contains("canary") && !text.contains("+61"), "{text}");
        assert_eq!(history_of(streams).await.len(), 14, "the erasure is recorded once");
    })
    .await;
}

#[tokio::test]
async fn an_unknown_buyer_cannot_be_erased() {
    in_both(async |streams| {
        assert_eq!(erased(streams).await, Err(NotErased::UnknownBuyer));
        assert_eq!(everything(streams).await, []);
    })
    .await;
}

#[tokio::test]
async fn pending_effects_of_cleared_commits_are_found() {
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
async fn a_reset_is_refused_if_the_former_system_knows_less() {
    in_both(async |streams| {
        assert_eq!(was_reset(streams, &Answer::default()).await, Err(NotReset::UnknownBuyer));
        let there = [made("car-1"), accepted("car-1").v(2), withdrawn("car-1").v(3), withdrawn("car-1").v(4)];
        let here = [made("car-1"), accepted("car-1").v(2), withdrawn("car-1").v(4)];
        recorded(streams, here.map(Fact::from)).await;
        let behind =
            |ours, theirs| NotReset::FormerBehind { offer: offer("car-1"), ours: version(ours), theirs };
        assert_eq!(was_reset(streams, &Answer::default()).await, Err(behind(2, 0)));
        assert_eq!(was_reset(streams, &answer(&there[..1])).await, Err(behind(2, 1)));
        assert_eq!(was_reset(streams, &answer(&there[..3])).await, Err(behind(4, 3)), "held events count");
        let handed_over = Answer { is_handed_over: true, ..answer(&there) };
        assert_eq!(was_reset(streams, &handed_over).await, Err(NotReset::HandedOver));

        assert_eq!(was_reset(streams, &answer(&there)).await, Ok(Sequence::new(4)));
        assert_eq!(was_reset(streams, &answer(&there)).await, Ok(Sequence::new(4)), "repeated");
        let head = load(streams, &buyer("buyer-7")).await.unwrap();
        assert_eq!(head.state, State { sequence: Sequence::new(4), ..State::default() });
        assert!(!head.is_live);
        let names: Vec<&str> = history(streams, &buyer("buyer-7"))
            .await
            .unwrap()
            .iter()
            .flat_map(|commit| commit.facts.iter().map(Fact::name))
            .collect();
        assert_eq!(names, ["made", "accepted", "withdrawn", "reset"], "earlier facts stay readable");
    })
    .await;
}

#[tokio::test]
async fn live_and_erased_buyers_are_not_reset() {
    in_both(async |streams| {
        recorded(streams, [made("car-1").into()]).await;
        erased(streams).await.unwrap();
        assert_eq!(was_reset(streams, &answer(&[made("car-1")])).await, Err(NotReset::Erased));
        go_live(streams, &clock(), &buyer("buyer-7"), &Known::default()).await.unwrap();
        assert_eq!(was_reset(streams, &answer(&[made("car-1")])).await, Err(NotReset::Live));
    })
    .await;
}

#[tokio::test]
async fn only_going_live_makes_a_buyer_live_and_only_once() {
    in_both(async |streams| {
        recorded(streams, [made("car-1").into(), accepted("car-1").v(3).into()]).await;
        voided(streams, "car-1", 2).await.unwrap();
        assert!(!load(streams, &buyer("buyer-7")).await.unwrap().is_live);
        let known = answer(&[made("car-1")]).known;
        for _ in 0..2 {
            let end = go_live(streams, &clock(), &buyer("buyer-7"), &known).await.unwrap();
            assert_eq!(end, Sequence::new(4), "the second call changes nothing");
        }
        let commits = history(streams, &buyer("buyer-7")).await.unwrap();
        let last = commits.last().unwrap();
        let keys: Vec<String> = last.effects.iter().map(domain::Effect::key).collect();
        assert_eq!(keys, ["opened/high/car-1/3", "accepted-email/car-1/3"]);
        assert_eq!((last.is_shadow, commits.len()), (false, 4));
    })
    .await;
}

#[tokio::test]
async fn a_buyer_erased_in_shadow_is_handed_over_without_contacts() {
    in_both(async |streams| {
        recorded(streams, [made("car-1").into()]).await;
        erased(streams).await.unwrap();
        assert!(!load(streams, &buyer("buyer-7")).await.unwrap().is_live);
        let mut known = answer(&[made("car-1")]).known;
        known.low_lead = domain::FormerLeadId::parse("L-1").ok();
        go_live(streams, &clock(), &buyer("buyer-7"), &known).await.unwrap();
        let commits = everything(streams).await;
        assert_eq!(commits.last().unwrap().effects.as_deref(), Some("3 closed/L-1 erased low"));
        let text = format!("{commits:?}").to_lowercase();
        assert!(!text.contains("canary") && !text.contains("+61"), "{text}");
    })
    .await;
}

#[tokio::test]
async fn clearing_a_missing_commit_does_not_create_it() {
    in_both(async |streams| {
        let story = of_length("buyer-7", 1, Snapshot::Never);
        streams.clear(&story.commits[0]).await.unwrap();
        assert_eq!(everything(streams).await, []);
    })
    .await;
}

#[tokio::test]
async fn commits_emptied_by_an_older_version_are_skipped_and_unchanged() {
    in_both(async |streams| {
        let mut story = of_length("buyer-7", 3, Snapshot::Never);
        let stale =
            Head { state: State { sequence: Sequence::new(2), ..State::default() }, ..Head::default() };
        for commit in &mut story.commits {
            (commit.facts, commit.emptied_by) = (String::new(), Some(4));
        }
        let emptied = story.commits[2].clone();
        story.record(streams).await;
        let kept = State { sequence: Sequence::new(3), is_erased: true, ..State::default() };
        let mut appending = Appending::onto(Head { state: kept.clone(), ..Head::default() }).live();
        appending.take(Fact::Erased(Some(Box::new(kept))));
        let (commit, _) = appending.commit(&buyer("buyer-7"), moment()).unwrap();
        streams.append(&commit).await.unwrap();
        let head = load(streams, &buyer("buyer-7")).await.unwrap();
        assert_eq!((head.state.sequence, head.state.is_erased), (Sequence::new(4), true));
        assert_eq!(stale.followed_by(&emptied).unwrap(), None, "a writer with a stale head must load again");
        let before = everything(streams).await;
        erased(streams).await.unwrap();
        assert_eq!(everything(streams).await, before);
    })
    .await;
}

#[tokio::test]
async fn a_load_during_an_erasure_gives_the_state_before_or_after_it() {
    in_both(async |streams| {
        let story = of_length("buyer-7", 20, Snapshot::Never).record(streams).await;
        let pages = Cell::new(0);
        let erases = After(async |_: &Call<'_>| {
            if pages.replace(pages.get() + 1) == 0 {
                erased(streams).await.unwrap();
            }
        });
        let meanwhile = Hooked { inner: streams, hook: &erases };
        let (head, tail) =
            Box::pin(tail_after(&meanwhile, &story.buyer, Some(Sequence::START))).await.unwrap();
        // The first page was read before the erasure. A writer that appends to this head gets the erasing commit as
        // conflict.
        assert_eq!((head.state.sequence, tail.len()), (Sequence::new(20), 20));
        let erasing = &everything(streams).await[20];
        let after = head.followed_by(erasing).unwrap().unwrap();
        assert_eq!(after.state, load(streams, &story.buyer).await.unwrap().state);
    })
    .await;
}

#[tokio::test]
async fn a_stream_is_in_shadow_until_a_handover_and_live_afterwards() {
    in_both(async |streams| {
        let mut events = endless("car-1");
        let mut next = || Fact::from(events.next().unwrap());
        let facts = [next(), next(), Fact::HandedOver(Box::default()), next(), next()];
        assert!(recorded(streams, facts).await.is_live);
        let shadows: Vec<bool> = history(streams, &buyer("buyer-7"))
            .await
            .unwrap()
            .iter()
            .map(|commit| commit.is_shadow)
            .collect();
        assert_eq!(shadows, [true, true, false, false, false]);
    })
    .await;
}

#[tokio::test]
async fn a_buyer_with_20_000_offers_can_be_erased_and_loaded() {
    let streams = &event_store::MemoryStreams::default();
    for batch in 0..2000 {
        let event = |one| Fact::from(made(&format!("offer-{:0>30}", batch * 10 + one)));
        let facts: Vec<Fact> = (0..10).map(event).collect();
        let commit =
            stored::encode(&buyer("buyer-7"), Sequence::new(batch * 10 + 1), &facts, &[], false, moment());
        streams.append(&commit).await.unwrap();
    }
    erased(streams).await.unwrap();
    let loaded = load(streams, &buyer("buyer-7")).await.unwrap();
    assert_eq!((loaded.state.offers.len(), loaded.state.is_erased), (20_000, true));
    let text = format!("{:?}", streams.commits()).to_lowercase();
    assert!(!text.contains("canary") && !text.contains("+61"));
}
