//! Bodies that occurred in practice, with the expected result for each.
#![expect(clippy::unwrap_used, reason = "test code")]

use std::fs;
use std::path::Path;

use contract::incoming::{IncomingEvent, decode};
use contract::receipt::{self, Kind, Notice};
use domain::OfferChange;

fn case(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name)).unwrap()
}

fn decoded(name: &str) -> Vec<IncomingEvent> {
    case(name)
        .lines()
        .map(|line| decode(line).unwrap_or_else(|refusal| panic!("{name}: {refusal}")))
        .collect()
}

#[test]
fn a_complaint_of_type_not_spam_is_not_a_complaint() {
    let Ok(Notice::Receipt(receipt)) = receipt::decode(&case("03-complaint-not-spam.json")) else {
        panic!("a receipt")
    };
    assert_eq!((receipt.kind, receipt.kind.name()), (Kind::NotSpam, "not-spam"));
    assert_eq!((receipt.buyer.as_str(), receipt.message_id.as_str()), ("b1", "0100-1"));
}

#[test]
fn a_truncated_emoji_becomes_u_fffd_in_the_name() {
    let [incoming] = &decoded("04-lone-surrogate.jsonl")[..] else { panic!("one event") };
    let OfferChange::Made { contact: Some(contact), .. } = &incoming.event.change else { panic!("made") };
    assert_eq!(contact.name, "Ada \u{fffd}");
}

#[test]
fn an_e_mail_address_is_recorded_as_typed() {
    let events = decoded("05-address-whitespace.jsonl");
    let addresses = events.iter().map(|incoming| {
        let OfferChange::Made { contact: Some(contact), .. } = &incoming.event.change else { panic!("made") };
        contact.email.as_str()
    });
    let typed =
        ["ada@example.com\n", "\u{a0}ada@example.com", "\u{200b}ada@example.com", "ada@example.com\t"];
    assert!(addresses.eq(typed));
}

#[test]
fn only_a_time_in_rfc_3339_is_kept() {
    for incoming in decoded("07-time-schema-takes-code-refuses.jsonl") {
        assert!(incoming.event.time.is_some() && incoming.dropped.is_empty(), "{incoming:?}");
    }
    let malformed = decoded("08-time-code-takes-schema-refuses.jsonl");
    assert_eq!(malformed.len(), 5);
    for incoming in malformed {
        assert_eq!((incoming.event.time, incoming.dropped), (None, vec!["time"]), "{:?}", incoming.event.id);
    }
}

#[test]
fn an_offer_version_may_be_written_as_1_0() {
    let [incoming] = &decoded("09-version-as-float.jsonl")[..] else { panic!("one event") };
    assert_eq!(incoming.event.version.get(), 1);
}
