//! The corpus: the events to record, as the offer system would send them, made from a seed.

use domain::{BuyerId, CarId, Contact, Event, EventId, OfferChange, OfferId, OfferVersion};
use serde_json::Value;
use testkit::{EventBuilder, SplitMix64, acceptance_withdrawn, accepted, rejected, withdrawn};

/// The number of buyers in the corpus.
const BUYERS: usize = 40;

/// The number of events per buyer.
pub const EVENTS_OF_EACH: usize = 20;

/// The committed corpus: one message body per line, buyer after buyer.
const COMMITTED: &str = include_str!("../corpus.jsonl");

/// A message of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The buyer.
    pub group: String,
    /// The event's id.
    pub id: String,
    /// The event as JSON.
    pub body: String,
}

impl Message {
    /// The message with this event.
    #[must_use]
    pub fn of(buyer: &BuyerId, event: &Event) -> Self {
        Self { group: buyer.to_string(), id: event.id.to_string(), body: testkit::body(buyer, event) }
    }

    fn read(line: &str) -> Self {
        let body: Value = serde_json::from_str(line).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self { group: text(&body["data"]["buyerId"]), id: text(&body["id"]), body: line.to_owned() }
    }

    /// The event's type, as in `offer.made.v1`.
    ///
    /// # Panics
    /// The body is not an event.
    #[must_use]
    pub fn kind(&self) -> String {
        serde_json::from_str::<Value>(&self.body).unwrap()["type"].as_str().unwrap().to_owned()
    }
}

/// The corpus by buyer.
///
/// # Panics
/// The corpus was edited by hand.
#[must_use]
pub fn committed() -> Vec<Vec<Message>> {
    let messages: Vec<Message> = COMMITTED.lines().map(Message::read).collect();
    messages.chunks(EVENTS_OF_EACH).map(<[Message]>::to_vec).collect()
}

/// The number of events of each type, in descending order.
#[must_use]
pub fn mix(messages: &[Vec<Message>]) -> Vec<(String, usize)> {
    let mut mix = std::collections::BTreeMap::<String, usize>::new();
    for message in messages.iter().flatten() {
        *mix.entry(message.kind()).or_default() += 1;
    }
    let mut mix: Vec<_> = mix.into_iter().collect();
    mix.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    mix
}

/// Makes the corpus again; the result must equal the committed one.
#[must_use]
pub fn make() -> String {
    let mut random = SplitMix64(2026);
    let lines = (0..BUYERS).flat_map(|number| life(number, &mut random));
    lines.map(|body| body + "\n").collect()
}

/// The first events of a buyer: offers are made, and each of them changes as offers do.
fn life(number: usize, random: &mut SplitMix64) -> Vec<String> {
    const NAMES: [&str; 8] = [
        "Ada Canary",
        "Björn Canary-Lindqvist",
        "Chidi Canary",
        "Dolores de la Canary",
        "Ed Canary",
        "Fatima al-Canary",
        "Giulia Canary",
        "Henrietta Canary",
    ];
    let buyer = testkit::buyer(&format!("buyer-{}", 20_000 + number));
    let name = NAMES[number % NAMES.len()].to_owned();
    let email = format!("canary.{number}@example.com");
    let phone = (!number.is_multiple_of(3)).then(|| format!("+61 400 000 {number:03}"));
    let contact = Contact { name, email, phone };
    let mut offers: Vec<Offer> = Vec::new();
    let mut bodies = Vec::new();
    while bodies.len() < EVENTS_OF_EACH {
        let open: Vec<usize> = (0..offers.len()).filter(|at| !offers[*at].is_closed).collect();
        let event = if open.is_empty() || random.below(100) < 30 {
            let id = format!("offer-{}", 70_000 + number * EVENTS_OF_EACH + offers.len());
            let car = CarId::parse(&format!("car-{}", 1000 + random.below(9000))).unwrap();
            offers.push(Offer { id: id.clone(), version: 1, is_accepted: false, is_closed: false });
            let offer = OfferId::parse(&id).unwrap();
            let change = OfferChange::Made { car, contact: Some(contact.clone()) };
            Event {
                offer,
                version: OfferVersion::FIRST,
                change,
                id: EventId::parse("1").unwrap(),
                time: None,
            }
        } else {
            offers[open[random.below(open.len())]].next_event(random.below(100))
        };
        let id = uuid::Builder::from_random_bytes(bytes(random)).into_uuid();
        let minute = bodies.len() * 7;
        let time = format!("2026-11-23T{:02}:{:02}:{:02}Z", 8 + minute / 60, minute % 60, random.below(60));
        let event = Event { id: EventId::parse(&id.to_string()).unwrap(), time: Some(time), ..event };
        bodies.push(testkit::body(&buyer, &event));
    }
    bodies
}

struct Offer {
    id: String,
    version: u32,
    is_accepted: bool,
    is_closed: bool,
}

impl Offer {
    /// The offer's next event. Of a hundred pending offers 45 are accepted, 25 withdrawn and 30 rejected; of a hundred
    /// accepted ones, 35 acceptances are withdrawn, 40 offers withdrawn and 25 rejected.
    fn next_event(&mut self, of_a_hundred: usize) -> Event {
        self.version += 1;
        let (change, is_accepted, is_closed): (EventBuilder, bool, bool) =
            match (self.is_accepted, of_a_hundred) {
                (false, ..45) => (accepted(&self.id), true, false),
                (true, ..35) => (acceptance_withdrawn(&self.id), false, false),
                (false, 45..70) | (true, 35..75) => (withdrawn(&self.id), false, true),
                (_, _) => (rejected(&self.id), false, true),
            };
        (self.is_accepted, self.is_closed) = (is_accepted, is_closed);
        change.v(self.version)
    }
}

/// Random bytes for an id.
fn bytes(random: &mut SplitMix64) -> [u8; 16] {
    ((u128::from(random.next()) << 64) | u128::from(random.next())).to_be_bytes()
}

/// The endless events of one offer: made, then accepted and withdrawn in turn.
pub fn endless(offer: &str) -> impl Iterator<Item = Event> + use<> {
    let offer = offer.to_owned();
    (1..).map(move |version| match version {
        1 => testkit::made(&offer),
        even if even % 2 == 0 => accepted(&offer).v(even),
        odd => acceptance_withdrawn(&offer).v(odd),
    })
}

/// The endless events of several offers, one of each in turn.
pub fn round_robin(offers: usize) -> impl Iterator<Item = Event> {
    let mut lives: Vec<_> = (0..offers).map(|offer| endless(&format!("offer-{offer}"))).collect();
    (0..offers).cycle().map(move |offer| lives[offer].next().unwrap())
}
