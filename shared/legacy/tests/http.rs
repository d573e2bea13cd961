//! What is asked of a former system, and what its answers mean; on the wire.
#![expect(clippy::unwrap_used, reason = "test code")]

use contract::legacy::{LARGEST_ANSWER, MOST_OFFERS};
use domain::{Contact, FormerLeadId, Known, Offer, OfferVersion, Stage};
use legacy::{HttpLegacy, Legacy as _};
use platform::Settings;
use platform::https::{Https, Trust};
use serde_json::{Value, json};
use testkit::buyer;
use testkit::wire::message::header;
use testkit::wire::{Answer, Reply, Wire, in_turn};

fn asking(url: &str) -> HttpLegacy {
    let lookup = |name: &str| match name {
        "LEGACY_URL" => Some(format!("{url}/old/")),
        "LEGACY_AUTHORIZATION" => Some("Bearer secret".to_owned()),
        _ => None,
    };
    let https = Https::trusting(Trust::BuiltIn).unwrap();
    HttpLegacy::from_settings(&Settings::from_lookup(&lookup), &https).unwrap().unwrap()
}

async fn answered(answer: Answer) -> Result<Known, String> {
    let wire = Wire::start(in_turn([answer])).await;
    let answer = asking(wire.url()).hand_over(&buyer("buyer-7")).await;
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

async fn told(json: &Value) -> Result<Known, String> {
    answered(Answer::Reply(Reply::json(200, json))).await
}

fn an_offer() -> Value {
    json!({
        "offerId": "offer-1", "offerVersion": 4, "stage": "accepted", "acceptedVersion": 2, "carId": "car-1",
        "leadId": "H-7",
        "buyer": { "name": "Ada Canary", "email": "ada.canary@example.com" }, "later": true,
    })
}

#[tokio::test]
async fn a_buyer_is_asked_about_by_name_and_with_what_lets_us_in() {
    let wire = Wire::start(in_turn([Answer::Reply(Reply::json(404, &json!({})))])).await;
    let (legacy, name) = (asking(wire.url()), buyer("b?u#y%er-7._~"));
    assert_eq!(legacy.look_up(&name).await.unwrap(), legacy::Answer::default());
    assert_eq!(legacy.hand_over(&name).await.unwrap(), Known::default());
    let asked: Vec<(String, String, Option<String>)> = wire
        .exchanges()
        .into_iter()
        .map(|exchange| {
            assert_eq!(header(&exchange.request.headers, "authorization"), Some("Bearer secret"));
            let length = header(&exchange.request.headers, "content-length").map(str::to_owned);
            (exchange.request.method, exchange.request.path, length)
        })
        .collect();
    // What may have a body says how long it is: a server may answer 411 otherwise. Unreserved characters stay as they are.
    let path = "/old/buyers/b%3Fu%23y%25er-7._~";
    let look = ("GET".to_owned(), path.to_owned(), None);
    let handover = ("POST".to_owned(), format!("{path}/handover"), Some("0".to_owned()));
    assert_eq!(asked, [look, handover]);
    assert!(!format!("{:?}", asking("http://127.0.0.1:1")).contains("secret"));
}

#[tokio::test]
async fn what_it_knows_is_offers_with_the_names_of_their_leads() {
    let offers = json!([
        an_offer(),
        { "offerId": "offer-2", "offerVersion": 1, "stage": "pending" },
        { "offerId": "offer-3", "offerVersion": 3, "stage": "closed", "carId": null, "buyer": null },
        { "offerId": "offer-4", "offerVersion": 5, "stage": "accepted" },
    ]);
    let answer = json!({ "buyerId": "buyer-7", "wasInvited": true, "lowLeadId": "L:1", "offers": offers });
    let known = told(&answer).await.unwrap();
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
async fn a_look_tells_whether_the_buyer_is_handed_over() {
    for (said, is_handed_over) in [(json!(true), true), (json!(false), false), (Value::Null, false)] {
        let mut json = json!({ "buyerId": "buyer-7", "wasInvited": false, "offers": [an_offer()] });
        if !said.is_null() {
            json["handedOver"] = said;
        }
        let wire = Wire::start(in_turn([Answer::Reply(Reply::json(200, &json))])).await;
        let answer = asking(wire.url()).look_up(&buyer("buyer-7")).await.unwrap();
        assert_eq!((answer.is_handed_over, answer.known.offers.len()), (is_handed_over, 1));
    }
}

#[tokio::test]
async fn an_answer_that_is_not_as_agreed_is_none_and_says_where() {
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
        (too_many, "offers: at most"),
    ] {
        let error = told(&answer).await.unwrap_err();
        assert!(error.contains(place), "{error}");
    }
}

#[tokio::test]
async fn whatever_else_it_answers_is_no_answer() {
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
        (Answer::ResetAfterReading, "did not tell"),
        (Answer::Never, "did not tell"),
    ] {
        let error = answered(answer).await.unwrap_err();
        assert!(error.contains(word), "{error}");
    }
}
