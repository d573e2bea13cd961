//! Buyers that a former system knows, buyers that are forgotten, gaps that are void, effects that another system performs.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use domain::{BuyerId, Event, Fact, OfferVersion, Sequence, State};
use event_store::surroundings::Surroundings as _;
use event_store::{Appending, EventStore as _, Performing, ResetGrounds, erase, history, load, reset, void};
use futures::executor::block_on;
use legacy::{Handover, Legacy, LegacyUnavailable};
use recorder::Recorder;
use testkit::{acceptance_withdrawn, accepted, body, buyer, made, offer, rejected, withdrawn};

use crate::given::{Fault, Letters, Sent, Still, Streams, World, deliver, sent, world};

/// A former system that knows some buyers, and can be away.
#[derive(Debug, Default)]
struct Former {
    knows: RefCell<BTreeMap<BuyerId, State>>,
    is_away: Cell<bool>,
    questions: RefCell<Vec<Handover>>,
}

impl Former {
    fn knows(&self, name: &str, events: &[Event]) {
        let mut state = State::default();
        for event in events {
            drop(state.fold(event));
        }
        self.knows.borrow_mut().insert(buyer(name), State { sequence: Sequence::START, ..state });
    }
}

impl Legacy for &Former {
    async fn hand_over(
        &self,
        buyer: &BuyerId,
        handover: Handover,
    ) -> Result<Option<State>, LegacyUnavailable> {
        self.questions.borrow_mut().push(handover);
        if self.is_away.get() {
            return Err(LegacyUnavailable { buyer: buyer.clone(), source: "the test says so".into() });
        }
        Ok(self.knows.borrow().get(buyer).cloned())
    }
}

type Taking = Recorder<&'static Streams, &'static Letters, Still, &'static Former>;

fn taking_over(world: &World) -> (&'static Former, Taking) {
    let former: &Former = Box::leak(Box::default());
    (former, world.cold().taking_over_from(former))
}

fn messages(name: &str, events: &[Event]) -> Vec<Sent> {
    let buyer = buyer(name);
    let number = |(index, event)| sent(&format!("{name}-{index}"), &buyer, body(&buyer, event));
    events.iter().enumerate().map(number).collect()
}

/// The words for every fact of a buyer, in order, and the keys of what they call for.
fn story(world: &World, name: &str) -> (Vec<&'static str>, Vec<String>) {
    let commits = block_on(history(&world.streams.memory, &buyer(name))).unwrap();
    let facts = commits.iter().flat_map(|commit| &commit.facts).map(Fact::name).collect();
    (facts, commits.iter().flat_map(|commit| &commit.effects).map(domain::Effect::key).collect())
}

#[test]
fn the_first_commit_of_a_buyer_begins_with_what_the_former_system_knows() {
    let world = world();
    let (former, recorder) = taking_over(&world);
    former.knows("ada", &[made("car-1")]);
    assert_eq!(deliver(&recorder, &messages("ada", &[accepted("car-1").v(2)])), [""; 0]);
    let effects = ["closed/low/1", "opened/high/car-1/2", "accepted-email/car-1/2"].map(str::to_owned);
    assert_eq!(story(&world, "ada"), (vec!["migrated", "accepted"], effects.to_vec()));
    assert_eq!((world.commits(), former.questions.take()), (1, vec![Handover::First]));

    // Known by now: the former system is not asked again, by nobody.
    deliver(&recorder, &messages("ada", &[acceptance_withdrawn("car-1").v(3)]));
    let other = world.cold().taking_over_from(former);
    deliver(&other, &messages("ada", &[withdrawn("car-1").v(4)]));
    assert_eq!(former.questions.take(), []);
}

#[test]
fn a_first_event_that_the_former_system_knows_hands_the_buyer_over_all_the_same() {
    let world = world();
    let (former, recorder) = taking_over(&world);
    former.knows("ada", &[made("car-1"), accepted("car-1").v(2)]);
    assert_eq!(deliver(&recorder, &messages("ada", &[made("car-1")])), [""; 0]);
    assert_eq!(story(&world, "ada"), (vec!["migrated"], Vec::new()));
    assert_eq!(world.dead(), []);
}

#[test]
fn a_buyer_whom_the_former_system_does_not_know_is_new() {
    let world = world();
    let (_, recorder) = taking_over(&world);
    deliver(&recorder, &messages("ada", &[made("car-1")]));
    assert_eq!(story(&world, "ada").0, ["made"]);
}

#[test]
fn while_the_former_system_is_away_its_buyers_come_back_and_known_ones_go_on() {
    let world = world();
    let (former, recorder) = taking_over(&world);
    deliver(&recorder, &messages("bob", &[made("car-1")]));
    former.is_away.set(true);
    let both = [
        messages("ada", &[made("car-1"), accepted("car-1").v(2)]),
        messages("bob", &[accepted("car-1").v(2)]),
    ];
    assert_eq!(deliver(&recorder, &both.concat()), ["ada-0", "ada-1"]);
    assert_eq!(story(&world, "bob").0, ["made", "accepted"]);
    former.is_away.set(false);
    assert_eq!(deliver(&recorder, &both.concat()), [""; 0]);
    assert_eq!(story(&world, "ada").0, ["made", "accepted"]);
}

#[test]
fn of_two_first_sights_at_once_one_is_recorded() {
    let world = world();
    let (former, recorder) = taking_over(&world);
    former.knows("ada", &[made("car-1")]);
    world.fault(&buyer("ada"), "append", Fault::Overtaken);
    assert_eq!(deliver(&recorder, &messages("ada", &[accepted("car-1").v(2)])), [""; 0]);
    assert_eq!(story(&world, "ada").0, ["migrated", "accepted"]);
    world.fault(&buyer("ada"), "append", Fault::After);
    let taken_back = messages("ada", &[acceptance_withdrawn("car-1").v(3)]);
    assert_eq!(deliver(&recorder, &taken_back), ["ada-0"]);
    assert_eq!(deliver(&recorder, &taken_back), [""; 0]);
    assert_eq!(story(&world, "ada").0, ["migrated", "accepted", "acceptance-withdrawn"]);
}

#[test]
fn a_buyer_given_back_is_asked_about_anew() {
    let world = world();
    let (former, recorder) = taking_over(&world);
    deliver(&recorder, &messages("ada", &[made("car-1"), accepted("car-1").v(2)]));
    former.knows("ada", &[made("car-1"), accepted("car-1").v(2), made("car-2")]);
    let knows = former.knows.borrow().get(&buyer("ada")).cloned().unwrap();
    let grounds = ResetGrounds { settled_through: Sequence::new(2), former: &knows };
    let streams = &world.streams.memory;
    block_on(reset(streams, &Still, Performing::Live, &buyer("ada"), grounds)).unwrap().unwrap();

    // A recorder that remembers the old head finds an occupied place, and what lies there.
    assert_eq!(deliver(&recorder, &messages("ada", &[withdrawn("car-1").v(3)])), [""; 0]);
    let (facts, effects) = story(&world, "ada");
    assert_eq!(facts, ["reset", "migrated", "withdrawn"]);
    assert_eq!(
        effects.get(6..).unwrap(),
        ["quote/car-2", "closed/high/car-1/2", "opened/low/5", "quote-email"]
    );
    assert_eq!(former.questions.take(), [Handover::First, Handover::Anew]);
}

#[test]
fn a_recorder_that_remembers_an_older_head_than_what_was_emptied_loads_again() {
    let world = world();
    world.deliver(&messages("ada", &[made("car-1")]));
    deliver(&world.cold(), &messages("ada", &[accepted("car-1").v(2)]));
    block_on(erase(&world.streams.memory, &Still, Performing::Live, &buyer("ada"))).unwrap().unwrap();
    assert_eq!(world.deliver(&messages("ada", &[acceptance_withdrawn("car-1").v(3)])), [""; 0]);
    assert_eq!(story(&world, "ada").0, ["erased", "acceptance-withdrawn"]);
}

#[test]
fn of_an_erased_buyer_nothing_personal_is_recorded_and_nothing_is_done() {
    let world = world();
    world.deliver(&messages("ada", &[made("car-1")]));
    block_on(erase(&world.streams.memory, &Still, Performing::Live, &buyer("ada"))).unwrap().unwrap();
    let mut talkative = rejected("car-1").v(3);
    talkative.change = domain::OfferChange::Rejected { reason: Some("Ada Canary is no buyer".to_owned()) };
    let later = messages("ada", &[made("car-2"), accepted("car-2").v(2), talkative]);
    assert_eq!(world.deliver(&later), [""; 0]);
    assert_eq!(world.deliver(&later), [""; 0], "recognised without what it said");
    assert_eq!(story(&world, "ada").0, ["erased", "made", "accepted", "rejected"]);
    let stored = format!("{:?}", world.streams.memory.commits()).to_lowercase();
    assert!(!stored.contains("canary") && !stored.contains("+61"), "{stored}");
    assert_eq!(world.dead(), []);
    let state = block_on(load(&world.streams.memory, &buyer("ada"))).unwrap().state;
    assert_eq!(state.open_leads().count(), 0);
}

#[test]
fn a_repeat_of_what_is_not_emptied_yet_is_recognised() {
    let world = world();
    world.deliver(&messages("ada", &[made("car-1")]));
    let state = block_on(load(&world.streams.memory, &buyer("ada"))).unwrap();
    let mut appending = Appending::onto(state);
    let erased = appending.state().erased();
    appending.take(erased);
    let (commit, _) = appending.commit(&buyer("ada"), Performing::Live, Still.now()).unwrap();
    block_on(world.streams.memory.append(&commit)).unwrap();
    assert_eq!(deliver(&world.cold(), &messages("ada", &[made("car-1")])), [""; 0]);
    assert_eq!((world.dead(), world.commits()), (Vec::new(), 2));
}

#[test]
fn a_version_declared_void_is_a_dead_letter_when_it_comes_after_all() {
    let world = world();
    world.deliver(&messages("ada", &[made("car-1"), acceptance_withdrawn("car-1").v(3)]));
    let through = OfferVersion::new(2).unwrap();
    let streams = &world.streams.memory;
    let (of, id) = (buyer("ada"), offer("car-1"));
    block_on(void(streams, &Still, Performing::Live, &of, &id, through)).unwrap().unwrap();
    assert_eq!(world.deliver(&messages("ada", &[accepted("car-1").v(2), withdrawn("car-1").v(4)])), [""; 0]);
    assert_eq!(world.dead(), [("ada-0".to_owned(), "voided")]);
    assert_eq!(story(&world, "ada").0, ["made", "acceptance-withdrawn", "voided", "withdrawn"]);
}

#[test]
fn in_shadow_everything_is_recorded_and_marked_until_a_buyer_is_live() {
    let world = world();
    let shadow = world.cold().performing(Performing::Shadow);
    deliver(&shadow, &messages("ada", &[made("car-1")]));
    deliver(&world.recorder, &messages("ada", &[accepted("car-1").v(2)]));
    deliver(&shadow, &messages("ada", &[acceptance_withdrawn("car-1").v(3)]));
    deliver(&world.cold().performing(Performing::Shadow), &messages("ada", &[withdrawn("car-1").v(4)]));
    let shadows: Vec<bool> = world.streams.memory.commits().iter().map(|commit| commit.shadow).collect();
    assert_eq!(shadows, [true, false, false, false]);
}
