//! Plays a scenario on a deployed stack, one delivery at a time. The next one is posted only when the buyer's cursor
//! has passed the previous one, so the outcome does not depend on timing.

use cli::history::History;
use cli::{Fate, Line};
use domain::{BuyerId, LeadId};
use serde_json::{Value, json};

use crate::{Delivery, Expected, Failed, Mail, Scenario, Stack};

/// A buyer of the tests with its contact data. The data are canaries: no log line may contain them.
#[derive(Debug, Clone)]
pub struct Person {
    /// The buyer's id, which is also the beginning of the e-mail address.
    pub buyer: BuyerId,
}

impl Person {
    /// The person with this buyer id.
    pub fn called(name: &str) -> Result<Self, Failed> {
        Ok(Self { buyer: BuyerId::parse(name)? })
    }

    /// The e-mail address.
    #[must_use]
    pub fn email(&self) -> String {
        format!("{}.canary@example.com", self.buyer)
    }

    /// The id and the body of an event as the offer system posts it.
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

/// The outcome of a scenario.
#[derive(Debug)]
pub struct Played {
    /// The buyer's history, event by event.
    pub history: History,
    /// The observed outcome of each delivery.
    pub seen: Vec<Expected>,
    /// The e-mails that SES took, in order.
    pub emails: Vec<Mail>,
    /// The messages in the sales team's queue, as JSON, in order.
    pub sales: Vec<Value>,
    /// Every difference from the expected outcome.
    pub differences: Vec<String>,
}

/// Plays a scenario for a buyer that has no events yet.
pub async fn play(stack: &Stack, scenario: &Scenario, person: &Person) -> Result<Played, Failed> {
    let buyer = &person.buyer;
    for (delivery, facts) in scenario.deliveries.iter().zip(1..) {
        let (id, body) = person.event(&delivery.kind, &delivery.offer, delivery.version);
        stack.post(buyer.as_str(), &id, &body).await?;
        stack.wait_settled(buyer, facts).await?;
    }
    let history = stack.history(buyer).await?;
    let seen = seen(&history.lines);
    let emails = stack.emails_to(&person.email()).await?;
    let sales = stack.sales_bodies(buyer).await?;
    let differences = differences(scenario, buyer, &seen, &emails, &sales);
    Ok(Played { history, seen, emails, sales, differences })
}

/// The outcome of each event, by the buyer's history.
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

/// Every difference between the observed and the expected outcome.
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
        differences.push(format!("{} events are recorded, {} were expected", seen.len(), expected.len()));
    }
    for (index, (seen, expected)) in seen.iter().zip(expected).enumerate() {
        if seen != expected {
            differences.push(format!("after event {}: observed {seen:?}, expected {expected:?}", index + 1));
        }
    }
    if emails.len() != scenario.emails.len()
        || !emails.iter().zip(&scenario.emails).all(|(mail, key)| mail.is_for(key))
    {
        let subjects: Vec<&str> = emails.iter().map(|mail| mail.subject.as_str()).collect();
        differences.push(format!("the e-mails are {subjects:?}, expected {:?}", scenario.emails));
    }
    let ids: Vec<String> = scenario.sales.iter().map(|key| format!("{buyer}/{key}")).collect();
    let got: Vec<&str> = sales.iter().map(|message| message["id"].as_str().unwrap_or_default()).collect();
    if got != ids {
        differences.push(format!("the sales messages are {got:?}, expected {ids:?}"));
    }
    differences
}

impl Mail {
    /// Whether this is the mail for an effect key, judged by its text.
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
