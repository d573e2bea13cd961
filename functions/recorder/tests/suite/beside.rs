//! Tests of a recorder beside a former system: buyers in shadow, handed over and live, and operators' decisions.
//!
//! The rules are those of `docs/adr/0021-beside-the-former-system.md`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use domain::{BuyerId, Event, Fact, FormerLeadId, Known, OfferVersion, State};
use event_store::{Appending, EventStore as _, erase, history, load, reset, void};
use futures::executor::block_on;
use legacy::{Answer, Legacy, LegacyUnavailable};
use recorder::dead_letters::MemoryDeadLetters;
use recorder::{LiveShare, Recorder};
use testkit::hooks::Fate;
use testkit::{TestClock, acceptance_withdrawn, accepted, at, body, buyer, made, offer, rejected, withdrawn};

use crate::given::{Sent, Streams, World, deliver, deliver_times, held_limit, sent, world};

/// A former system in memory that can be made unavailable.
#[derive(Debug, Default)]
struct Former {
    knows: RefCell<BTreeMap<BuyerId, Known>>,
    handed_over: RefCell<BTreeMap<BuyerId, Known>>,
    is_unavailable: Cell<bool>,
    /// The requests: `GET` or `POST`, and the buyer.
    requests: RefCell<Vec<(&'static str, String)>>,
}

impl Former {
    /// Sets what the system knows of a buyer: these events, an open low lead, and open high leads by offer.
    fn knows(&self, name: &str, events: &[Event], low: Option<&str>, high: &[(&str, &str)]) {
        let mut state = State::default();
        for event in events {
            state.fold(&event.into());
        }
        let lead = |name: &str| FormerLeadId::parse(name).unwrap();
        let mut known = Known { offers: state.offers.into(), low_lead: low.map(lead), was_invited: true };
        for (id, name) in high {
            known.offers.get_mut(&offer(id)).unwrap().former_lead = Some(lead(name));
        }
        self.knows.borrow_mut().insert(buyer(name), known);
    }

    fn ask(&self, method: &'static str, buyer: &BuyerId) -> Result<Known, LegacyUnavailable> {
        self.requests.borrow_mut().push((method, buyer.to_string()));
        if self.is_unavailable.get() {
            return Err(LegacyUnavailable { buyer: buyer.clone(), source: "an injected fault".into() });
        }
        Ok(self.knows.borrow().get(buyer).cloned().unwrap_or_default())
    }

    /// The methods of the requests since the last call.
    fn take_requests(&self) -> Vec<&'static str> {
        self.requests.take().into_iter().map(|(method, _)| method).collect()
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

type Beside = Recorder<Streams, &'static MemoryDeadLetters, TestClock, &'static Former>;

fn former() -> &'static Former {
    Box::leak(Box::default())
}

/// A recorder that remembers nothing, beside this former system, with every buyer going live.
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

/// The names of a buyer's facts, and the keys of the effects that Leadstream performs, in order.
fn story(world: &World, name: &str) -> (Vec<&'static str>, Vec<String>) {
    let commits = block_on(history(world.streams.inner, &buyer(name))).unwrap();
    let facts = commits.iter().flat_map(|commit| &commit.facts).map(Fact::name).collect();
    let live = commits.iter().filter(|commit| !commit.is_shadow).flat_map(|commit| &commit.effects);
    (facts, live.map(domain::Effect::key).collect())
}

fn facts(world: &World, name: &str) -> Vec<&'static str> {
    story(world, name).0
}

fn is_live(world: &World, name: &str) -> bool {
    block_on(load(world.streams.inner, &buyer(name))).unwrap().is_live
}

#[test]
fn in_shadow_a_buyer_is_looked_up_once_and_stays_with_the_former_system() {
    let (world, former) = (world(), former());
    former.knows("ada", &[made("car-1")], Some("L-1"), &[]);
    let recorder = shadow(&world, former);
    assert_eq!(deliver(&recorder, &messages("ada", &[accepted("car-1").v(2)])), [""; 0]);
    assert_eq!(story(&world, "ada"), (vec!["migrated", "accepted"], Vec::new()));
    assert_eq!((former.take_requests(), is_live(&world, "ada")), (vec!["GET"], false));
    deliver(&shadow(&world, former), &messages("ada", &[withdrawn("car-1").v(3)]));
    deliver(&recorder, &messages("bob", &[made("car-1")]));
    assert_eq!(facts(&world, "bob"), ["migrated", "made"], "a 404 is an answer too");
    assert_eq!(former.take_requests(), ["GET"], "only for bob");
}

#[test]
fn a_buyer_recorded_without_a_former_system_is_looked_up_later() {
    let (world, former) = (world(), former());
    let alone = world.cold().live(LiveShare::NOBODY);
    deliver(&alone, &messages("ada", &[accepted("car-1").v(2)]));
    former.knows("ada", &[made("car-1")], Some("L-1"), &[]);
    deliver(&shadow(&world, former), &messages("ada", &[made("car-2")]));
    assert_eq!(
        (former.take_requests(), facts(&world, "ada")),
        (vec!["GET"], vec!["accepted", "migrated", "made"])
    );
    let state = block_on(load(world.streams.inner, &buyer("ada"))).unwrap().state;
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
    assert_eq!((former.take_requests(), world.commits()), (vec!["GET", "POST"], 2));

    // The stream makes the buyer live permanently: the former system is not asked again, whatever the setting.
    deliver(&shadow(&world, former), &messages("ada", &[acceptance_withdrawn("car-1").v(3)]));
    let alone = world.cold().live(LiveShare::NOBODY);
    deliver(&alone, &messages("ada", &[withdrawn("car-1").v(4)]));
    assert_eq!((former.take_requests(), is_live(&world, "ada")), (Vec::new(), true));
    let more = ["closed/high/car-1/2", "opened/low/4", "closed/low/4"];
    assert_eq!(story(&world, "ada").1.get(3..).unwrap(), more);
}

#[test]
fn a_buyer_is_handed_over_even_if_no_event_is_new() {
    let (world, former) = (world(), former());
    former.knows("ada", &[made("car-1"), accepted("car-1").v(2)], None, &[("car-1", "H-1")]);
    deliver(&shadow(&world, former), &messages("ada", &[made("car-1")]));
    deliver(&live(&world, former), &messages("ada", &[made("car-1")]));
    assert_eq!(story(&world, "ada"), (vec!["migrated", "handed-over"], Vec::new()));
    assert_eq!(world.dead(), []);
}

#[test]
fn the_handover_answer_fills_the_gaps_of_a_buyer_first_seen_live() {
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
fn the_limit_of_held_events_does_not_apply_if_a_handover_fills_the_gap() {
    let (world, former) = (world(), former());
    let alone = world.cold().live(LiveShare::NOBODY);
    let last = 2 + held_limit();
    let early: Vec<Event> = (2..last).map(|version| withdrawn("car-1").v(version)).collect();
    for batch in early.chunks(10) {
        deliver(&alone, &messages("ada", batch));
    }
    former.knows("ada", &[made("car-1")], Some("L-1"), &[]);
    deliver(&live(&world, former), &messages("ada", &[withdrawn("car-1").v(last)]));
    assert_eq!(world.dead(), []);
    let state = block_on(load(world.streams.inner, &buyer("ada"))).unwrap().state;
    assert_eq!((state.held_count(), state.version_of(&offer("car-1"))), (0, OfferVersion::new(last)));
}

#[test]
fn without_a_former_system_a_new_buyer_is_live_without_a_handover() {
    let world = world();
    world.deliver(&messages("ada", &[made("car-1")]));
    assert_eq!((facts(&world, "ada"), is_live(&world, "ada")), (vec!["made"], true));
}

#[test]
fn a_buyer_never_looked_up_goes_live_without_a_former_system() {
    let world = world();
    deliver(&world.cold().live(LiveShare::NOBODY), &messages("ada", &[made("car-1")]));
    world.deliver(&messages("ada", &[made("car-2")]));
    let effects = ["quote/car-1", "quote/car-2", "opened/low/3", "quote-email"].map(str::to_owned);
    assert_eq!(story(&world, "ada"), (vec!["made", "made", "handed-over"], effects.to_vec()));
}

#[test]
fn a_buyer_looked_up_before_waits_for_the_former_systems_setting() {
    let (world, former) = (world(), former());
    deliver(&shadow(&world, former), &messages("ada", &[made("car-1")]));
    let later = messages("ada", &[accepted("car-1").v(2)]);
    assert_eq!(deliver(&world.cold(), &later), ["ada-0"]);
    assert_eq!(deliver(&live(&world, former), &later), [""; 0]);
    assert_eq!(facts(&world, "ada"), ["migrated", "made", "accepted", "handed-over"]);
}

#[test]
fn a_redelivered_message_in_shadow_causes_another_lookup() {
    let (world, former) = (world(), former());
    former.knows("ada", &[made("car-1")], Some("L-1"), &[]);
    deliver(&shadow(&world, former), &messages("ada", &[made("car-1")]));
    let accepting = messages("ada", &[accepted("car-1").v(2)]);
    former.take_requests();

    // An invocation with the live setting requested the handover and then failed.
    block_on((&former).hand_over(&buyer("ada"))).unwrap();
    assert_eq!(deliver_times(&shadow(&world, former), &accepting, 2), [""; 0]);
    assert_eq!(former.take_requests(), ["POST", "GET", "POST"]);
    assert_eq!(facts(&world, "ada"), ["migrated", "accepted", "handed-over"]);

    deliver(&shadow(&world, former), &messages("bob", &[made("car-1")]));
    deliver_times(&shadow(&world, former), &messages("bob", &[accepted("car-1").v(2)]), 2);
    assert_eq!(former.take_requests(), ["GET", "GET"], "not handed over, so it stays in shadow");
    assert_eq!(facts(&world, "bob"), ["migrated", "made", "accepted"]);
}

#[test]
fn without_the_former_system_only_live_buyers_are_recorded() {
    let (world, former) = (world(), former());
    let recorder = live(&world, former);
    deliver(&recorder, &messages("bob", &[made("car-1")]));
    former.is_unavailable.set(true);
    let both = [
        messages("ada", &[made("car-1"), accepted("car-1").v(2)]),
        messages("bob", &[accepted("car-1").v(2)]),
    ];
    assert_eq!(deliver(&recorder, &both.concat()), ["ada-0", "ada-1"]);
    assert_eq!(facts(&world, "bob"), ["made", "handed-over", "accepted"]);
    former.is_unavailable.set(false);
    assert_eq!(deliver(&recorder, &both.concat()), [""; 0]);
    assert_eq!(facts(&world, "ada"), ["made", "accepted", "handed-over"]);
}

#[test]
fn after_a_conflict_the_former_system_is_asked_again() {
    let (world, former) = (world(), former());
    former.knows("ada", &[made("car-1")], Some("L-1"), &[]);
    world.overtake(&buyer("ada"));
    assert_eq!(deliver(&live(&world, former), &messages("ada", &[accepted("car-1").v(2)])), [""; 0]);
    assert_eq!(facts(&world, "ada"), ["accepted", "handed-over"]);
    world.fault(&buyer("eve"), "append", Fate::LosesAnswer);
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
fn a_reset_buyer_is_looked_up_again() {
    let (world, former) = (world(), former());
    let there = [made("car-1"), accepted("car-1").v(2), made("car-2")];
    former.knows("ada", &there, None, &[("car-1", "H-1")]);
    let recorder = shadow(&world, former);
    deliver(&recorder, &messages("ada", &there[..2]));
    let answer = block_on((&former).look_up(&buyer("ada"))).unwrap();
    block_on(reset(world.streams.inner, &TestClock::default(), &buyer("ada"), &answer)).unwrap().unwrap();
    former.take_requests();

    // The recorder remembers the old head, so its append conflicts, and it adopts the stored reset.
    assert_eq!(deliver(&recorder, &messages("ada", &[withdrawn("car-1").v(3)])), [""; 0]);
    assert_eq!(facts(&world, "ada"), ["migrated", "reset", "migrated", "withdrawn"]);
    assert_eq!(former.take_requests(), ["GET"]);
}

#[test]
fn answers_about_an_erased_buyer_are_recorded_without_contacts() {
    let (world, former) = (world(), former());
    deliver(&world.cold().live(LiveShare::NOBODY), &messages("ada", &[made("car-1")]));
    block_on(erase(world.streams.inner, &TestClock::default(), &buyer("ada"))).unwrap().unwrap();
    former.knows("ada", &[made("car-1"), made("car-2")], Some("L-1"), &[]);
    deliver(&shadow(&world, former), &messages("ada", &[accepted("car-1").v(2)]));
    deliver(&live(&world, former), &messages("ada", &[withdrawn("car-2").v(2)]));
    let facts = facts(&world, "ada");
    assert_eq!(facts, ["made", "erased", "migrated", "accepted", "withdrawn", "handed-over"]);
    assert_eq!(story(&world, "ada").1, ["closed/L-1"]);
    let stored = format!("{:?}", world.streams.inner.commits()).to_lowercase();
    assert!(!stored.contains("canary") && !stored.contains("+61"), "{stored}");
}

#[test]
fn a_recorder_with_a_stale_head_notices_that_the_buyer_is_erased() {
    let world = world();
    world.deliver(&messages("ada", &[made("car-1")]));
    deliver(&world.cold(), &messages("ada", &[accepted("car-1").v(2)]));
    block_on(erase(world.streams.inner, &TestClock::default(), &buyer("ada"))).unwrap().unwrap();
    assert_eq!(world.deliver(&messages("ada", &[acceptance_withdrawn("car-1").v(3)])), [""; 0]);
    assert_eq!(facts(&world, "ada"), ["made", "accepted", "erased", "acceptance-withdrawn"]);
}

#[test]
fn events_of_an_erased_buyer_are_recorded_without_personal_data() {
    let world = world();
    world.deliver(&messages("ada", &[made("car-1")]));
    block_on(erase(world.streams.inner, &TestClock::default(), &buyer("ada"))).unwrap().unwrap();
    let mut talkative = rejected("car-1").v(3);
    talkative.change = domain::OfferChange::Rejected { reason: Some("Ada Canary is no buyer".to_owned()) };
    let later = messages("ada", &[made("car-2"), accepted("car-2").v(2), talkative]);
    assert_eq!(world.deliver(&later), [""; 0]);
    assert_eq!(world.deliver(&later), [""; 0], "recognised without the personal data");
    assert_eq!(facts(&world, "ada"), ["made", "erased", "made", "accepted", "rejected"]);
    let stored = format!("{:?}", world.streams.inner.commits()).to_lowercase();
    assert!(!stored.contains("canary") && !stored.contains("+61"), "{stored}");
    assert_eq!(world.dead(), []);
    let state = block_on(load(world.streams.inner, &buyer("ada"))).unwrap().state;
    assert_eq!(state.open_leads().count(), 0);
}

#[test]
fn a_repeat_is_recognised_before_an_erasure_is_complete() {
    let world = world();
    world.deliver(&messages("ada", &[made("car-1")]));
    let state = block_on(load(world.streams.inner, &buyer("ada"))).unwrap();
    let mut appending = Appending::onto(state).live();
    appending.take(Fact::Erased(None));
    let (commit, _) = appending.commit(&buyer("ada"), at("10:00:00")).unwrap();
    block_on(world.streams.inner.append(&commit)).unwrap();
    assert_eq!(deliver(&world.cold(), &messages("ada", &[made("car-1")])), [""; 0]);
    assert_eq!((world.dead(), world.commits()), (Vec::new(), 2));
}

#[test]
fn a_late_event_with_a_voided_version_is_a_dead_letter() {
    let world = world();
    world.deliver(&messages("ada", &[made("car-1"), acceptance_withdrawn("car-1").v(3)]));
    let through = OfferVersion::new(2).unwrap();
    let streams = world.streams.inner;
    let (of, id) = (buyer("ada"), offer("car-1"));
    block_on(void(streams, &TestClock::default(), &of, &id, through)).unwrap().unwrap();
    assert_eq!(world.deliver(&messages("ada", &[accepted("car-1").v(2), withdrawn("car-1").v(4)])), [""; 0]);
    assert_eq!(world.dead(), [("ada-0".to_owned(), "voided")]);
    assert_eq!(facts(&world, "ada"), ["made", "acceptance-withdrawn", "voided", "withdrawn"]);
}
