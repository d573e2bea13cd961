//! A simulated former system on a free local port.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use testkit::wire::{Answer, Reply, Wire};

type Answers = Arc<Mutex<BTreeMap<String, Answer>>>;

/// A former system. It gives the configured answer for each buyer, with `handedOver` after a handover, and 404 for all
/// others.
pub(crate) struct Former {
    wire: Wire,
    answers: Answers,
}

/// An offer for the car `<id>`, made by the person of most tests.
pub(crate) fn known(id: &str, version: u32, stage: &str) -> Value {
    json!({
        "offerId": id, "offerVersion": version, "stage": stage, "carId": id,
        "buyer": { "name": "Ada Canary", "email": "ada.canary@example.com", "phone": "+61 400 000 000" },
    })
}

/// Adds an open high lead to an offer.
pub(crate) fn with_lead(mut offer: Value, lead: &str) -> Value {
    offer["leadId"] = json!(lead);
    offer
}

impl Former {
    pub(crate) async fn start() -> Self {
        let answers = Answers::default();
        let shared = Arc::clone(&answers);
        let wire = Wire::start(move |request| {
            let path = request.path.trim_start_matches("/buyers/");
            let buyer = path.trim_end_matches("/handover");
            let mut answers = shared.lock().unwrap();
            let answer = answers.get(buyer).cloned();
            if request.method == "POST"
                && let Some(Answer::Reply(reply)) = answers.get_mut(buyer)
                && reply.status == 200
            {
                let mut body = reply.body_json();
                body["handedOver"] = json!(true);
                *reply = Reply::json(200, &body);
            }
            answer.unwrap_or_else(|| Answer::Reply(Reply::json(404, &json!({}))))
        })
        .await;
        Self { wire, answers }
    }

    pub(crate) fn url(&self) -> &str {
        self.wire.url()
    }

    /// Sets the offers it knows of a buyer.
    pub(crate) fn knows(&self, buyer: &str, offers: &[Value]) {
        self.knows_also(buyer, offers, &json!({}));
    }

    /// Sets the offers it knows of a buyer, and further fields of the answer.
    pub(crate) fn knows_also(&self, buyer: &str, offers: &[Value], fields: &Value) {
        let mut answer = json!({ "buyerId": buyer, "wasInvited": true, "offers": offers });
        for (name, value) in fields.as_object().unwrap() {
            answer[name] = value.clone();
        }
        self.answers(buyer, Answer::Reply(Reply::json(200, &answer)));
    }

    pub(crate) fn answers(&self, buyer: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(buyer.to_owned(), answer);
    }

    /// The requests it received, as in `GET /buyers/ada`, sorted.
    pub(crate) fn asked(&self) -> Vec<String> {
        let exchanges = self.wire.exchanges();
        let mut asked: Vec<String> = exchanges
            .iter()
            .map(|exchange| format!("{} {}", exchange.request.method, exchange.request.path))
            .collect();
        asked.sort();
        asked
    }
}
