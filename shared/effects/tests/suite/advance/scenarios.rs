//! Runs the scenarios of `tests/data/scenarios.json`, with which all of Leadstream is tested. In shadow the former
//! system performs the effects; the cursor moves past them without recording anything about them.

use std::collections::BTreeMap;

use domain::{Effect, Event, Fact, FormerLeadId, Known};
use event_store::{Appended, Appending, EventStore as _, load};
use platform::clock::Clock as _;
use serde_json::Value;
use testkit::{SplitMix64, acceptance_withdrawn, accepted, made, offer, rejected, withdrawn};

use crate::world::{Seen, World, settled};

struct Scenario {
    name: String,
    deliveries: Vec<Delivery>,
    emails: Vec<String>,
    sales: Vec<String>,
}

struct Delivery {
    event: Event,
    /// The open leads without the time of their opening: `low`, `high/<offer>`.
    leads: Vec<String>,
    decided: Vec<String>,
    performed: Vec<String>,
}

fn scenarios() -> Vec<Scenario> {
    let file: Value = serde_json::from_str(include_str!("../../../../../tests/data/scenarios.json")).unwrap();
    let scenarios: Vec<_> = list(&file["scenarios"]).map(scenario).collect();
    assert!(scenarios.len() >= 10, "all scenarios are read");
    scenarios
}

fn scenario(json: &Value) -> Scenario {
    Scenario {
        name: text(&json["name"]),
        deliveries: list(&json["deliveries"]).map(delivery).collect(),
        emails: list(&json["emails"]).map(text).collect(),
        sales: list(&json["sales"]).map(text).collect(),
    }
}

fn delivery(json: &Value) -> Delivery {
    let (offer, version) = (json["offerId"].as_str().unwrap(), json["offerVersion"].as_u64().unwrap());
    let version = u32::try_from(version).unwrap();
    let event = match json["type"].as_str().unwrap() {
        "offer.made.v1" => made(offer),
        "offer.accepted.v1" => accepted(offer).v(version),
        "offer.acceptance-withdrawn.v1" => acceptance_withdrawn(offer).v(version),
        "offer.rejected.v1" => rejected(offer).v(version),
        "offer.withdrawn.v1" => withdrawn(offer).v(version),
        other => panic!("{other}"),
    };
    let high = list(&json["leads"]["high"]).map(|offer| format!("high/{}", text(offer)));
    let low = json["leads"]["low"].as_bool().unwrap().then(|| "low".to_owned());
    let effects = || list(&json["effects"]);
    Delivery {
        event,
        leads: high.chain(low).collect(),
        decided: effects().map(|effect| text(&effect["key"])).collect(),
        performed: effects()
            .map(|effect| format!("{} {}", text(&effect["key"]), text(&effect["settled"])))
            .collect(),
    }
}

fn list(json: &Value) -> impl Iterator<Item = &Value> {
    json.as_array().unwrap().iter()
}

fn text(json: &Value) -> String {
    json.as_str().unwrap().to_owned()
}

fn open_leads(world: &World) -> Vec<String> {
    let without_opening = |lead: String| lead.rsplit_once('/').unwrap().0.to_owned();
    world.open_leads().into_iter().map(without_opening).collect()
}

#[tokio::test]
async fn every_scenario_is_decided_performed_and_recorded_as_specified() {
    for Scenario { name, deliveries, emails, sales } in scenarios() {
        let world = World::new();
        for (sequence, Delivery { event, mut leads, decided, performed }) in (1..).zip(deliveries) {
            let commit = world.record(&[event]).await;
            let keys: Vec<String> = commit.effects.iter().map(Effect::key).collect();
            assert_eq!(keys, decided, "{name}, {sequence}: decided");

            let seen = world.advance().await;
            assert_eq!(seen, Seen { through: sequence, behind: None, performed }, "{name}, {sequence}");
            let mut open = open_leads(&world);
            open.sort();
            leads.sort();
            assert_eq!(open, leads, "{name}, {sequence}: open in the leads table");
        }
        assert_eq!((world.emails(), world.sales()), (emails, sales), "{name}: over the whole scenario");
    }
}

#[tokio::test]
async fn a_repeated_doorbell_does_nothing() {
    for Scenario { name, deliveries, emails, sales } in scenarios() {
        let world = World::new();
        assert_eq!(world.advance().await, settled(0, &[]), "{name}: a doorbell before anything is recorded");
        for (sequence, Delivery { event, .. }) in (1..).zip(deliveries) {
            world.record(&[event]).await;
            world.advance().await;
            let tables = world.tables();
            assert_eq!(world.advance().await, settled(sequence, &[]), "{name}, {sequence}");
            assert_eq!(world.tables(), tables, "{name}, {sequence}");
        }
        assert_eq!((world.emails(), world.sales()), (emails, sales), "{name}: over the whole scenario");
    }
}

/// With random doorbells and one at the end, each decided effect is performed once and in order, and no message is
/// repeated.
#[tokio::test]
async fn lost_repeated_and_late_doorbells_perform_each_effect_once_in_order() {
    let scenarios = scenarios();
    for seed in 0..40 {
        let mut chance = SplitMix64(seed);
        let worlds: Vec<World> = scenarios.iter().map(|_| World::new()).collect();
        let mut performed = BTreeMap::<usize, Vec<String>>::new();
        let mut to_record: Vec<_> = scenarios.iter().map(|scenario| scenario.deliveries.iter()).collect();
        for _ in 0..200 {
            let buyer = chance.below(worlds.len());
            if let Some(delivery) = to_record[buyer].next() {
                worlds[buyer].record(std::slice::from_ref(&delivery.event)).await;
            }
            let doorbell = chance.below(worlds.len());
            performed.entry(doorbell).or_default().extend(ring(&worlds[doorbell]).await);
        }
        for (buyer, world) in worlds.iter().enumerate() {
            let mine = performed.entry(buyer).or_default();
            mine.extend(ring(world).await);
            assert_eq!(*mine, world.decided().await, "seed {seed}, {}", scenarios[buyer].name);
            assert_eq!(repeated(world.emails()), Vec::<String>::new(), "seed {seed}");
            assert_eq!(repeated(world.sales()), Vec::<String>::new(), "seed {seed}");
            let mut open: Vec<String> =
                world.head().await.open_leads().map(|lead| lead.to_string()).collect();
            open.sort();
            let mut in_table = world.open_leads();
            in_table.sort();
            assert_eq!(in_table, open, "seed {seed}: the leads table");
        }
    }
}

async fn ring(world: &World) -> Vec<String> {
    let advanced = world.advance_over(&*world.streams, &world.leads, &world.outside).await;
    assert_eq!(advanced.behind, None);
    let effects = advanced.performed.iter().map(|performed| &performed.effect);
    effects.map(|effect| format!("{} {}", effect.sequence, effect.key())).collect()
}

fn repeated(mut all: Vec<String>) -> Vec<String> {
    all.sort();
    let mut once = all.clone();
    once.dedup();
    for one in once {
        let place = all.iter().position(|other| *other == one).unwrap();
        all.remove(place);
    }
    all
}

/// Records one commit, which is in shadow unless a handover is or was among the facts.
async fn record(world: &World, facts: impl IntoIterator<Item = Fact>) {
    let mut appending = Appending::onto(load(&*world.streams, &world.buyer).await.unwrap());
    for fact in facts {
        appending.take(fact);
    }
    let (commit, _) = appending.commit(&world.buyer, world.clock.now()).unwrap();
    assert_eq!(world.streams.append(&commit).await.unwrap(), Appended::Written);
}

/// The handover answer of a former system with the offers recorded so far, a low lead and a high lead for car-1.
async fn handed_over(world: &World, low: Option<&str>, high: Option<&str>) -> Fact {
    let mut offers: BTreeMap<_, _> = load(&*world.streams, &world.buyer).await.unwrap().state.offers.into();
    let lead = |name: &str| FormerLeadId::parse(name).unwrap();
    if let Some(known) = offers.get_mut(&offer("car-1")) {
        known.former_lead = high.map(lead);
    }
    Fact::HandedOver(Box::new(Known { offers, low_lead: low.map(lead), was_invited: true }))
}

#[tokio::test]
async fn in_shadow_nothing_is_sent_and_only_the_cursor_is_written() {
    let world = World::new();
    record(&world, [made("car-1").into()]).await;
    assert_eq!(world.advance().await, settled(1, &[]));
    assert_eq!((world.emails(), world.sales()), (Vec::new(), Vec::new()));
    assert!(world.ledger().is_empty() && world.open_leads().is_empty());
    assert_eq!(world.advance().await, settled(1, &[]));
}

#[tokio::test]
async fn after_a_handover_only_the_difference_to_the_answer_is_performed() {
    let world = World::new();
    record(&world, [made("car-1").into()]).await;
    world.advance().await;
    let answer = handed_over(&world, Some("L-1"), None).await;
    record(&world, [accepted("car-1").v(2).into(), answer]).await;
    let performed = ["closed/L-1 sent", "opened/high/car-1/2 sent", "accepted-email/car-1/2 sent"];
    assert_eq!(world.advance().await, settled(3, &performed));
    assert_eq!(world.sales(), ["closed/L-1", "opened/high/car-1/2"]);
    assert_eq!(world.emails(), ["accepted-email/car-1/2"]);
    assert_eq!(world.open_leads(), ["high/car-1/2"]);
}

#[tokio::test]
async fn an_email_decided_in_shadow_is_sent_if_the_former_system_did_not() {
    let world = World::new();
    record(&world, [made("car-1").into(), accepted("car-1").v(2).into()]).await;
    world.advance().await;
    record(&world, [Fact::HandedOver(Box::default())]).await;
    let performed = ["quote/car-1 sent", "opened/high/car-1/2 sent", "accepted-email/car-1/2 sent"];
    assert_eq!(world.advance().await, settled(3, &performed));
}

#[tokio::test]
async fn a_live_commit_after_a_shadow_commit_is_performed_in_the_same_look() {
    let world = World::new();
    record(&world, [made("car-1").into(), accepted("car-1").v(2).into()]).await;
    let answer = handed_over(&world, None, Some("H-1")).await;
    record(&world, [made("car-2").into(), answer]).await;
    assert_eq!(world.advance().await, settled(4, &["quote/car-2 sent"]));
    record(&world, [testkit::withdrawn("car-1").v(3).into()]).await;
    world.advance().await;
    assert_eq!(world.sales(), ["quote/car-2", "closed/H-1", "opened/low/5"]);
}
