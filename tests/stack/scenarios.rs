use serde_json::Value;

use crate::Failed;

/// What must happen, as data: see `data/README.md`.
const SCENARIOS: &str = include_str!("../data/scenarios.json");

/// One buyer's deliveries.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Its name, and where it is from.
    pub name: String,
    /// Each posted and awaited.
    pub deliveries: Vec<Delivery>,
    /// Keys of the e-mails sent, in order.
    pub emails: Vec<String>,
    /// Ids of the sales messages without the buyer, in order.
    pub sales: Vec<String>,
}

/// One event posted, and what it brings about.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Its type.
    pub kind: String,
    /// Its offer, and its car.
    pub offer: String,
    /// Its offer version.
    pub version: u64,
    /// What must be seen after it.
    pub expected: Expected,
}

/// What must be seen after a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Whether the low lead is open.
    pub low: bool,
    /// The offers with an open high lead.
    pub high: Vec<String>,
    /// Offer and version of every held event.
    pub held: Vec<(String, u64)>,
    /// Key of each effect, and how it is settled.
    pub effects: Vec<(String, String)>,
}

/// Every scenario.
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
    Ok(json.as_str().ok_or_else(|| format!("{json} must be a text"))?.to_owned())
}

fn number(json: &Value) -> Result<u64, Failed> {
    Ok(json.as_u64().ok_or_else(|| format!("{json} must be a number"))?)
}
