//! Messages as they occur in practice, with the expected result for each: SES's delivery events, taken from its developer
//! guide ("Examples of event data that Amazon SES publishes to Amazon SNS") with our tags added, and cases of our own.
#![expect(clippy::unwrap_used, reason = "test code")]

use contract::incoming::{self, IncomingEvent};
use contract::receipt::{self, Kind, Notice, Receipt, Unreadable, decode};
use domain::OfferChange;
use serde_json::{Value, json};

fn sample(name: &str) -> String {
    let mut lines =
        include_str!("samples.jsonl").lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.find(|line| line["name"] == name).unwrap()["event"].to_string()
}

/// A sample with one field changed, or removed if `value` is `null`.
fn changed(name: &str, place: &str, value: Value) -> String {
    let mut json: Value = serde_json::from_str(&sample(name)).unwrap();
    let (parent, field) = place.rsplit_once('/').unwrap();
    let parent = json.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    if value.is_null() {
        parent.remove(field)
    } else {
        parent.insert(field.to_owned(), value)
    };
    json.to_string()
}

fn receipt(kind: Kind) -> Notice {
    Notice::Receipt(Receipt {
        buyer: testkit::buyer("buyer-7"),
        effect: "accepted-email/car-1/2".to_owned(),
        nonce: "5f7cbd5c-3a1e-4b0e-9d5f-0d0c4a4b8f52".to_owned(),
        kind,
        message_id: "0100019a1b2c3d4e-61b59c11-9236-11e6-8f96-7be8aexample-000000".to_owned(),
    })
}

#[test]
fn every_event_type_decodes_to_its_kind_and_attempt() {
    let time = |time: &str| time.parse().unwrap();
    for (name, kind) in [
        ("send", Kind::Sent),
        ("delivery", Kind::Delivered),
        ("permanent-bounce", Kind::Bounced { at: time("2026-11-23T10:00:02.669Z"), is_permanent: true }),
        ("passing-bounce", Kind::Bounced { at: time("2026-11-23T22:00:02.669Z"), is_permanent: false }),
        ("complaint", Kind::Complained { at: time("2026-11-24T08:41:02.669Z") }),
        ("reject", Kind::Rejected),
        ("rendering-failure", Kind::NotRendered),
        ("delivery-delay", Kind::Delayed),
    ] {
        assert_eq!(decode(&sample(name)), Ok(receipt(kind)), "{name}");
        assert_eq!(kind.name(), name);
    }
}

#[test]
fn every_complaint_except_not_spam_is_a_complaint() {
    let at = "2026-11-24T08:41:02.669Z".parse().unwrap();
    let of_type = |kind: Value| decode(&changed("complaint", "/complaint/complaintFeedbackType", kind));
    for kind in ["not-spam", "Not-Spam"] {
        assert_eq!(of_type(json!(kind)), Ok(receipt(Kind::NotSpam)), "{kind}");
    }
    let others = ["abuse", "auth-failure", "fraud", "other", "virus", "opt-out-list", "not-spam ", ""];
    for kind in others.map(Value::from).into_iter().chain([Value::Null, json!(7), json!(["not-spam"])]) {
        assert_eq!(of_type(kind.clone()), Ok(receipt(Kind::Complained { at })), "{kind}");
    }
}

#[test]
fn other_content_of_an_event_is_ignored() {
    let at = "2026-11-24T08:41:02.669Z".parse().unwrap();
    let recipients: Vec<Value> =
        (0..500).map(|index| json!({ "emailAddress": format!("buyer-{index}@example.com") })).collect();
    let many = changed("complaint", "/complaint/complainedRecipients", json!(recipients));
    let mut mail: Value = serde_json::from_str(&many).unwrap();
    mail["mail"]["destination"] = json!(recipients);
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    let strange = format!(r#"{{"later":{deep},"large":1e999,{}"#, &many[1..]);
    let cut = many.replace("buyer-0@", r"\ud83d@").replace("buyer-1@", r"\udc00\ud83d@");
    assert_ne!(cut, many);
    for body in [many.clone(), mail.to_string(), strange, cut] {
        assert_eq!(decode(&body), Ok(receipt(Kind::Complained { at })));
    }
}

#[test]
fn foreign_events_are_distinguished_from_unreadable_ones() {
    assert_eq!(decode(&sample("open")), Ok(Notice::OtherType));
    assert_eq!(decode(&changed("send", "/eventType", json!("Forwarded"))), Ok(Notice::OtherType));
    for tag in ["buyer", "effect", "nonce"] {
        assert_eq!(decode(&changed("send", &format!("/mail/tags/{tag}"), Value::Null)), Ok(Notice::NotOurs));
    }
    assert_eq!(decode(&changed("send", "/mail/tags", Value::Null)), Ok(Notice::NotOurs));
    let greeting = "Successfully validated SNS topic for Amazon SES event publishing.";
    assert_eq!(decode(greeting), Ok(Notice::Greeting));
}

#[test]
fn errors_name_the_place_and_never_the_value() {
    let ours = |text: &str| json!([text]);
    for (body, place) in [
        (changed("send", "/eventType", Value::Null), "eventType"),
        (changed("send", "/eventType", json!(7)), "eventType"),
        (changed("send", "/mail", Value::Null), "mail"),
        (changed("send", "/mail/messageId", Value::Null), "mail.messageId"),
        (changed("send", "/mail/messageId", json!("")), "mail.messageId"),
        (changed("send", "/mail/messageId", json!("x".repeat(513))), "mail.messageId"),
        (changed("send", "/mail/tags/buyer", ours("!")), "mail.tags.buyer"),
        (changed("send", "/mail/tags/buyer", json!(["YQ", "YQ"])), "mail.tags.buyer"),
        (changed("send", "/mail/tags/buyer", ours("YSBi")), "mail.tags.buyer"),
        (changed("send", "/mail/tags/effect", ours("")), "mail.tags.effect"),
        (changed("send", "/mail/tags/effect", ours("_w")), "mail.tags.effect"),
        (changed("send", "/mail/tags/nonce", json!("YQ")), "mail.tags.nonce"),
        (changed("send", "/mail/tags/nonce", ours(&"YWFh".repeat(129))), "mail.tags.nonce"),
        (changed("permanent-bounce", "/bounce/timestamp", json!("yesterday")), "bounce.timestamp"),
        (changed("permanent-bounce", "/bounce/bounceType", Value::Null), "bounce.bounceType"),
        (changed("complaint", "/complaint", Value::Null), "complaint.timestamp"),
    ] {
        assert_eq!(decode(&body), Err(Unreadable::Field(place)), "{body}");
    }
    for body in ["", "{", "successfully", &"[".repeat(10_000)] {
        assert_eq!(decode(body), Err(Unreadable::NotJson));
    }
    for body in ["null", "[]", "\"Send\"", "{}"] {
        assert_eq!(decode(body), Err(Unreadable::Field("eventType")), "{body}");
    }
    let text = Unreadable::Field("mail.tags.buyer").to_string();
    assert_eq!(text, "mail.tags.buyer: is missing or not in SES's format");
}

#[test]
fn tags_round_trip_and_fit_the_limit_of_ses() {
    // The buyer id has the maximum length, and the effect key a character of two bytes.
    let buyer = "b".repeat(128);
    let mut body: Value = serde_json::from_str(&sample("send")).unwrap();
    for (name, value) in [("buyer", buyer.as_str()), ("effect", "accepted-email/ö/1"), ("nonce", "n")] {
        body["mail"]["tags"][name] = json!([contract::receipt::tag_value(value)]);
    }
    let Ok(Notice::Receipt(receipt)) = decode(&body.to_string()) else { unreachable!() };
    let read = (receipt.buyer.as_str(), receipt.effect.as_str(), receipt.nonce.as_str());
    assert_eq!(read, (buyer.as_str(), "accepted-email/ö/1", "n"));
    // "Can contain no more than 256 characters." Source: Amazon SES API v2 Reference, `MessageTag`.
    let longest = format!("accepted-email/{}/{}", "o".repeat(128), u32::MAX);
    assert!(contract::receipt::tag_value(&longest).len() <= 256);
    assert!(contract::receipt::tag_value(&buyer).len() <= 256);
}

/// The bodies of the case with this name. They are texts, because JSON itself is malformed in some of them.
fn case(name: &str) -> Vec<String> {
    let lines =
        include_str!("samples.jsonl").lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let lines = lines.filter(|line| line["name"] == name);
    lines.map(|line| line["body"].as_str().unwrap().to_owned()).collect()
}

fn decoded(name: &str) -> Vec<IncomingEvent> {
    let bodies = case(name).into_iter();
    bodies.map(|body| incoming::decode(&body).unwrap_or_else(|refusal| panic!("{name}: {refusal}"))).collect()
}

#[test]
fn a_complaint_of_type_not_spam_is_not_a_complaint() {
    let [body] = &case("03-complaint-not-spam")[..] else { panic!("one body") };
    let Ok(Notice::Receipt(receipt)) = receipt::decode(body) else { panic!("a receipt") };
    assert_eq!((receipt.kind, receipt.kind.name()), (Kind::NotSpam, "not-spam"));
    assert_eq!((receipt.buyer.as_str(), receipt.message_id.as_str()), ("b1", "0100-1"));
}

#[test]
fn a_truncated_emoji_becomes_u_fffd_in_the_name() {
    let [incoming] = &decoded("04-lone-surrogate")[..] else { panic!("one event") };
    let OfferChange::Made { contact: Some(contact), .. } = &incoming.event.change else { panic!("made") };
    assert_eq!(contact.name, "Ada \u{fffd}");
}

#[test]
fn an_e_mail_address_is_recorded_as_typed() {
    let events = decoded("05-address-whitespace");
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
    let kept = decoded("07-time-schema-takes-code-refuses");
    assert_eq!(kept.len(), 2);
    for incoming in kept {
        assert!(incoming.event.time.is_some() && incoming.dropped.is_empty(), "{incoming:?}");
    }
    let malformed = decoded("08-time-code-takes-schema-refuses");
    assert_eq!(malformed.len(), 5);
    for incoming in malformed {
        assert_eq!((incoming.event.time, incoming.dropped), (None, vec!["time"]), "{:?}", incoming.event.id);
    }
}

#[test]
fn an_offer_version_may_be_written_as_1_0() {
    let [incoming] = &decoded("09-version-as-float")[..] else { panic!("one event") };
    assert_eq!(incoming.event.version.get(), 1);
}
