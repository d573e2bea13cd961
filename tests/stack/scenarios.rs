use serde_json::Value;

use crate::Failed;

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
    pub expected: Expected,
}

/// The state of a buyer after a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
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
        expected: Expected {
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
