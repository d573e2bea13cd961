//! Plays a scenario on a deployed stack: one delivery at a time, each awaited until the buyer's cursor has reached it, so
//! that the outcome is no race.

use cli::history::History;
use cli::{Fate, Line};
use domain::{BuyerId, LeadId};
use serde_json::{Value, json};

use crate::{Delivery, Expected, Failed, Mail, Scenario, Stack};

/// The person behind a buyer of the tests. The data are canaries: no log line may contain them.
#[derive(Debug, Clone)]
pub struct Person {
    /// The buyer's id, and the part of the address before the `@`.
    pub buyer: BuyerId,
}

impl Person {
    /// The person behind this buyer id.
    pub fn called(name: &str) -> Result<Self, Failed> {
        Ok(Self { buyer: BuyerId::parse(name)? })
    }

    /// Where e-mails to it go.
    #[must_use]
    pub fn email(&self) -> String {
        format!("{}.canary@example.com", self.buyer)
    }

    /// The event as the offer system posts it, with its id.
    #[must_use]
    pub fn event(&self, kind: &str, offer: &str, version: u64) -> (String, String) {
        let id = format!("{}-{offer}-{version}", self.buyer);
        let mut data = json!({"buyerId": self.buyer.as_str(), "offerId": offer, "offerVersion": version});
        if kind == "offer.made.v1" {
            data["carId"] = json!(offer);
            data["buyer"] = json!({"name": "Ada Canary", "email": self.email(), "phone": "+61 400 000 000"});
        }
        let event = json!({
            "specversion": "1.0", "id": id, "source": "/offers", "type": kind, "subject": offer,
            "time": "2026-11-23T10:00:00Z", "data": data,
        });
        (id, event.to_string())
    }
}

/// What a scenario brought about.
#[derive(Debug)]
pub struct Played {
    /// Event by event.
    pub history: History,
    /// What was seen after each delivery.
    pub seen: Vec<Expected>,
    /// The e-mails as SES took them.
    pub emails: Vec<Mail>,
    /// The messages that the sales team got, as JSON.
    pub sales: Vec<Value>,
    /// What is not as expected; empty if all is well.
    pub differences: Vec<String>,
}

/// Plays a scenario for a new buyer.
pub async fn play(stack: &Stack, scenario: &Scenario, person: &Person) -> Result<Played, Failed> {
    let buyer = &person.buyer;
    for (delivery, facts) in scenario.deliveries.iter().zip(1..) {
        let (id, body) = person.event(&delivery.kind, &delivery.offer, delivery.version);
        stack.post(buyer.as_str(), &id, &body).await?;
        stack.settled(buyer, facts).await?;
    }
    let history = stack.explained(buyer).await?;
    let seen = seen(&history.lines);
    let emails = stack.emails_to(&person.email()).await?;
    let sales = stack.sales_bodies(buyer).await?;
    let differences = differences(scenario, buyer, &seen, &emails, &sales);
    Ok(Played { history, seen, emails, sales, differences })
}

/// What history says was to be seen after each event.
fn seen(lines: &[Line]) -> Vec<Expected> {
    let mut held: Vec<(String, u64)> = Vec::new();
    let mut seen = Vec::new();
    for line in lines {
        let Some(event) = line.entry.event() else { continue };
        let offer = event.offer.to_string();
        match &line.fate {
            Fate::Held => held.push((offer, event.version.get().into())),
            Fate::Applied { released } => {
                held.retain(|(held, version)| {
                    *held != offer || !released.iter().any(|one| u64::from(one.get()) == *version)
                });
            }
            Fate::Duplicate | Fate::Taken => {}
        }
        held.sort();
        let high = line.open_leads.iter().filter_map(|lead| match lead {
            LeadId::High { offer, .. } => Some(offer.to_string()),
            LeadId::Low { .. } | LeadId::Former { .. } => None,
        });
        seen.push(Expected {
            low: line.open_leads.iter().any(|lead| matches!(lead, LeadId::Low { .. })),
            high: high.collect(),
            held: held.clone(),
            effects: line
                .effects
                .iter()
                .map(|explained| (explained.effect.key(), explained.settled.name().to_owned()))
                .collect(),
        });
    }
    seen
}

fn differences(
    scenario: &Scenario,
    buyer: &BuyerId,
    seen: &[Expected],
    emails: &[Mail],
    sales: &[Value],
) -> Vec<String> {
    let mut differences = Vec::new();
    let expected: Vec<&Expected> =
        scenario.deliveries.iter().map(|Delivery { expected, .. }| expected).collect();
    if seen.len() != expected.len() {
        differences.push(format!("{} events recorded, {} expected", seen.len(), expected.len()));
    }
    for (index, (seen, expected)) in seen.iter().zip(expected).enumerate() {
        if seen != expected {
            differences.push(format!("after event {}: {seen:?}, expected {expected:?}", index + 1));
        }
    }
    if emails.len() != scenario.emails.len()
        || !emails.iter().zip(&scenario.emails).all(|(mail, key)| mail.is_for(key))
    {
        let subjects: Vec<&str> = emails.iter().map(|mail| mail.subject.as_str()).collect();
        differences.push(format!("e-mails {subjects:?}, expected {:?}", scenario.emails));
    }
    let ids: Vec<String> = scenario.sales.iter().map(|key| format!("{buyer}/{key}")).collect();
    let got: Vec<&str> = sales.iter().map(|message| message["id"].as_str().unwrap_or_default()).collect();
    if got != ids {
        differences.push(format!("sales messages {got:?}, expected {ids:?}"));
    }
    differences
}

impl Mail {
    /// Whether this is the mail of that effect key.
    #[must_use]
    pub fn is_for(&self, key: &str) -> bool {
        match key.strip_prefix("accepted-email/").and_then(|rest| rest.rsplit_once('/')) {
            Some((offer, _)) => {
                self.subject == "Your offer was accepted" && self.text.contains(&format!("/offers/{offer}\n"))
            }
            None => key == "quote-email" && self.subject.starts_with("An insurance quote"),
        }
    }
}
