//! How far the sweeper has walked: no position moves back.

use leads_store::{Again, Lease, Sweeps as _, Walked};

use super::{Table, both, dynamo};
use crate::attempts::at;

impl Table {
    /// How far the sweeper has walked, as the next sweep reads it.
    async fn walked(&self) -> Option<Walked> {
        let lease = Lease { nonce: "sweep".to_owned(), until: at("10:15:00"), now: at("10:00:00") };
        self.begin(&lease).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn the_sweepers_positions_move_forward_independently() {
    let walked = |through, again_at| Walked { through: at(through), ..Walked::to(at(again_at)) };
    for table in both().await {
        assert_eq!(table.walked().await, None, "{table}: before the first walk");
        for (set, known) in [
            (walked("10:00:00", "10:00:00"), walked("10:00:00", "10:00:00")),
            (walked("10:05:00", "09:00:00"), walked("10:05:00", "10:00:00")),
            (walked("09:00:00", "10:30:00"), walked("10:05:00", "10:30:00")),
            (walked("10:05:00", "10:30:00"), walked("10:05:00", "10:30:00")),
            (walked("10:05:00.5", "10:30:00.001"), walked("10:05:00.5", "10:30:00.001")),
        ] {
            table.set_walked(set).await.unwrap();
            assert_eq!(table.walked().await, Some(known), "{table}");
        }
    }
}

#[tokio::test]
async fn a_later_second_walk_replaces_an_earlier_one() {
    let again = |began, through| {
        let again = Again { began: at(began), through: at(through) };
        Walked { again, ..Walked::to(at("09:00:00")) }
    };
    for table in both().await {
        for (set, known) in [
            (again("10:00:00", "07:00:00"), again("10:00:00", "07:00:00")),
            (again("10:00:00", "08:00:00.001"), again("10:00:00", "08:00:00.001")),
            (again("10:00:00", "07:30:00"), again("10:00:00", "08:00:00.001")),
            (again("11:00:00", "06:00:00"), again("11:00:00", "06:00:00")),
            (again("10:00:00", "09:59:00"), again("11:00:00", "06:00:00")),
        ] {
            table.set_walked(set).await.unwrap();
            assert_eq!(table.walked().await, Some(known), "{table}");
        }
    }
}

#[tokio::test]
async fn a_position_of_an_older_version_has_no_second_walk() {
    let table = dynamo().await;
    let Table::Dynamo { engine, .. } = &table else { panic!("{table}") };
    let s = |text: &str| serde_json::json!({ "S": text });
    engine.putting()(&serde_json::json!({
        "buyer": s("sweeper/place"), "kind": s("place"),
        "walkedThrough": s("2026-11-23T10:05:00.000Z"), "walkedAgainAt": s("2026-11-23T10:00:00.000Z"),
    }));
    let known = Walked { through: at("10:05:00"), ..Walked::to(at("10:00:00")) };
    assert_eq!(table.walked().await, Some(known));
}
