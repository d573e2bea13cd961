//! The scenarios, and how one is played on a deployed stack, one delivery at a time. The next one is posted only when
//! the buyer's cursor has passed the previous one, so the outcome does not depend on timing.

use cli::{Fate, Line};
use domain::{BuyerId, LeadId};
use serde_json::{Value, json};

use crate::{Failed, Mail, Stack};

/// A buyer of the tests with its contact data. The data are canaries: no log line may contain them.
#[derive(Debug, Clone)]
pub struct Person {
    /// The buyer's id.
    pub buyer: BuyerId,
    email: String,
}

impl Person {
    /// The person with this buyer id, whose e-mail address begins with the id.
    pub fn called(name: &str) -> Result<Self, Failed> {
        Self::at(name, format!("{name}.canary@example.com"))
    }

    /// The person with this buyer id and e-mail address.
    pub fn at(name: &str, email: String) -> Result<Self, Failed> {
        Ok(Self { buyer: BuyerId::parse(name)?, email })
    }

    /// The e-mail address.
    #[must_use]
    pub fn email(&self) -> String {
        self.email.clone()
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

/// A recorded event and its observed outcome.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The event type.
    pub kind: String,
    /// The offer's id.
    pub offer: String,
    /// The offer version.
    pub version: u64,
    /// The observed outcome.
    pub outcome: Outcome,
}

/// The outcome of a scenario.
#[derive(Debug)]
pub struct Played {
    /// The recorded events, in the order of recording.
    pub recorded: Vec<Recorded>,
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
    let recorded = recorded(&stack.history(buyer).await?.lines);
    let emails = stack.emails_to(&person.email()).await?;
    let sales = stack.sales_bodies(buyer).await?;
    let differences = differences(scenario, buyer, &recorded, &emails, &sales);
    Ok(Played { recorded, emails, sales, differences })
}

/// The events in a buyer's history.
#[must_use]
pub fn recorded(lines: &[Line]) -> Vec<Recorded> {
    let mut held: Vec<(String, u64)> = Vec::new();
    let mut recorded = Vec::new();
    for line in lines {
        let Some(event) = line.entry.event() else { continue };
        let offer = event.offer.to_string();
        let version = u64::from(event.version.get());
        match &line.fate {
            Fate::Held => held.push((offer.clone(), version)),
            Fate::Applied { released } => {
                held.retain(|(held, version)| {
                    *held != offer || !released.iter().any(|one| u64::from(one.get()) == *version)
                });
            }
            Fate::Duplicate | Fate::Taken => {}
        }
        held.sort();
        let high = line.open_leads.iter().filter_map(high_offer);
        let outcome = Outcome {
            low: line.open_leads.iter().any(|lead| matches!(lead, LeadId::Low { .. })),
            high: high.collect(),
            held: held.clone(),
            effects: line
                .effects
                .iter()
                .map(|explained| (explained.effect.key(), explained.settled.name().to_owned()))
                .collect(),
        };
        recorded.push(Recorded { kind: format!("offer.{}.v1", line.entry.name()), offer, version, outcome });
    }
    recorded
}

/// Every difference between the observed and the expected outcome.
fn differences(
    scenario: &Scenario,
    buyer: &BuyerId,
    recorded: &[Recorded],
    emails: &[Mail],
    sales: &[Value],
) -> Vec<String> {
    let mut differences = Vec::new();
    let deliveries = &scenario.deliveries;
    if recorded.len() != deliveries.len() {
        differences.push(format!(
            "{} events are recorded, {} were expected",
            recorded.len(),
            deliveries.len()
        ));
    }
    for (number, (Recorded { outcome, .. }, delivery)) in (1..).zip(recorded.iter().zip(deliveries)) {
        if *outcome != delivery.expected {
            differences.push(format!(
                "after event {number}: observed {outcome:?}, expected {:?}",
                delivery.expected
            ));
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

/// The scenarios and their expected outcomes; `data/README.md` describes the fields.
const SCENARIOS: &str = include_str!("../data/scenarios.json");

/// The deliveries of one buyer and their expected outcome.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The scenario's name.
    pub name: String,
    /// The deliveries; each is posted once the previous one is settled.
    pub deliveries: Vec<Delivery>,
    /// The effect keys of the e-mails sent, in order.
    pub emails: Vec<String>,
    /// The effect keys of the sales messages sent, in order.
    pub sales: Vec<String>,
}

/// One posted event and its expected outcome.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The event type.
    pub kind: String,
    /// The offer's id, which is also the car's id.
    pub offer: String,
    /// The offer version.
    pub version: u64,
    /// The expected outcome.
    pub expected: Outcome,
}

/// The state of a buyer after an event, and the event's effects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the low lead is open.
    pub low: bool,
    /// The offers with an open high lead.
    pub high: Vec<String>,
    /// The offer and version of every held event, sorted.
    pub held: Vec<(String, u64)>,
    /// The key of each effect and how it was settled.
    pub effects: Vec<(String, String)>,
}

/// Reads all scenarios.
pub fn scenarios() -> Result<Vec<Scenario>, Failed> {
    let json: Value = serde_json::from_str(SCENARIOS)?;
    array(&json["scenarios"])
        .map(|scenario| {
            Ok(Scenario {
                name: text(&scenario["name"])?,
                deliveries: array(&scenario["deliveries"]).map(delivery).collect::<Result<_, Failed>>()?,
                emails: array(&scenario["emails"]).map(text).collect::<Result<_, Failed>>()?,
                sales: array(&scenario["sales"]).map(text).collect::<Result<_, Failed>>()?,
            })
        })
        .collect()
}

fn delivery(json: &Value) -> Result<Delivery, Failed> {
    let place = |pair: &Value| Ok((text(&pair[0])?, number(&pair[1])?));
    let effect = |effect: &Value| Ok((text(&effect["key"])?, text(&effect["settled"])?));
    Ok(Delivery {
        kind: text(&json["type"])?,
        offer: text(&json["offerId"])?,
        version: number(&json["offerVersion"])?,
        expected: Outcome {
            low: json["leads"]["low"].as_bool().ok_or("leads.low must be true or false")?,
            high: array(&json["leads"]["high"]).map(text).collect::<Result<_, Failed>>()?,
            held: array(&json["held"]).map(place).collect::<Result<_, Failed>>()?,
            effects: array(&json["effects"]).map(effect).collect::<Result<_, Failed>>()?,
        },
    })
}

fn array(json: &Value) -> impl Iterator<Item = &Value> {
    json.as_array().into_iter().flatten()
}

fn text(json: &Value) -> Result<String, Failed> {
    Ok(json.as_str().ok_or_else(|| format!("{json} must be a string"))?.to_owned())
}

fn number(json: &Value) -> Result<u64, Failed> {
    Ok(json.as_u64().ok_or_else(|| format!("{json} must be a non-negative integer"))?)
}

/// The offer of a high lead.
pub(crate) fn high_offer(lead: &LeadId) -> Option<String> {
    match lead {
        LeadId::High { offer, .. } => Some(offer.to_string()),
        LeadId::Low { .. } | LeadId::Former { .. } => None,
    }
}
