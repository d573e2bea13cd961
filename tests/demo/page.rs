//! The text that the demo prints for each buyer.

use std::fmt::Write as _;

use cli::history::History;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{ContentArrangement, Table};
use domain::LeadId;
use tests::{Guest, Person, Played, Scenario};

pub(crate) fn heading(text: &str) -> String {
    format!("\n━━ {text}")
}

/// The page of a scenario: a table of its deliveries, the e-mails and sales messages, and the verdict.
pub(crate) fn scenario(number: usize, scenario: &Scenario, person: &Person, played: &Played) -> String {
    let mut page = heading(&format!("{number}. {} ({})", scenario.name, person.buyer));
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic).set_header([
        "",
        "event",
        "leads after it",
        "effects, and how each was settled",
    ]);
    for (delivery, seen) in scenario.deliveries.iter().zip(&played.seen) {
        let effects: Vec<String> =
            seen.effects.iter().map(|(key, settled)| format!("{key}: {settled}")).collect();
        let mut leads: Vec<String> = seen.high.iter().map(|offer| format!("high {offer}")).collect();
        if seen.low {
            leads.insert(0, "low".to_owned());
        }
        for (offer, version) in &seen.held {
            leads.push(format!("(held: {offer} v{version})"));
        }
        let event = format!("{} {} v{}", kind(&delivery.kind), delivery.offer, delivery.version);
        table.add_row([
            mark(*seen == delivery.expected).to_owned(),
            event,
            or_none(&leads),
            or_none(&effects),
        ]);
    }
    line(&mut page, &table.to_string());
    for mail in &played.emails {
        line(&mut page, &format!("  e-mail to {}: {}", person.email(), mail.subject));
        let first = mail.text.lines().filter(|text| !text.is_empty()).skip(1).take(2);
        line(&mut page, &format!("    {}", first.collect::<Vec<_>>().join(" ")));
    }
    for message in &played.sales {
        let text =
            |pointer: &str| message.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or_default();
        let more = [text("/data/priority"), text("/data/offerId"), text("/data/reason")];
        let more: Vec<&str> = more.into_iter().filter(|word| !word.is_empty()).collect();
        line(
            &mut page,
            &format!("  sales team: {} {} ({})", text("/type"), text("/subject"), more.join(", ")),
        );
    }
    verdict(&mut page, &played.differences);
    page
}

/// The lines about one of many buyers.
pub(crate) fn guest(guest: &Guest, history: &History, wrong: &[String]) -> String {
    let open = history.lines.last().map(|line| line.open_leads.as_slice()).unwrap_or_default();
    let open: Vec<String> = open.iter().map(LeadId::to_string).collect();
    let sent =
        history.about.ledger.values().filter(|entry| entry.status == leads_store::Status::Sent).count();
    let mut page = format!(
        "{} {:<9} {:>2} messages: {:>2} events recorded, {} repeats dropped, dead letters: {}; {sent} e-mails; open: {}",
        mark(wrong.is_empty()),
        guest.person.buyer.as_str(),
        guest.messages.len(),
        history.lines.len(),
        guest.repeats,
        or_none(&guest.bad),
        or_none(&open),
    );
    for difference in wrong {
        let _ = write!(page, "\n  ✗ {difference}");
    }
    page
}

fn kind(event_type: &str) -> &str {
    event_type.strip_prefix("offer.").and_then(|rest| rest.strip_suffix(".v1")).unwrap_or(event_type)
}

const fn mark(is_good: bool) -> &'static str {
    if is_good { "✓" } else { "✗" }
}

fn or_none(words: &[String]) -> String {
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

fn line(page: &mut String, text: &str) {
    page.push('\n');
    page.push_str(text);
}

fn verdict(page: &mut String, differences: &[String]) {
    if differences.is_empty() {
        line(page, "  ✓ leads, effects, e-mails and sales messages as expected");
    }
    for difference in differences {
        line(page, &format!("  ✗ {difference}"));
    }
}
