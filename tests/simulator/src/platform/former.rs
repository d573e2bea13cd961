//! The system that recorded buyers before. It was told of events too, earlier or later than we are.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::history::Sent;
use crate::rules::{Fact, Offer, offers_of};

/// What it was told, and what it answered when it handed a buyer over.
#[derive(Debug, Default)]
pub(crate) struct Former {
    told: BTreeMap<String, Vec<Sent>>,
    /// Everything that was ever posted, which it learns sooner or later.
    posted: BTreeMap<String, Vec<Sent>>,
    answers: BTreeMap<String, Option<String>>,
    /// Whether it hears of events when they are posted.
    pub(crate) is_prompt: bool,
}

impl Former {
    /// It is told of an honest event.
    pub(crate) fn tell(&mut self, event: &Sent) {
        self.told.entry(event.buyer.clone()).or_default().push(event.clone());
    }

    pub(crate) fn is_posted(&mut self, event: &Sent) {
        if event.is_odd {
            return; // It heeds no contradictions.
        }
        self.posted.entry(event.buyer.clone()).or_default().push(event.clone());
        if self.is_prompt {
            self.tell(event);
        }
    }

    /// What it knows now, without any consequence. By then it has heard of all that was posted.
    pub(crate) fn look(&mut self, buyer: &str) -> Option<String> {
        let posted = self.posted.get(buyer).cloned().unwrap_or_default();
        self.told.entry(buyer.to_owned()).or_default().extend(posted);
        self.knows(buyer)
    }

    /// It hands the buyer over: at first sight with the same answer each time, after a reset with what it knows by then.
    pub(crate) fn hand_over(&mut self, buyer: &str, is_anew: bool) -> Option<String> {
        if is_anew {
            return self.look(buyer);
        }
        if !self.answers.contains_key(buyer) {
            let answer = self.knows(buyer);
            self.answers.insert(buyer.to_owned(), answer);
        }
        self.answers.get(buyer).cloned().flatten()
    }

    fn knows(&self, buyer: &str) -> Option<String> {
        let facts: Vec<Fact> = self.told.get(buyer)?.iter().map(fact).collect();
        let offers: Vec<Value> = offers_of(&facts).0.iter().map(|(id, offer)| known(id, offer)).collect();
        let answer = json!({ "buyerId": buyer, "wasInvited": !offers.is_empty(), "offers": offers });
        (!offers.is_empty()).then(|| answer.to_string())
    }
}

fn fact(event: &Sent) -> Fact {
    Fact {
        offer: event.offer.clone(),
        version: event.version,
        kind: event.kind.to_owned(),
        email: event.email.to_owned(),
        sequence: 0,
        known: None,
    }
}

fn known(id: &str, offer: &Offer) -> Value {
    let stage = match offer.stage {
        'a' => "accepted",
        'p' => "pending",
        _ => "closed",
    };
    json!({
        "offerId": id,
        "offerVersion": offer.version,
        "stage": stage,
        "acceptedVersion": (offer.stage == 'a').then_some(offer.accepted_at),
        "carId": format!("car-{id}"),
        "buyer": { "name": "Ada Canary", "email": offer.email },
    })
}
