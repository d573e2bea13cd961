//! Every peer, started as whoever measures starts it, in front of a DynamoDB of this process.

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

/// Those that read a long stream to its end.
const READING_ON: [&str; 3] = ["cqrs-es-aggregate", "cqrs-es-snapshot", "event-store-adapter"];

#[test]
fn a_batch_is_recorded_once() {
    for peer in ALL {
        driver::records_a_batch_once(&mut stores(peer));
    }
}

#[test]
fn a_batch_may_mix_buyers_and_repeat_itself() {
    for peer in ALL {
        driver::takes_a_mixed_batch(&mut stores(peer));
    }
}

#[test]
fn a_laid_stream_is_read_as_if_it_had_been_recorded() {
    for peer in ALL {
        driver::goes_on_after_a_laid_stream(&mut stores(peer), 257);
    }
}

#[test]
fn a_stream_of_more_than_a_page_is_read_to_its_end() {
    for peer in READING_ON {
        driver::goes_on_after_a_laid_stream(&mut stores(peer), driver::MORE_THAN_A_PAGE);
    }
}

/// Its repository reads one page of a stream and takes that for the whole.
#[test]
fn cqrs_es_can_record_nothing_behind_the_first_page() {
    let mut peer = stores("cqrs-es");
    peer.create();
    peer.lay("ada", driver::MORE_THAN_A_PAGE);
    let conflict = json!({ "error": "conflict: ada has an event where the next one should go" });
    assert_eq!(peer.deliver(&[message("ada", &made("ada", "new"))]), conflict);
    assert_eq!(peer.deliver(&[message("ada", &accepted("ada", "offer-0"))]), recorded(0, 1));
}

#[test]
fn tables_are_told_by_name() {
    let told: [(&str, Value); 3] = [
        ("cqrs-es", json!({ "tables": ["Events"] })),
        (
            "cqrs-es-snapshot+idempotency",
            json!({ "tables": ["Events", "Snapshots"], "idempotency": "Idempotency" }),
        ),
        ("event-store-adapter", json!({ "tables": ["journal", "snapshot", "head"] })),
    ];
    for (peer, tables) in told {
        assert_eq!(stores(peer).create(), tables, "{peer}");
    }
}

#[test]
fn an_unknown_peer_is_told_on_standard_error() {
    let nobody = binary().args(["--peer", "nobody", "--endpoint", "http://127.0.0.1:1"]).output().unwrap();
    let told = String::from_utf8(nobody.stderr).unwrap();
    assert_eq!((nobody.status.code(), told.as_str()), (Some(1), "stores: no peer is named nobody\n"));
}

fn stores(peer: &str) -> Driver {
    Driver::start(&mut binary(), peer)
}

fn binary() -> Command {
    Command::new(env!("CARGO_BIN_EXE_stores"))
}
