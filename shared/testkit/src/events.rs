use domain::{
    Announced, BuyerId, CarId, Contact, Effect, Event, EventId, Fact, OfferChange, OfferId, OfferVersion,
    State, effects_between,
};
use serde_json::{Value, json};

/// A buyer id.
#[must_use]
pub fn buyer(name: &str) -> BuyerId {
    BuyerId::parse(name).unwrap()
}

/// An offer id.
#[must_use]
pub fn offer(name: &str) -> OfferId {
    OfferId::parse(name).unwrap()
}

/// Folds a fact into the state and returns its effects, as an append does.
pub fn append(state: &mut State, fact: impl Into<Fact>) -> Vec<Effect> {
    let fact = fact.into();
    let announced = Announced::before(&fact, state);
    state.fold(&fact);
    effects_between(&announced, state)
}

/// The contact that most tests use. Its values are canaries: no log line may contain them.
#[must_use]
pub fn contact() -> Contact {
    Contact {
        name: "Ada Canary".to_owned(),
        email: "ada.canary@example.com".to_owned(),
        phone: Some("+61 400 000 000".to_owned()),
    }
}

/// An event without its offer version, which [`v`](Self::v) adds, as in `accepted("car-1").v(2)`.
#[derive(Debug, Clone)]
pub struct EventBuilder {
    offer: OfferId,
    change: OfferChange,
}

impl EventBuilder {
    /// The event with this offer version.
    #[must_use]
    pub fn v(self, version: u32) -> Event {
        let id = EventId::parse(&format!("{}-{version}-{}", self.offer, self.change.name())).unwrap();
        Event {
            offer: self.offer,
            version: OfferVersion::new(version).unwrap(),
            change: self.change,
            id,
            time: Some("2026-11-23T10:00:00Z".to_owned()),
        }
    }
}

/// `offer.made.v1` at version 1, for a car whose id equals the offer's.
#[must_use]
pub fn made(name: &str) -> Event {
    made_by(name, contact())
}

/// `offer.made.v1` with this contact.
#[must_use]
pub fn made_by(name: &str, contact: Contact) -> Event {
    let change = OfferChange::Made { car: CarId::parse(name).unwrap(), contact: Some(contact) };
    EventBuilder { offer: offer(name), change }.v(1)
}

/// `offer.accepted.v1`.
#[must_use]
pub fn accepted(name: &str) -> EventBuilder {
    EventBuilder { offer: offer(name), change: OfferChange::Accepted }
}

/// `offer.acceptance-withdrawn.v1`.
#[must_use]
pub fn acceptance_withdrawn(name: &str) -> EventBuilder {
    EventBuilder { offer: offer(name), change: OfferChange::AcceptanceWithdrawn }
}

/// `offer.rejected.v1` without a reason.
#[must_use]
pub fn rejected(name: &str) -> EventBuilder {
    EventBuilder { offer: offer(name), change: OfferChange::Rejected { reason: None } }
}

/// `offer.withdrawn.v1`.
#[must_use]
pub fn withdrawn(name: &str) -> EventBuilder {
    EventBuilder { offer: offer(name), change: OfferChange::Withdrawn }
}

/// The message body that the offer system sends for this event.
#[must_use]
pub fn body(buyer: &BuyerId, event: &Event) -> String {
    let mut data = json!({
        "buyerId": buyer.as_str(),
        "offerId": event.offer.as_str(),
        "offerVersion": event.version.get(),
    });
    match &event.change {
        OfferChange::Made { car, contact } => {
            data["carId"] = json!(car.as_str());
            if let Some(contact) = contact {
                data["buyer"] = json!({ "name": contact.name, "email": contact.email });
                if let Some(phone) = &contact.phone {
                    data["buyer"]["phone"] = json!(phone);
                }
            }
        }
        OfferChange::Rejected { reason: Some(reason) } => data["reason"] = json!(reason),
        OfferChange::Rejected { reason: None }
        | OfferChange::Accepted
        | OfferChange::AcceptanceWithdrawn
        | OfferChange::Withdrawn => {}
    }
    let mut event_json = json!({
        "specversion": "1.0",
        "id": event.id.as_str(),
        "source": "/offers",
        "type": format!("offer.{}.v1", event.change.name()),
        "subject": event.offer.as_str(),
        "data": data,
    });
    if let Some(time) = &event.time {
        event_json["time"] = Value::String(time.clone());
    }
    event_json.to_string()
}

/// A change-feed record as Lambda delivers it: the insert of a commit.
#[must_use]
pub fn doorbell(buyer: &str, sequence: &str) -> Value {
    json!({
        "eventID": format!("{buyer}-{sequence}"),
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:000000000000:table/streams/stream/x",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_764_000_000.0,
            "Keys": { "buyer": { "S": buyer }, "sequence": { "N": sequence } },
            "SequenceNumber": "1",
            "SizeBytes": 20,
            "StreamViewType": "KEYS_ONLY",
        },
    })
}
