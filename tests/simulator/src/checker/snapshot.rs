use std::collections::BTreeMap;

use serde_json::Value;

use crate::rules::{Buyer, Lead, offer_in};

/// Whether a snapshot agrees with the facts: `Some(())` if it does.
pub(super) fn agrees(snapshot: &str, last: u64, buyer: &Buyer) -> Option<()> {
    let snapshot: Value = serde_json::from_str(snapshot).ok()?;
    let is = |holds: bool| holds.then_some(());
    let flag = |name: &str| snapshot[name].as_bool().unwrap_or_default();
    is(snapshot["sequence"] == last)?;
    is(snapshot["low"].get(0).and_then(Value::as_u64) == buyer.low.as_ref().map(|lead| lead.at))?;
    is(snapshot["former"].as_str() == former(buyer.low.as_ref()))?;
    is(snapshot["held"].as_array().map_or(0, Vec::len) == buyer.held)?;
    is(flag("erased") == buyer.is_erased)?;
    is(flag("invited") == buyer.was_invited)?;
    is(flag("asked") == buyer.is_asked)?;
    let offers: BTreeMap<&String, &Value> = snapshot["offers"].as_object()?.iter().collect();
    is(offers.len() == buyer.offers.len())?;
    for (id, offer) in &buyer.offers {
        let stored = offer_in(offers.get(id)?, &snapshot["contacts"])?;
        let high = buyer.high.get(id);
        is(stored.offer == *offer)?;
        is(stored.lead.as_deref() == former(high))?;
        is(stored.is_quoted == buyer.quoted.contains(id))?;
        // An offer without contact has no lead, so its name does not matter.
        is(offer.email.is_empty() || u64::from(stored.named_at) == high.map_or(0, |lead| lead.at))?;
    }
    Some(())
}

fn former(lead: Option<&Lead>) -> Option<&str> {
    lead.filter(|lead| lead.is_former).map(|lead| lead.name.as_str())
}
