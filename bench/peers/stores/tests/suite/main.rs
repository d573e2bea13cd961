//! Tests of every peer, started as the bench starts it, with a DynamoDB in this process.

mod driver;

use std::process::Command;

use driver::{Driver, accepted, made, message, recorded};
use serde_json::{Value, json};

const ALL: [&str; 8] = [
    "cqrs-es",
    "cqrs-es+idempotency",
    "cqrs-es-aggregate",
    "cqrs-es-aggregate+idempotency",
    "cqrs-es-snapshot",
    "cqrs-es-snapshot+idempotency",
    "event-store-adapter",
    "event-store-adapter+idempotency",
];

/// The peers that read a long stream to its end.
const READING_ALL_PAGES: [&str; 3] = ["cqrs-es-aggregate", "cqrs-es-snapshot", "event-store-adapter"];

#[test]
fn a_batch_is_recorded_once() {
    for peer in ALL {
        driver::records_a_batch_once(&mut stores(peer));
    }
}

#[test]
fn a_batch_may_contain_several_buyers_and_repeats() {
    for peer in ALL {
        driver::takes_a_mixed_batch(&mut stores(peer));
    }
}

#[test]
fn a_stream_stored_directly_is_read_like_a_recorded_one() {
    for peer in ALL {
        driver::continues_after_a_stored_stream(&mut stores(peer), 257);
    }
}

#[test]
fn a_stream_of_more_than_a_page_is_read_to_its_end() {
    for peer in READING_ALL_PAGES {
        driver::continues_after_a_stored_stream(&mut stores(peer), driver::MORE_THAN_A_PAGE);
    }
}

/// The repository of `cqrs-es` reads one page of a stream and treats it as the whole stream.
#[test]
fn cqrs_es_cannot_record_beyond_the_first_page() {
    let mut peer = stores("cqrs-es");
    peer.create();
    peer.lay("ada", driver::MORE_THAN_A_PAGE);
    let conflict = json!({ "error": "conflict: ada has an event where the next one should go" });
    assert_eq!(peer.deliver(&[message("ada", &made("ada", "new"))]), conflict);
    assert_eq!(peer.deliver(&[message("ada", &accepted("ada", "offer-0"))]), recorded(0, 1));
}

#[test]
fn the_answer_to_create_names_the_tables() {
    let expected: [(&str, Value); 3] = [
        ("cqrs-es", json!({ "tables": ["Events"] })),
        (
            "cqrs-es-snapshot+idempotency",
            json!({ "tables": ["Events", "Snapshots"], "idempotency": "Idempotency" }),
        ),
        ("event-store-adapter", json!({ "tables": ["journal", "snapshot", "head"] })),
    ];
    for (peer, tables) in expected {
        assert_eq!(stores(peer).create(), tables, "{peer}");
    }
}

#[test]
fn an_unknown_peer_is_reported_on_standard_error() {
    let output = binary().args(["--peer", "nobody", "--endpoint", "http://127.0.0.1:1"]).output().unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), printed.as_str()), (Some(1), "stores: no peer is named nobody\n"));
}

fn stores(peer: &str) -> Driver {
    Driver::start(&mut binary(), peer)
}

fn binary() -> Command {
    Command::new(env!("CARGO_BIN_EXE_stores"))
}
