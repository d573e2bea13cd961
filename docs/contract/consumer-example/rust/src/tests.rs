use rusqlite::Connection;
use serde_json::{Value, json};

use crate::sales_desk::{Outcome, SalesDesk, rows};

fn data() -> Value {
    serde_json::from_str(include_str!("../../deliveries.json")).unwrap()
}

fn opened() -> String {
    data()["bodies"][1].as_str().unwrap().to_owned()
}

fn desk() -> SalesDesk {
    SalesDesk::new(Connection::open_in_memory().unwrap()).unwrap()
}

/// Every row of every table. Without rowids, tables are read in the order of their primary keys.
fn tables(desk: &SalesDesk) -> Value {
    let table = |name| rows(&desk.database, &format!("SELECT * FROM {name}")).unwrap();
    json!({
        "applied": table("applied"),
        "leads": table("leads"),
        "quotes": table("quotes"),
        "set_aside": table("set_aside"),
    })
}

#[test]
fn every_delivery_ends_in_the_same_tables() {
    let data = data();
    for delivery in data["deliveries"].as_array().unwrap() {
        let mut desk = desk();
        for position in delivery.as_array().unwrap() {
            let position = usize::try_from(position.as_u64().unwrap()).unwrap();
            desk.apply(data["bodies"][position].as_str().unwrap()).unwrap();
        }
        assert_eq!(tables(&desk), data["tables"], "{delivery}");
    }
}

#[test]
fn the_same_id_is_applied_once() {
    let mut desk = desk();
    assert_eq!(desk.apply(&opened()).unwrap(), Outcome::Applied);
    assert_eq!(desk.apply(&opened()).unwrap(), Outcome::Repeated);
}

#[test]
fn a_message_of_unknown_type_is_ignored() {
    let mut desk = desk();
    assert_eq!(desk.apply(&opened().replace("opened.v1", "opened.v9")).unwrap(), Outcome::UnknownType);
    assert_eq!(desk.apply(&opened()).unwrap(), Outcome::Applied);
}

#[test]
fn what_cannot_be_read_is_set_aside() {
    let mut desk = desk();
    let deep = "[".repeat(100_000);
    for body in ["", "7", &deep, "null", "{}", &opened().replace(r#""low""#, "1")] {
        assert_eq!(desk.apply(body).unwrap(), Outcome::SetAside, "{body}");
    }
    assert_eq!(tables(&desk)["applied"], json!([]));
}

#[test]
fn an_error_of_the_database_leaves_no_trace_of_the_message() {
    let mut desk = desk();
    let trigger = "CREATE TRIGGER full BEFORE INSERT ON leads BEGIN SELECT RAISE(ABORT, 'full'); END";
    desk.database.execute_batch(trigger).unwrap();
    assert!(desk.apply(&opened()).is_err());
    assert_eq!(tables(&desk), json!({ "applied": [], "leads": [], "quotes": [], "set_aside": [] }));
    desk.database.execute_batch("DROP TRIGGER full").unwrap();
    assert_eq!(desk.apply(&opened()).unwrap(), Outcome::Applied);
}
