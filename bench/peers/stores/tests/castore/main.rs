//! The same tests for the peer that is not written in Rust. They need node 20, and `npm ci` in `bench/castore`.

#[path = "../suite/driver.rs"]
mod driver;

use std::path::Path;
use std::process::Command;

use driver::Driver;
use serde_json::json;

const BOTH: [&str; 2] = ["castore", "castore+idempotency"];

#[test]
fn a_batch_is_recorded_once() {
    for peer in BOTH {
        driver::records_a_batch_once(&mut castore(peer));
    }
}

#[test]
fn a_batch_may_contain_several_buyers_and_repeats() {
    for peer in BOTH {
        driver::takes_a_mixed_batch(&mut castore(peer));
    }
}

#[test]
fn a_stream_of_more_than_a_page_is_read_to_its_end() {
    for peer in BOTH {
        driver::continues_after_a_stored_stream(&mut castore(peer), driver::MORE_THAN_A_PAGE);
    }
}

#[test]
fn the_answer_to_create_names_the_tables() {
    let expected = json!({ "tables": ["buyer-events"], "idempotency": "Idempotency" });
    assert_eq!(castore("castore+idempotency").create(), expected);
}

fn castore(peer: &str) -> Driver {
    let main = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../castore/main.mjs");
    Driver::start(Command::new("node").arg(main), peer)
}
