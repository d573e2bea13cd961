//! The demo's text, compared with `golden.txt`. No stack is needed: the buyers have their expected outcomes.

use serde_json::{Value, json};
use tests::{Finding, Guest, Mail, Observed, Person, Played, Recorded, Scenario, crowd, scenarios};

use crate::page::{self, Shown, Totals, WIDTH};

/// The e-mail for an effect key.
fn mail(key: &str) -> Mail {
    let accepted = key.strip_prefix("accepted-email/").and_then(|rest| rest.split('/').next());
    let (subject, text) = match accepted {
        Some(offer) => ("Your offer was accepted", format!("https://example.com/offers/{offer}\n")),
        None => ("An insurance quote for your next car", "Hello\n".to_owned()),
    };
    Mail { subject: subject.to_owned(), text, html: String::new() }
}

/// The sales message for an effect key.
fn sales_message(key: &str) -> Value {
    let (kind, subject) = key.split_once('/').unwrap_or_default();
    let kind = match kind {
        "quote" => "quote.requested.v1",
        "opened" => "lead.opened.v1",
        _ => "lead.closed.v1",
    };
    let priority = subject.split('/').next();
    json!({"type": kind, "subject": subject, "data": {"leadId": subject, "offerId": subject, "priority": priority}})
}

/// A scenario, played with its expected outcome.
fn played(number: usize, scenario: Scenario) -> Shown {
    let recorded = scenario.deliveries.iter().map(|delivery| Recorded {
        kind: delivery.kind.clone(),
        offer: delivery.offer.clone(),
        version: delivery.version,
        outcome: delivery.expected.clone(),
    });
    let played = Played {
        recorded: recorded.collect(),
        emails: scenario.emails.iter().map(|key| mail(key)).collect(),
        sales: scenario.sales.iter().map(|key| sales_message(key)).collect(),
        differences: Vec::new(),
    };
    Shown { number, scenario, person: Person::called(&format!("buyer-{number}")).unwrap(), played }
}

/// Every scenario, played with its expected outcome.
fn all_played() -> Vec<Shown> {
    (1..).zip(scenarios().unwrap()).map(|(number, scenario)| played(number, scenario)).collect()
}

#[test]
fn the_demo_prints_the_golden_text() {
    let mut shown = all_played();
    shown[2].played.differences.push("the e-mails are [], expected [\"quote-email\"]".to_owned());
    let guests = crowd("guest").unwrap();
    let observed = Observed {
        recorded: Vec::new(),
        dead: Vec::new(),
        open: [].into(),
        sales: vec![sales_message("opened/low/1"), sales_message("closed/low/1")],
        mails: vec![mail("quote-email")],
        ledger: Vec::new(),
    };
    let sums = [
        Finding { invariant: "one rule", expected: 12, found: 12, differences: Vec::new() },
        Finding {
            invariant: "another rule",
            expected: 7,
            found: 8,
            differences: vec!["guest-3: a quote was requested twice".to_owned()],
        },
    ];
    let differences: Vec<String> =
        shown.iter().flat_map(Shown::differences).chain(sums[1].differences.iter().cloned()).collect();
    let totals = [Totals::of_scenarios(&shown), Totals::of_guests(&guests, [&observed, &observed])];
    let text = [
        shown[0].progress(),
        shown[2].progress(),
        page::guest(&guests[0], &sums[..1]),
        page::guest(&guests[3], &sums),
        page::summary(&totals, differences.len()),
        shown[2].story(),
        page::scenario_table(&shown[2]),
        shown[7].story(),
        shown[14].story(),
        page::crowd(&guests, &sums),
        page::verdict(&differences),
    ]
    .join("\n");
    let golden = include_str!("golden.txt");
    assert!(text.trim_end() == golden.trim_end(), "the text is not that of golden.txt:\n{text}");
}

#[test]
fn no_line_of_the_demo_is_too_wide() {
    let mut shown = all_played();
    let texts =
        shown.iter().map(|one| format!("{}\n{}\n{}", one.progress(), one.story(), page::scenario_table(one)));
    let mut text = texts.collect::<Vec<_>>().join("\n");
    shown[0].played.differences.push("observed something else; ".repeat(20));
    let differences: Vec<String> = shown.iter().flat_map(Shown::differences).collect();
    for part in
        [page::verdict(&differences), page::verdict(&[]), page::summary(&[Totals::of_scenarios(&shown)], 1)]
    {
        text = format!("{text}\n{part}");
    }
    let guests = crowd("guest").unwrap();
    let observed = |guest: &Guest| Observed {
        recorded: shown[0].played.recorded.clone(),
        dead: guest.bad.clone(),
        open: [].into(),
        sales: Vec::new(),
        mails: Vec::new(),
        ledger: Vec::new(),
    };
    for guest in &guests {
        text = format!("{text}\n{}", page::guest_table(guest, &observed(guest)));
    }
    for line in text.lines() {
        assert!(line.chars().count() <= WIDTH, "{line}");
    }
}

#[test]
fn the_commands_to_try_next_are_those_of_the_readme() {
    let text = page::verdict(&[]);
    for command in
        ["    make up ", "    export LEADS_STACK=local ", "    leads history buyer-1 ", "    make down"]
    {
        assert!(text.contains(command), "{text}");
    }
}
