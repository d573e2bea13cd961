//! Beside a former system: buyers in shadow, handed over and live; and what operators decide about them.
//!
//! The rules' numbers are those of `docs/adr/0021-beside-the-former-system.md`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use domain::{BuyerId, Event, Fact, FormerLeadId, Known, OfferVersion, State};
use event_store::{Appending, EventStore as _, erase, history, load, reset, void};
use futures::executor::block_on;
use legacy::{Answer, Legacy, LegacyUnavailable};
use platform::clock::Clock as _;
use recorder::{LiveShare, Recorder};
use testkit::{acceptance_withdrawn, accepted, body, buyer, made, offer, rejected, withdrawn};

use crate::given::{Fault, Letters, Sent, Still, Streams, World, deliver, deliver_times, sent, world};

/// A former system that knows some buyers, and can be away.
#[derive(Debug, Default)]
struct Former {
    knows: RefCell<BTreeMap<BuyerId, Known>>,
    handed_over: RefCell<BTreeMap<BuyerId, Known>>,
    is_away: Cell<bool>,
    /// What it was asked: `GET` or `POST`, and of whom.
    asked: RefCell<Vec<(&'static str, String)>>,
}

impl Former {
    /// It has seen these events, and has these leads open: of the buyer, and of offers.
    fn knows(&self, name: &str, events: &[Event], low: Option<&str>, high: &[(&str, &str)]) {
        let mut state = State::default();
        for event in events {
            drop(state.fold(event));
        }
        let lead = |name: &str| FormerLeadId::parse(name).unwrap();
        let mut known = Known { offers: state.offers.into(), low_lead: low.map(lead), was_invited: true };
        for (id, name) in high {
            known.offers.get_mut(&offer(id)).unwrap().former_lead = Some(lead(name));
        }
        self.knows.borrow_mut().insert(buyer(name), known);
    }

    fn ask(&self, what: &'static str, buyer: &BuyerId) -> Result<Known, LegacyUnavailable> {
        self.asked.borrow_mut().push((what, buyer.to_string()));
        if self.is_away.get() {
            return Err(LegacyUnavailable { buyer: buyer.clone(), source: "the test says so".into() });
        }
        Ok(self.knows.borrow().get(buyer).cloned().unwrap_or_default())
    }

    /// What it was asked since the last call of this.
    fn asked(&self) -> Vec<&'static str> {
        self.asked.take().into_iter().map(|(what, _)| what).collect()
    }
}

impl Legacy for &Former {
    async fn look_up(&self, buyer: &BuyerId) -> Result<Answer, LegacyUnavailable> {
        let known = self.ask("GET", buyer)?;
        Ok(Answer { known, is_handed_over: self.handed_over.borrow().contains_key(buyer) })
    }

    async fn hand_over(&self, buyer: &BuyerId) -> Result<Known, LegacyUnavailable> {
        let known = self.ask("POST", buyer)?;
        Ok(self.handed_over.borrow_mut().entry(buyer.clone()).or_insert(known).clone())
    }
}

type Beside = Recorder<&'static Streams, &'static Letters, Still, &'static Former>;

fn former() -> &'static Former {
    Box::leak(Box::default())
}

/// A recorder that remembers nothing, beside this former system.
fn live(world: &World, former: &'static Former) -> Beside {
    world.cold().beside(Some(former))
}

fn shadow(world: &World, former: &'static Former) -> Beside {
    live(world, former).live(LiveShare::NOBODY)
}

fn messages(name: &str, events: &[Event]) -> Vec<Sent> {
    let buyer = buyer(name);
    let number = |(index, event)| sent(&format!("{name}-{index}"), &buyer, body(&buyer, event));
    events.iter().enumerate().map(number).collect()
}

/// The words for every fact of a buyer, in order, and the keys of the effects that are to be performed.
fn story(world: &World, name: &str) -> (Vec<&'static str>, Vec<String>) {
    let commits = block_on(history(&world.streams.memory, &buyer(name))).unwrap();
    let facts = commits.iter().flat_map(|commit| &commit.facts).map(Fact::name).collect();
    let live = commits.iter().filter(|commit| !commit.is_shadow).flat_map(|commit| &commit.effects);
    (facts, live.map(domain::Effect::key).collect())
}

fn facts(world: &World, name: &str) -> Vec<&'static str> {
    story(world, name).0
}

fn is_live(world: &World, name: &str) -> bool {
    block_on(load(&world.streams.memory, &buyer(name))).unwrap().is_live
}

#[test]
fn in_shadow_a_buyer_is_looked_up_once_and_stays_with_the_former_system() {
    let (world, former) = (world(), former());
    former.knows("ada", &[made("car-1")], Some("L-1"), &[]);
    let recorder = shadow(&world, former);
    assert_eq!(deliver(&recorder, &messages("ada", &[accepted("car-1").v(2)])), [""; 0]);
    assert_eq!(story(&world, "ada"), (vec!["migrated", "accepted"], Vec::new()));
    assert_eq!((former.asked(), is_live(&world, "ada")), (vec!["GET"], false));
    deliver(&shadow(&world, former), &messages("ada", &[withdrawn("car-1").v(3)]));
    deliver(&recorder, &messages("bob", &[made("car-1")]));
    assert_eq!(facts(&world, "bob"), ["migrated", "made"], "a 404 is an answer as well");
    assert_eq!(former.asked(), ["GET"], "of bob only");
}

#[test]
fn a_buyer_first_seen_without_a_former_system_is_looked_up_once_there_is_one() {
    let (world, former) = (world(), former());
    let blind = world.cold().live(LiveShare::NOBODY);
    deliver(&blind, &messages("ada", &[accepted("car-1").v(2)]));
    former.knows("ada", &[made("car-1")], Some("L-1"), &[]);
    deliver(&shadow(&world, former), &messages("ada", &[made("car-2")]));
    assert_eq!((former.asked(), facts(&world, "ada")), (vec!["GET"], vec!["accepted", "migrated", "made"]));
    let state = block_on(load(&world.streams.memory, &buyer("ada"))).unwrap().state;
    assert_eq!((state.held_count(), state.has_high_lead()), (0, true));
}

#[test]
fn going_live_hands_the_buyer_over_and_announces_the_difference() {
    let (world, former) = (world(), former());
    former.knows("ada", &[made("car-1")], Some("L-1"), &[]);
    deliver(&shadow(&world, former), &messages("ada", &[made("car-1")]));
    let recorder = live(&world, former);
    deliver(&recorder, &messages("ada", &[accepted("car-1").v(2)]));
    let effects = ["closed/L-1", "opened/high/car-1/2", "accepted-email/car-1/2"].map(str::to_owned);
    assert_eq!(story(&world, "ada"), (vec!["migrated", "accepted", "handed-over"], effects.to_vec()));
    assert_eq!((former.asked(), world.commits()), (vec!["GET", "POST"], 2));

    // Live by its stream, for ever: nobody is asked again, whatever the setting says.
    deliver(&shadow(&world, former), &messages("ada", &[acceptance_withdrawn("car-1").v(3)]));
    let alone = world.cold().live(LiveShare::NOBODY);
    deliver(&alone, &messages("ada", &[withdrawn("car-1").v(4)]));
    assert_eq!((former.asked(), is_live(&world, "ada")), (Vec::new(), true));
    let more = ["closed/high/car-1/2", "opened/low/4", "closed/low/4"];
    assert_eq!(story(&world, "ada").1.get(3..).unwrap(), more);
}

#[test]
fn a_buyer_is_handed_over_also_where_no_event_is_new() {
    let (world, former) = (world(), former());
    former.knows("ada", &[made("car-1"), accepted("car-1").v(2)], None, &[("car-1", "H-1")]);
    deliver(&shadow(&world, former), &messages("ada", &[made("car-1")]));
    deliver(&live(&world, former), &messages("ada", &[made("car-1")]));
    assert_eq!(story(&world, "ada"), (vec!["migrated", "handed-over"], Vec::new()));
    assert_eq!(world.dead(), []);
}

#[test]
fn at_first_sight_live_what_the_former_system_knows_fills_every_gap() {
    let (world, former) = (world(), former());
    let there = [made("car-1"), accepted("car-1").v(2)];
    former.knows("ada", &there, None, &[("car-1", "H-1")]);
    let recorder = live(&world, former);
    deliver(&recorder, &messages("ada", &[acceptance_withdrawn("car-1").v(3)]));
    let effects = ["closed/H-1", "opened/low/2"].map(str::to_owned);
    assert_eq!(story(&world, "ada"), (vec!["acceptance-withdrawn", "handed-over"], effects.to_vec()));
    deliver(&recorder, &messages("bob", &[made("car-1")]));
    let effects = ["quote/car-1", "opened/low/2", "quote-email"].map(str::to_owned);
    assert_eq!(story(&world, "bob"), (vec!["made", "handed-over"], effects.to_vec()));
}

#[test]
fn more_than_may_be_held_is_taken_where_the_former_system_fills_the_gap() {
    let (world, former) = (world(), former());
    let blind = world.cold().live(LiveShare::NOBODY);
    for start in (2..52).step_by(10) {
        let early: Vec<Event> = (start..start + 10).map(|version| withdrawn("car-1").v(version)).collect();
        deliver(&blind, &messages("ada", &early));
    }
    former.knows("ada", &[made("car-1")], Some("L-1"), &[]);
    deliver(&live(&world, former), &messages("ada", &[withdrawn("car-1").v(52)]));
    assert_eq!(world.dead(), []);
    let state = block_on(load(&world.streams.memory, &buyer("ada"))).unwrap().state;
    assert_eq!((state.held_count(), state.version_of(&offer("car-1"))), (0, OfferVersion::new(52)));
}

#[test]
fn without_a_former_system_a_new_buyer_is_live_and_nobody_is_handed_over() {
    let world = world();
    world.deliver(&messages("ada", &[made("car-1")]));
    assert_eq!((facts(&world, "ada"), is_live(&world, "ada")), (vec!["made"], true));
}

#[test]
fn who_was_never_asked_about_goes_live_without_a_former_system_as_after_a_404() {
    let world = world();
    deliver(&world.cold().live(LiveShare::NOBODY), &messages("ada", &[made("car-1")]));
    world.deliver(&messages("ada", &[made("car-2")]));
    let effects = ["quote/car-1", "quote/car-2", "opened/low/3", "quote-email"].map(str::to_owned);
    assert_eq!(story(&world, "ada"), (vec!["made", "made", "handed-over"], effects.to_vec()));
}

#[test]
fn who_was_asked_about_waits_until_the_former_system_is_configured_again() {
    let (world, former) = (world(), former());
    deliver(&shadow(&world, former), &messages("ada", &[made("car-1")]));
    let later = messages("ada", &[accepted("car-1").v(2)]);
    assert_eq!(deliver(&world.cold(), &later), ["ada-0"]);
    assert_eq!(deliver(&live(&world, former), &later), [""; 0]);
    assert_eq!(facts(&world, "ada"), ["migrated", "made", "accepted", "handed-over"]);
}

#[test]
fn a_message_that_comes_again_in_shadow_causes_another_look() {
    let (world, former) = (world(), former());
    former.knows("ada", &[made("car-1")], Some("L-1"), &[]);
    deliver(&shadow(&world, former), &messages("ada", &[made("car-1")]));
    let accepting = messages("ada", &[accepted("car-1").v(2)]);
    former.asked();

    // Whoever took it while the setting was live had the buyer handed over, and ended there.
    block_on((&former).hand_over(&buyer("ada"))).unwrap();
    assert_eq!(deliver_times(&shadow(&world, former), &accepting, 2), [""; 0]);
    assert_eq!(former.asked(), ["POST", "GET", "POST"]);
    assert_eq!(facts(&world, "ada"), ["migrated", "accepted", "handed-over"]);

    deliver(&shadow(&world, former), &messages("bob", &[made("car-1")]));
    deliver_times(&shadow(&world, former), &messages("bob", &[accepted("car-1").v(2)]), 2);
    assert_eq!(former.asked(), ["GET", "GET"], "not handed over: it stays in shadow");
    assert_eq!(facts(&world, "bob"), ["migrated", "made", "accepted"]);
}

#[test]
fn while_the_former_system_is_away_buyers_in_question_come_back_and_live_ones_go_on() {
    let (world, former) = (world(), former());
    let recorder = live(&world, former);
    deliver(&recorder, &messages("bob", &[made("car-1")]));
    former.is_away.set(true);
    let both = [
        messages("ada", &[made("car-1"), accepted("car-1").v(2)]),
        messages("bob", &[accepted("car-1").v(2)]),
    ];
    assert_eq!(deliver(&recorder, &both.concat()), ["ada-0", "ada-1"]);
    assert_eq!(facts(&world, "bob"), ["made", "handed-over", "accepted"]);
    former.is_away.set(false);
    assert_eq!(deliver(&recorder, &both.concat()), [""; 0]);
    assert_eq!(facts(&world, "ada"), ["made", "accepted", "handed-over"]);
}

#[test]
fn after_a_conflict_the_former_system_is_asked_anew_and_one_handover_is_recorded() {
    let (world, former) = (world(), former());
    former.knows("ada", &[made("car-1")], Some("L-1"), &[]);
    world.fault(&buyer("ada"), "append", Fault::Overtaken);
    assert_eq!(deliver(&live(&world, former), &messages("ada", &[accepted("car-1").v(2)])), [""; 0]);
    assert_eq!(facts(&world, "ada"), ["accepted", "handed-over"]);
    world.fault(&buyer("eve"), "append", Fault::After);
    let recorder = shadow(&world, former);
    let first = messages("eve", &[made("car-1")]);
    assert_eq!(deliver(&recorder, &first), ["eve-0"]);
    assert_eq!(deliver(&recorder, &first), [""; 0]);
    assert_eq!(facts(&world, "eve"), ["migrated", "made"]);
}

#[test]
fn a_share_of_the_buyers_goes_live_and_the_others_stay_in_shadow() {
    let (world, former) = (world(), former());
    let share = LiveShare::percent(30).unwrap();
    let recorder = live(&world, former).live(share);
    for number in 0..40 {
        let name = format!("buyer-{number}");
        deliver(&recorder, &messages(&name, &[made("car-1")]));
        assert_eq!(is_live(&world, &name), share.includes(&buyer(&name)), "{name}");
    }
}

#[test]
fn a_buyer_who_was_reset_is_looked_up_anew() {
    let (world, former) = (world(), former());
    let there = [made("car-1"), accepted("car-1").v(2), made("car-2")];
    former.knows("ada", &there, None, &[("car-1", "H-1")]);
    let recorder = shadow(&world, former);
    deliver(&recorder, &messages("ada", &there[..2]));
    let answer = block_on((&former).look_up(&buyer("ada"))).unwrap();
    block_on(reset(&world.streams.memory, &Still, &buyer("ada"), &answer)).unwrap().unwrap();
    former.asked();

    // A recorder that remembers the old head finds the place taken, and the reset there.
    assert_eq!(deliver(&recorder, &messages("ada", &[withdrawn("car-1").v(3)])), [""; 0]);
    assert_eq!(facts(&world, "ada"), ["migrated", "reset", "migrated", "withdrawn"]);
    assert_eq!(former.asked(), ["GET"]);
}

#[test]
fn of_a_buyer_erased_in_shadow_no_answer_is_recorded_with_a_contact() {
    let (world, former) = (world(), former());
    deliver(&world.cold().live(LiveShare::NOBODY), &messages("ada", &[made("car-1")]));
    block_on(erase(&world.streams.memory, &Still, &buyer("ada"))).unwrap().unwrap();
    former.knows("ada", &[made("car-1"), made("car-2")], Some("L-1"), &[]);
    deliver(&shadow(&world, former), &messages("ada", &[accepted("car-1").v(2)]));
    deliver(&live(&world, former), &messages("ada", &[withdrawn("car-2").v(2)]));
    let facts = facts(&world, "ada");
    assert_eq!(facts, ["made", "erased", "migrated", "accepted", "withdrawn", "handed-over"]);
    assert_eq!(story(&world, "ada").1, ["closed/L-1"]);
    let stored = format!("{:?}", world.streams.memory.commits()).to_lowercase();
    assert!(!stored.contains("canary") && !stored.contains("+61"), "{stored}");
}

#[test]
fn a_recorder_that_remembers_an_older_head_finds_that_the_buyer_is_erased() {
    let world = world();
    world.deliver(&messages("ada", &[made("car-1")]));
    deliver(&world.cold(), &messages("ada", &[accepted("car-1").v(2)]));
    block_on(erase(&world.streams.memory, &Still, &buyer("ada"))).unwrap().unwrap();
    assert_eq!(world.deliver(&messages("ada", &[acceptance_withdrawn("car-1").v(3)])), [""; 0]);
    assert_eq!(facts(&world, "ada"), ["made", "accepted", "erased", "acceptance-withdrawn"]);
}

#[test]
fn of_an_erased_buyer_nothing_personal_is_recorded_and_nothing_is_done() {
    let world = world();
    world.deliver(&messages("ada", &[made("car-1")]));
    block_on(erase(&world.streams.memory, &Still, &buyer("ada"))).unwrap().unwrap();
    let mut talkative = rejected("car-1").v(3);
    talkative.change = domain::OfferChange::Rejected { reason: Some("Ada Canary is no buyer".to_owned()) };
    let later = messages("ada", &[made("car-2"), accepted("car-2").v(2), talkative]);
    assert_eq!(world.deliver(&later), [""; 0]);
    assert_eq!(world.deliver(&later), [""; 0], "recognised without what it said");
    assert_eq!(facts(&world, "ada"), ["made", "erased", "made", "accepted", "rejected"]);
    let stored = format!("{:?}", world.streams.memory.commits()).to_lowercase();
    assert!(!stored.contains("canary") && !stored.contains("+61"), "{stored}");
    assert_eq!(world.dead(), []);
    let state = block_on(load(&world.streams.memory, &buyer("ada"))).unwrap().state;
    assert_eq!(state.open_leads().count(), 0);
}

#[test]
fn a_repeat_of_what_is_not_cleared_yet_is_recognised() {
    let world = world();
    world.deliver(&messages("ada", &[made("car-1")]));
    let state = block_on(load(&world.streams.memory, &buyer("ada"))).unwrap();
    let mut appending = Appending::onto(state).live();
    appending.take(Fact::Erased(None));
    let (commit, _) = appending.commit(&buyer("ada"), Still.now()).unwrap();
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
    block_on(void(streams, &Still, &of, &id, through)).unwrap().unwrap();
    assert_eq!(world.deliver(&messages("ada", &[accepted("car-1").v(2), withdrawn("car-1").v(4)])), [""; 0]);
    assert_eq!(world.dead(), [("ada-0".to_owned(), "voided")]);
    assert_eq!(facts(&world, "ada"), ["made", "acceptance-withdrawn", "voided", "withdrawn"]);
}
