//! Stacks with something to show: the article's two offers, names that are scripts, and a buyer with many events.

use domain::{Contact, Event, OfferChange};
use jiff::{SignedDuration, Timestamp};
use leads_store::{Behind, LeadsStore as _, Status};
use serde_json::Value;
use testkit::{acceptance_withdrawn, accepted, buyer, made, made_by, rejected};

use crate::cloud::Cloud;

/// A name that is a script where it is not escaped. As an id it is valid.
pub(crate) const HOSTILE: &str = "<script>alert(1)<\\script>\"'&";

/// The page of that buyer.
pub(crate) const HOSTILE_PAGE: &str = "buyer?id=%3Cscript%3Ealert%281%29%3C%5Cscript%3E%22%27%26";

/// The scenario of two interleaved offers, as the reactor has performed it.
pub(crate) async fn play_two_offers(cloud: &Cloud) {
    let scenarios: Value = serde_json::from_str(include_str!("../../../tests/data/scenarios.json")).unwrap();
    let scenarios = scenarios["scenarios"].as_array().unwrap();
    let scenario = scenarios.iter().find(|one| one["name"] == "two offers, interleaved").unwrap();
    let times = ["10:00:00", "10:04:10", "10:21:45", "10:37:30", "11:02:05"];
    let name = "two-offers";
    for (delivery, time) in scenario["deliveries"].as_array().unwrap().iter().zip(times) {
        let event = Event { time: Some(format!("2020-01-01T{time}Z")), ..event_of(delivery) };
        cloud.world.record(name, &[event], time).await;
    }
    cloud.world.announce(name, 5, ("high/car-2/2", "car-2"), "10:37:30").await;
    for (key, sequence, time) in [
        ("quote-email", 1, "10:00:02"),
        ("accepted-email/car-1/2", 3, "10:21:46"),
        ("accepted-email/car-2/2", 4, "10:37:31"),
    ] {
        cloud.world.mailed(name, key, (sequence, 5), Status::Sent, None, time).await;
    }
}

fn event_of(delivery: &Value) -> Event {
    let offer = delivery["offerId"].as_str().unwrap();
    let version = u32::try_from(delivery["offerVersion"].as_u64().unwrap()).unwrap();
    match delivery["type"].as_str().unwrap() {
        "offer.made.v1" => made(offer),
        "offer.accepted.v1" => accepted(offer).v(version),
        "offer.acceptance-withdrawn.v1" => acceptance_withdrawn(offer).v(version),
        other => panic!("{other}"),
    }
}

/// A stack on which every page has something to show, and whose every text is hostile.
pub(crate) async fn hostile() -> Cloud {
    let cloud = Cloud::start().await;
    let who = Contact {
        name: HOSTILE.to_owned(),
        email: format!("{HOSTILE}@example.com"),
        phone: Some(HOSTILE.to_owned()),
    };
    play_two_offers(&cloud).await;
    let world = &cloud.world;
    world.record(HOSTILE, &[made_by(HOSTILE, who.clone())], "10:00:00").await;
    let early = Event {
        change: OfferChange::Rejected { reason: Some(HOSTILE.to_owned()) },
        ..rejected(HOSTILE).v(4)
    };
    world.record(HOSTILE, &[accepted(HOSTILE).v(2), early], "10:05:00").await;
    world.mailed(HOSTILE, "quote-email", (1, 3), Status::Rejected, Some(HOSTILE), "10:00:01").await;
    world
        .mailed(
            HOSTILE,
            &format!("accepted-email/{HOSTILE}/2"),
            (2, 3),
            Status::Unknown,
            Some(HOSTILE),
            "10:05:01",
        )
        .await;
    world.holds(HOSTILE, 3, 3).await;
    world.put_leads(1, Some(&who));
    let behind = Behind {
        mark: "mark".to_owned(),
        reason: HOSTILE.to_owned(),
        attempts: 1,
        not_before: Timestamp::now() + SignedDuration::from_secs(100),
    };
    world.tables.leads.mark_behind(&buyer(HOSTILE), &behind).await.unwrap();
    cloud.script().letters = vec![HOSTILE, "not-json", ""];
    cloud
}

/// Records events of `dealer`: of each offer as many, made, and then accepted and withdrawn in turn; ten offers in a
/// commit.
pub(crate) async fn play_dealer(cloud: &Cloud, offers: usize, versions: u32) {
    let change = |offer: &str, version| match version {
        1 => made(offer),
        version if version % 2 == 0 => accepted(offer).v(version),
        version => acceptance_withdrawn(offer).v(version),
    };
    let offers: Vec<String> = (0..offers).map(|number| format!("car-{number:03}")).collect();
    for (part, minute) in offers.chunks(10).zip(0..) {
        let events = (1..=versions).flat_map(|version| part.iter().map(move |offer| change(offer, version)));
        cloud.world.record("dealer", &events.collect::<Vec<_>>(), &format!("10:{minute:02}:00")).await;
    }
}
