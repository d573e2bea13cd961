//! How far the sweeper has walked: never back.

use leads_store::{Again, Lease, Sweeps as _, Walked};

use super::{Table, both, dynamo};
use crate::attempts::at;

impl Table {
    /// How far the sweeper has walked, as its next sweep is told.
    async fn walked(&self) -> Option<Walked> {
        let lease = Lease { nonce: "sweep".to_owned(), until: at("10:15:00"), now: at("10:00:00") };
        self.begin(&lease).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn each_of_the_sweepers_places_goes_forward_on_its_own_and_never_back() {
    let walked = |through, again_at| Walked { through: at(through), ..Walked::to(at(again_at)) };
    for table in both().await {
        assert_eq!(table.walked().await, None, "{table}: not before the first walk");
        for (told, known) in [
            (walked("10:00:00", "10:00:00"), walked("10:00:00", "10:00:00")),
            (walked("10:05:00", "09:00:00"), walked("10:05:00", "10:00:00")),
            (walked("09:00:00", "10:30:00"), walked("10:05:00", "10:30:00")),
            (walked("10:05:00", "10:30:00"), walked("10:05:00", "10:30:00")),
            (walked("10:05:00.5", "10:30:00.001"), walked("10:05:00.5", "10:30:00.001")),
        ] {
            table.set_walked(told).await.unwrap();
            assert_eq!(table.walked().await, Some(known), "{table}");
        }
    }
}

#[tokio::test]
async fn a_second_walk_goes_forward_and_a_later_one_begins_anew_further_back() {
    let again = |began, through| {
        let again = Again { began: at(began), through: at(through) };
        Walked { again, ..Walked::to(at("09:00:00")) }
    };
    for table in both().await {
        for (told, known) in [
            (again("10:00:00", "07:00:00"), again("10:00:00", "07:00:00")),
            (again("10:00:00", "08:00:00.001"), again("10:00:00", "08:00:00.001")),
            (again("10:00:00", "07:30:00"), again("10:00:00", "08:00:00.001")),
            (again("11:00:00", "06:00:00"), again("11:00:00", "06:00:00")),
            (again("10:00:00", "09:59:00"), again("11:00:00", "06:00:00")),
        ] {
            table.set_walked(told).await.unwrap();
            assert_eq!(table.walked().await, Some(known), "{table}");
        }
    }
}

#[tokio::test]
async fn a_place_that_an_older_version_left_has_no_second_walk_under_way() {
    let table = dynamo().await;
    let Table::Dynamo { engine, .. } = &table else { panic!("{table}") };
    let s = |text: &str| serde_json::json!({ "S": text });
    engine.laying()(&serde_json::json!({
        "buyer": s("sweeper/place"), "kind": s("place"),
        "walkedThrough": s("2026-11-23T10:05:00.000Z"), "walkedAgainAt": s("2026-11-23T10:00:00.000Z"),
    }));
    let known = Walked { through: at("10:05:00"), ..Walked::to(at("10:00:00")) };
    assert_eq!(table.walked().await, Some(known));
}
