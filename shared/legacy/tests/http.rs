//! Requests to the former system and the meaning of its answers, over loopback.
#![expect(clippy::unwrap_used, reason = "test code")]

use contract::legacy::{LARGEST_ANSWER, MOST_OFFERS};
use domain::{Contact, FormerLeadId, Known, Offer, OfferVersion, Stage};
use legacy::{HttpLegacy, Legacy as _};
use platform::https::{Https, Trust};
use serde_json::{Value, json};
use testkit::buyer;
use testkit::wire::{Answer, Reply, Wire, header, in_turn};

fn legacy_at(url: &str) -> HttpLegacy {
    let https = Https::trusting(Trust::BuiltIn).unwrap();
    HttpLegacy::at(format!("{url}/old"), Some("Bearer secret".to_owned()), https).unwrap()
}

/// The result of a handover that the former system answers like this; an error as the text of its chain.
async fn hand_over_with(answer: Answer) -> Result<Known, String> {
    let wire = Wire::start(in_turn([answer])).await;
    let answer = legacy_at(wire.url()).hand_over(&buyer("buyer-7")).await;
    answer.map_err(|error| {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        assert!(!text.to_lowercase().contains("canary") && !text.contains("secret"), "{text}");
        text
    })
}

async fn hand_over_with_json(json: &Value) -> Result<Known, String> {
    hand_over_with(Answer::Reply(Reply::json(200, json))).await
}

fn an_offer() -> Value {
    json!({
        "offerId": "offer-1", "offerVersion": 4, "stage": "accepted", "acceptedVersion": 2, "carId": "car-1",
        "leadId": "H-7",
        "buyer": { "name": "Ada Canary", "email": "ada.canary@example.com" }, "later": true,
    })
}

#[tokio::test]
async fn requests_carry_the_encoded_buyer_id_and_the_authorization_header() {
    let wire = Wire::start(in_turn([Answer::Reply(Reply::json(404, &json!({})))])).await;
    let (legacy, name) = (legacy_at(wire.url()), buyer("b?u#y%er-7._~"));
    assert_eq!(legacy.look_up(&name).await.unwrap(), legacy::Answer::default());
    assert_eq!(legacy.hand_over(&name).await.unwrap(), Known::default());
    let requests: Vec<(String, String, Option<String>)> = wire
        .exchanges()
        .into_iter()
        .map(|exchange| {
            assert_eq!(header(&exchange.request.headers, "authorization"), Some("Bearer secret"));
            let length = header(&exchange.request.headers, "content-length").map(str::to_owned);
            (exchange.request.method, exchange.request.path, length)
        })
        .collect();
    // The POST states its length, because a server may otherwise answer 411. Unreserved characters are not encoded.
    let path = "/old/buyers/b%3Fu%23y%25er-7._~";
    let look = ("GET".to_owned(), path.to_owned(), None);
    let handover = ("POST".to_owned(), format!("{path}/handover"), Some("0".to_owned()));
    assert_eq!(requests, [look, handover]);
    assert!(!format!("{:?}", legacy_at("http://127.0.0.1:1")).contains("secret"));
}

#[tokio::test]
async fn an_answer_lists_offers_and_the_ids_of_their_leads() {
    let offers = json!([
        an_offer(),
        { "offerId": "offer-2", "offerVersion": 1, "stage": "pending" },
        { "offerId": "offer-3", "offerVersion": 3, "stage": "closed", "carId": null, "buyer": null },
        { "offerId": "offer-4", "offerVersion": 5, "stage": "accepted" },
    ]);
    let answer = json!({ "buyerId": "buyer-7", "wasInvited": true, "lowLeadId": "L:1", "offers": offers });
    let known = hand_over_with_json(&answer).await.unwrap();
    let lead = |name: &str| FormerLeadId::parse(name).ok();
    assert_eq!((known.was_invited, known.low_lead), (true, lead("L:1")));
    let version = |number| OfferVersion::new(number).unwrap();
    let contact =
        Contact { name: "Ada Canary".to_owned(), email: "ada.canary@example.com".to_owned(), phone: None };
    let offers: Vec<(&str, Offer)> =
        known.offers.iter().map(|(id, offer)| (id.as_str(), offer.clone())).collect();
    let quoted = |at: u32| Offer { is_quoted: true, ..Offer::unknown(version(at)) };
    let first = Offer {
        stage: Stage::Accepted { at: version(2), since: version(2) },
        car: Some(domain::CarId::parse("car-1").unwrap()),
        contact: Some(contact),
        former_lead: lead("H-7"),
        ..quoted(4)
    };
    let second = Offer { stage: Stage::Pending, ..quoted(1) };
    let last = Offer { stage: Stage::Accepted { at: version(5), since: version(5) }, ..quoted(5) };
    assert_eq!(offers, [("offer-1", first), ("offer-2", second), ("offer-3", quoted(3)), ("offer-4", last)]);
}

#[tokio::test]
async fn a_lookup_reports_whether_the_buyer_is_handed_over() {
    for (handed_over, expected) in [(json!(true), true), (json!(false), false), (Value::Null, false)] {
        let mut json = json!({ "buyerId": "buyer-7", "wasInvited": false, "offers": [an_offer()] });
        if !handed_over.is_null() {
            json["handedOver"] = handed_over;
        }
        let wire = Wire::start(in_turn([Answer::Reply(Reply::json(200, &json))])).await;
        let answer = legacy_at(wire.url()).look_up(&buyer("buyer-7")).await.unwrap();
        assert_eq!((answer.is_handed_over, answer.known.offers.len()), (expected, 1));
    }
}

#[tokio::test]
async fn an_answer_that_breaks_the_contract_is_an_error_with_the_place() {
    let with = |field: &str, value: Value| {
        let mut offer = an_offer();
        offer[field] = value;
        let mut other = an_offer();
        other["offerId"] = json!("offer-0");
        json!({ "buyerId": "buyer-7", "wasInvited": false, "offers": [other, offer] })
    };
    let closed = |one: usize| json!({ "offerId": one.to_string(), "offerVersion": 1, "stage": "closed" });
    let offers: Vec<Value> = (0..=MOST_OFFERS).map(closed).collect();
    let too_many = json!({ "buyerId": "buyer-7", "wasInvited": false, "offers": offers });
    for (answer, place) in [
        (json!({}), "line 1"),
        (json!({ "buyerId": "buyer-8", "wasInvited": false, "offers": [] }), "buyerId"),
        (json!({ "buyerId": "buyer-7", "offers": [] }), "line 1"),
        (with("offerId", json!("offer-0")), "offers[1].offerId"),
        (with("offerId", json!("a/b")), "offers[1].offerId"),
        (with("offerVersion", json!(0)), "offers[1].offerVersion"),
        (with("stage", json!("open")), "offers[1].stage"),
        (with("acceptedVersion", json!(5)), "offers[1].acceptedVersion"),
        (with("carId", json!("")), "offers[1].carId"),
        (with("leadId", json!("high/offer-1/2")), "offers[1].leadId"),
        (with("leadId", json!(7)), "line 1"),
        (json!({ "buyerId": "buyer-7", "wasInvited": false, "lowLeadId": "", "offers": [] }), "lowLeadId"),
        (too_many, "offers: must have at most"),
    ] {
        let error = hand_over_with_json(&answer).await.unwrap_err();
        assert!(error.contains(place), "{error}");
    }
}

#[tokio::test]
async fn an_answer_may_have_the_largest_size_and_no_more() {
    for (size, is_usable) in [(LARGEST_ANSWER, true), (LARGEST_ANSWER + 1, false)] {
        let mut reply = Reply::json(200, &json!({ "buyerId": "buyer-7", "wasInvited": true, "offers": [] }));
        reply.body.resize(size, b' ');
        assert_eq!(hand_over_with(Answer::Reply(reply)).await.is_ok(), is_usable, "{size}");
    }
}

#[tokio::test]
async fn any_other_response_is_an_error() {
    let huge = Reply { status: 200, headers: Vec::new(), body: vec![b' '; LARGEST_ANSWER + 1] };
    let moved = Reply {
        status: 302,
        headers: vec![("location".to_owned(), "http://127.0.0.1:1/buyers/buyer-7".to_owned())],
        body: Vec::new(),
    };
    for (answer, word) in [
        (Answer::Reply(Reply::json(500, &json!({}))), "500"),
        (Answer::Reply(Reply::json(403, &json!({}))), "403"),
        (Answer::Reply(Reply::json(411, &json!({}))), "411"),
        (Answer::Reply(Reply::json(503, &json!({}))), "503"),
        (Answer::Reply(moved), "302"),
        (Answer::Reply(huge), "bytes"),
        (
            Answer::Reply(Reply { status: 200, headers: Vec::new(), body: b"not JSON, Ada Canary".to_vec() }),
            "line 1",
        ),
        (Answer::ResetAfterReading, "no usable answer"),
        (Answer::Never, "no usable answer"),
    ] {
        let error = hand_over_with(answer).await.unwrap_err();
        assert!(error.contains(word), "{error}");
    }
}
