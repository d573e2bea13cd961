//! The limits of bodies and answers, exactly; the sentence for each violation; and the meaning of an answer.
#![expect(clippy::unwrap_used, reason = "test code")]

use contract::incoming::{self, LARGEST_BODY};
use contract::legacy::{LARGEST_ANSWER, MOST_OFFERS, Unusable, decode};
use contract::sha256_hex;
use domain::{FormerLeadId, OfferVersion, Stage};
use serde_json::{Value, json};
use testkit::buyer;

/// A text of exactly this many bytes: the value, and spaces after it.
fn padded(value: &Value, bytes: usize) -> String {
    let text = value.to_string();
    let spaces = " ".repeat(bytes - text.len());
    text + &spaces
}

fn answer(offers: &[Value]) -> Value {
    json!({ "buyerId": "ada", "wasInvited": true, "offers": offers })
}

fn pending(index: usize) -> Value {
    json!({ "offerId": format!("car-{index}"), "offerVersion": 3, "stage": "pending" })
}

/// An offer with these fields instead of a pending one's.
fn with(fields: &Value) -> Value {
    let mut offer = pending(1);
    offer.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    answer(&[offer])
}

fn refusal(answer: &Value) -> String {
    decode(&buyer("ada"), answer.to_string().as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_body_may_have_64_kilobytes() {
    let event: Value = serde_json::from_str(&testkit::body(&buyer("ada"), &testkit::made("car-1"))).unwrap();
    assert!(incoming::decode(&padded(&event, LARGEST_BODY)).is_ok());
    let refusal = incoming::decode(&padded(&event, LARGEST_BODY + 1)).unwrap_err();
    assert_eq!(refusal.to_string(), "the body has 65537 bytes, the limit is 65536");
}

#[test]
fn the_refusal_of_a_body_names_place_and_rule() {
    let refusal = |body: &str| incoming::decode(body).unwrap_err().to_string();
    assert_eq!(refusal("poison"), "not JSON at line 1, column 1");
    let unknown = refusal(r#"{"type":"offer.sold.v1"}"#);
    assert!(unknown.starts_with("type: must be one of offer.made.v1, "), "{unknown}");
    let both = refusal(r#"{"type":"offer.made.v1","specversion":"2.0"}"#);
    assert!(both.starts_with("specversion: must be \"1.0\"; id: "), "{both}");
}

#[test]
fn an_answer_may_have_128_kilobytes_and_500_offers() {
    let ada = buyer("ada");
    let full: Vec<Value> = (0..MOST_OFFERS).map(pending).collect();
    let known = decode(&ada, padded(&answer(&full), LARGEST_ANSWER).as_bytes()).unwrap().known;
    assert_eq!(known.offers.len(), 500);
    let too_large = decode(&ada, padded(&answer(&full), LARGEST_ANSWER + 1).as_bytes()).unwrap_err();
    assert_eq!(too_large.to_string(), "the answer has 131073 bytes, the limit is 131072");
    let too_many: Vec<Value> = (0..=MOST_OFFERS).map(pending).collect();
    assert_eq!(refusal(&answer(&too_many)), "offers: must have at most 500 entries");
}

#[test]
fn the_refusal_of_an_answer_names_place_and_rule() {
    let name = "must be 1 to 128 visible ASCII characters without '/'";
    for (answer, sentence) in [
        (json!([]), "the answer does not match its schema at line 1, column 2".to_owned()),
        (
            json!({ "buyerId": "bob", "wasInvited": true, "offers": [] }),
            "buyerId: must be the requested buyer".to_owned(),
        ),
        (
            json!({ "buyerId": "ada", "wasInvited": true, "lowLeadId": "", "offers": [] }),
            format!("lowLeadId: {name}"),
        ),
        (answer(&[pending(1), pending(1)]), "offers[1].offerId: must be unique".to_owned()),
        (with(&json!({ "offerId": "a/b" })), format!("offers[0].offerId: {name}")),
        (with(&json!({ "offerVersion": 0 })), "offers[0].offerVersion: must be 1 or more".to_owned()),
        (
            with(&json!({ "stage": "sold" })),
            "offers[0].stage: must be pending, accepted or closed".to_owned(),
        ),
        (
            with(&json!({ "stage": "accepted", "acceptedVersion": 4 })),
            "offers[0].acceptedVersion: must be from 1 to offerVersion".to_owned(),
        ),
        (with(&json!({ "carId": " " })), format!("offers[0].carId: {name}")),
        (with(&json!({ "leadId": "" })), format!("offers[0].leadId: {name}")),
    ] {
        assert_eq!(refusal(&answer), sentence, "{answer}");
    }
    let not_utf8 = decode(&buyer("ada"), b"{\"buyerId\":\"\xff\"}").unwrap_err();
    assert!(matches!(not_utf8, Unusable::NotAnAnswer { line: 1, column: 13 }), "{not_utf8}");
}

#[test]
fn an_answer_gives_each_offer_and_whether_the_buyer_was_invited() {
    let version = |number| OfferVersion::new(number).unwrap();
    let stage = |fields| {
        let known = decode(&buyer("ada"), with(&fields).to_string().as_bytes()).unwrap().known;
        known.offers.get(&testkit::offer("car-1")).unwrap().stage
    };
    assert_eq!(stage(json!({})), Stage::Pending);
    assert_eq!(stage(json!({ "stage": "closed" })), Stage::Closed);
    let accepted_at = |at| Stage::Accepted { at: version(at), since: version(at) };
    assert_eq!(stage(json!({ "stage": "accepted", "acceptedVersion": 2 })), accepted_at(2));
    assert_eq!(stage(json!({ "stage": "accepted", "acceptedVersion": 3 })), accepted_at(3));
    assert_eq!(stage(json!({ "stage": "accepted" })), accepted_at(3));

    let contact = json!({ "name": "Ada", "email": "ada@example.com", "phone": "+61 400 000 000" });
    let mut whole = with(&json!({ "carId": "VIN-1", "leadId": "L-8", "buyer": contact }));
    whole["lowLeadId"] = json!("L-7");
    whole["handedOver"] = json!(true);
    let read = decode(&buyer("ada"), whole.to_string().as_bytes()).unwrap();
    assert!(read.is_handed_over && read.known.was_invited);
    assert_eq!(read.known.low_lead, Some(FormerLeadId::parse("L-7").unwrap()));
    let offer = read.known.offers.get(&testkit::offer("car-1")).unwrap();
    let contact = offer.contact.as_ref().unwrap();
    let phone = contact.phone.as_deref().unwrap();
    assert_eq!([&*contact.name, &*contact.email, phone], ["Ada", "ada@example.com", "+61 400 000 000"]);
    assert_eq!(
        [offer.car.as_ref().unwrap().as_str(), offer.former_lead.as_ref().unwrap().as_str()],
        ["VIN-1", "L-8"]
    );
    assert!(offer.is_quoted, "the former system asked for the quote");
    whole["wasInvited"] = json!(false);
    assert!(!decode(&buyer("ada"), whole.to_string().as_bytes()).unwrap().known.was_invited);
}

/// Source of the second value: FIPS 180-2, appendix B.1.
#[test]
fn a_digest_is_sha_256_in_lower_case_hexadecimal() {
    assert_eq!(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
