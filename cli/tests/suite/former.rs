//! A former system on a free port of this machine.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use testkit::wire::{Answer, Reply, Wire};

type Answers = Arc<Mutex<BTreeMap<String, Answer>>>;

/// It answers about each buyer as it was set, 404 otherwise, and says `handedOver` of whom it has handed over.
pub(crate) struct Former {
    wire: Wire,
    answers: Answers,
}

/// An offer of car `<id>`, made by the one person of most tests.
pub(crate) fn known(id: &str, version: u32, stage: &str) -> Value {
    json!({
        "offerId": id, "offerVersion": version, "stage": stage, "carId": id,
        "buyer": { "name": "Ada Canary", "email": "ada.canary@example.com", "phone": "+61 400 000 000" },
    })
}

/// The same with an open high lead.
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

    /// What it knows of a buyer from now on.
    pub(crate) fn knows(&self, buyer: &str, offers: &[Value]) {
        self.knows_also(buyer, offers, &json!({}));
    }

    /// The same with further fields.
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

    /// What it was asked, as in `GET /buyers/ada`, sorted.
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
