//! Many buyers at once, with late, repeated and bad messages. The outcome after each event depends on timing, so only
//! the invariants at the end are checked (`invariants.rs`).

use std::collections::{BTreeMap, BTreeSet};

use domain::LeadId;
use serde_json::Value;

use crate::play::recorded;
use crate::{Failed, Mail, Person, Recorded, Stack};

/// The number of buyers.
const BUYERS: usize = 12;

/// What a stack contains about a guest after all messages.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The recorded events, in the order of recording.
    pub recorded: Vec<Recorded>,
    /// The reason of each dead letter.
    pub dead: Vec<String>,
    /// The open leads, by the stream.
    pub open: BTreeSet<LeadId>,
    /// The messages in the sales team's queue, in order.
    pub sales: Vec<Value>,
    /// The e-mails that SES took.
    pub mails: Vec<Mail>,
    /// The effect keys that the e-mail ledger lists as sent.
    pub ledger: Vec<String>,
}

/// Posts the messages of all buyers at once.
pub async fn post_all(stack: &Stack, guests: &[Guest]) -> Result<(), Failed> {
    futures::future::try_join_all(guests.iter().map(|guest| guest.post(stack))).await.map(drop)
}

/// The messages posted for one buyer, and their expected outcome.
#[derive(Debug)]
pub struct Guest {
    /// The buyer and its contact data.
    pub person: Person,
    /// The messages in the order of posting: group, deduplication id, body.
    pub messages: Vec<(String, String, String)>,
    /// Type of each event sent, by offer and version.
    pub events: BTreeMap<(String, u64), &'static str>,
    /// The number of repeats among the messages.
    pub repeats: usize,
    /// The reasons of the dead letters that the bad messages must become, sorted.
    pub bad: Vec<String>,
}

/// Guests whose buyer ids begin with this prefix. Their messages are the same in every run.
pub fn crowd(prefix: &str) -> Result<Vec<Guest>, Failed> {
    crowd_of(|number| Person::called(&format!("{prefix}-{number}")))
}

/// Guests who are the persons that `person` returns for a number. Their messages differ between runs only in these.
pub fn crowd_of(person: impl Fn(usize) -> Result<Person, Failed>) -> Result<Vec<Guest>, Failed> {
    (0..BUYERS).map(|number| Ok(Guest::numbered(person(number)?, number))).collect()
}

/// A small random generator (xorshift) with a fixed seed, so that the messages are the same on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % bound
    }
}

impl Guest {
    fn numbered(person: Person, number: usize) -> Self {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ (number as u64 + 1));
        let mut events = BTreeMap::new();
        let mut order = Vec::new();
        for offer in 0..=dice.below(3) {
            let offer = format!("car-{offer}");
            let mut kind = "offer.made.v1";
            for version in 1..=1 + dice.below(5) as u64 {
                if version > 1 {
                    kind = match (kind, dice.below(4)) {
                        ("offer.accepted.v1", 0 | 1) => "offer.acceptance-withdrawn.v1",
                        ("offer.accepted.v1", _) => "offer.rejected.v1",
                        (_, 3) => "offer.withdrawn.v1",
                        _ => "offer.accepted.v1",
                    };
                }
                events.insert((offer.clone(), version), kind);
                order.push((offer.clone(), version));
            }
        }
        // Some events are late: they move back by a few places.
        for index in 0..order.len() {
            if dice.below(3) == 0 {
                let to = (index + 1 + dice.below(3)).min(order.len() - 1);
                let event = order.remove(index);
                order.insert(to, event);
            }
        }
        let group = person.buyer.to_string();
        let mut messages = Vec::new();
        let mut repeats = 0;
        let mut bad = Vec::new();
        for (offer, version) in order {
            let kind = events.get(&(offer.clone(), version)).copied().unwrap_or_default();
            let (id, body) = person.event(kind, &offer, version);
            messages.push((group.clone(), id.clone(), body.clone()));
            if dice.below(4) == 0 {
                messages.push((group.clone(), format!("{id}-again"), body.clone()));
                repeats += 1;
            }
            if dice.below(4) == 0 {
                let (reason, body) = match dice.below(3) {
                    0 => ("not-json", "{".to_owned()),
                    1 => ("unknown-type", body.replace(kind, "offer.updated.v1")),
                    _ => ("wrong-group", body.replace(&format!("\"{group}\""), "\"somebody-else\"")),
                };
                messages.push((group.clone(), format!("{id}-bad-{}", messages.len()), body));
                bad.push(reason.to_owned());
            }
        }
        bad.sort();
        Self { person, messages, events, repeats, bad }
    }

    /// Posts all messages, in order.
    pub async fn post(&self, stack: &Stack) -> Result<(), Failed> {
        for (group, deduplication_id, body) in &self.messages {
            stack.post(group, deduplication_id, body).await?;
        }
        Ok(())
    }

    /// Waits until every message is recorded or dead-lettered and every effect is settled. Returns what the stack then
    /// contains about the guest.
    pub async fn observe(&self, stack: &Stack) -> Result<Observed, Failed> {
        let buyer = &self.person.buyer;
        let group = buyer.as_str();
        stack.wait_settled(buyer, self.events.len() as u64).await?;
        stack
            .until(&format!("the queue of {buyer} to be empty"), async || {
                Ok(stack.waiting(group).await?.is_empty().then_some(()))
            })
            .await?;
        let history = stack.history(buyer).await?;
        let dead = stack.dead_letters(group).await?;
        let sent = |entry: &leads_store::LedgerEntry| entry.status == leads_store::Status::Sent;
        let ledger = history.about.ledger.iter().filter(|(_, entry)| sent(entry));
        Ok(Observed {
            recorded: recorded(&history.lines),
            dead: dead.iter().map(|letter| letter.attribute("reason")).collect(),
            open: stack.head(buyer).await?.state.open_leads().collect(),
            sales: stack.sales_bodies(buyer).await?,
            mails: stack.emails_to(&self.person.email()).await?,
            ledger: ledger.map(|(key, _)| key.clone()).collect(),
        })
    }

    /// Whether the low lead must be open, and the offers that must have a high lead, by the set of events alone.
    pub(crate) fn expected_leads(&self) -> (bool, BTreeSet<String>) {
        let last_type =
            |offer: &str| self.events.iter().rfind(|((of, _), _)| of == offer).map(|(_, kind)| *kind);
        let offers: BTreeSet<&String> = self.events.keys().map(|(offer, _)| offer).collect();
        let is = |offer: &&String, kinds: &[&str]| last_type(offer).is_some_and(|kind| kinds.contains(&kind));
        let high: BTreeSet<String> = offers
            .iter()
            .filter(|offer| is(offer, &["offer.accepted.v1"]))
            .map(ToString::to_string)
            .collect();
        let is_pending = |offer: &&String| is(offer, &["offer.made.v1", "offer.acceptance-withdrawn.v1"]);
        (high.is_empty() && offers.iter().any(is_pending), high)
    }
}
