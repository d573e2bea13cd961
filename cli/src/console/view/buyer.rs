//! The page of one buyer: its history as a picture and as a table, and its state now.

use std::cmp::Reverse;

use askama::Template;
use domain::{Contact, Stage};
use leads_store::Status;

use super::around::{Around, quoted, render, sentence_of};
use crate::console::page::buyer_url;
use crate::console::picture::{Picture, Step, Window, look, picture};
use crate::history::{act_text, entry_text, fate_text, time_of};
use crate::output::{contact_row, harmless, moment, or_dash};
use crate::show::{Overview, contact_of, receipts_text, stage};
use crate::{Explained, Settled};

/// The number of rows of a table of the state.
const ROWS: usize = 50;

/// The number of open leads listed beside one event.
const LEADS: usize = 6;

#[derive(Debug, Template)]
#[template(path = "console/buyer.html")]
pub(crate) struct BuyerPage {
    around: Around,
    settled: Vec<String>,
    history: String,
    show: String,
    picture: Picture,
    described: String,
    events: Vec<Event>,
    range: String,
    newer: Option<String>,
    older: Option<String>,
    tables: Vec<Table>,
}

/// A row of the history.
#[derive(Debug)]
struct Event {
    sequence: String,
    recorded: String,
    happened: String,
    name: String,
    about: Vec<String>,
    fate: String,
    leads: Vec<String>,
    effects: Vec<Effect>,
}

#[derive(Debug)]
struct Effect {
    key: String,
    status: &'static str,
    look: &'static str,
    reason: Option<String>,
}

/// A table of the buyer's state.
#[derive(Debug)]
struct Table {
    id: &'static str,
    name: &'static str,
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    /// The number of rows that are left out.
    others: usize,
    /// What an empty table says.
    none: &'static str,
}

impl BuyerPage {
    pub(crate) fn new(around: Around, overview: &Overview, window: &Window) -> Self {
        let id = overview.buyer.as_str();
        // The page's heading names the buyer.
        let named = format!("{id}: ");
        let page = |number: usize| buyer_url(id, number);
        let sequence =
            |step: Option<&Step>| step.map(|step| step.line.sequence.to_string()).unwrap_or_default();
        let (first, last) = (sequence(window.steps.first()), sequence(window.steps.last()));
        let total = window.total;
        let range = match window.pages {
            0 | 1 => format!("All {total} facts, #{first} to #{last}"),
            pages => format!("Facts #{first} to #{last} of {total}, page {} of {pages}", window.number),
        };
        let tables = vec![
            offers(overview, around.with_contact),
            leads(overview),
            held(overview, around.with_contact),
            emails(overview),
        ];
        Self {
            settled: overview
                .settled_text()
                .lines()
                .map(|line| sentence_of(line.strip_prefix(&named).unwrap_or(line)))
                .collect(),
            history: around.leads(&format!("history {}", quoted(id))),
            show: around.leads(&format!("show {}", quoted(id))),
            picture: picture(window),
            described: format!(
                "{range}, with offers, leads, messages to the sales team and e-mails. The table below says the same."
            ),
            events: window.steps.iter().map(Event::of).collect(),
            newer: (window.number > 1).then(|| page(window.number - 1)),
            older: (window.number < window.pages).then(|| page(window.number + 1)),
            range,
            tables,
            around,
        }
    }

    pub(crate) fn html(&self) -> String {
        render(self)
    }
}

impl Event {
    fn of(step: &Step) -> Self {
        let line = &step.line;
        let entry = entry_text(&line.entry) + &act_text("", line.act.as_ref());
        let mut about = entry.lines().map(harmless);
        let mut leads: Vec<String> = line.open_leads.iter().take(LEADS).map(ToString::to_string).collect();
        let others = line.open_leads.len().saturating_sub(LEADS);
        leads.extend((others > 0).then(|| format!("and {others} more")));
        Self {
            sequence: line.sequence.to_string(),
            recorded: moment(line.recorded_at),
            happened: or_dash(time_of(&line.entry).map(harmless)),
            name: about.next().unwrap_or_default(),
            about: about.collect(),
            fate: fate_text(&line.fate),
            leads,
            effects: line.effects.iter().map(Effect::of).collect(),
        }
    }
}

impl Effect {
    fn of(Explained { effect, settled, reason, .. }: &Explained) -> Self {
        Self {
            key: effect.key(),
            status: settled.name(),
            look: look(*settled),
            reason: reason.as_deref().map(harmless),
        }
    }
}

impl Table {
    /// A table of the first rows.
    fn of(
        (id, name, none): (&'static str, &'static str, &'static str),
        header: &[&'static str],
        rows: impl Iterator<Item = Vec<String>>,
    ) -> Self {
        let mut rows = rows;
        let shown: Vec<Vec<String>> = rows.by_ref().take(ROWS).collect();
        Self { id, name, header: header.to_vec(), rows: shown, others: rows.count(), none }
    }
}

const CONTACT: [&str; 3] = ["Name", "E-mail", "Phone"];

fn with_contact(row: Vec<String>, contact: Option<&Contact>, is_shown: bool) -> Vec<String> {
    row.into_iter().chain(is_shown.then(|| contact_row(contact)).into_iter().flatten()).collect()
}

fn header(own: &[&'static str], has_contact: bool) -> Vec<&'static str> {
    own.iter().copied().chain(CONTACT.into_iter().filter(|_| has_contact)).collect()
}

/// Open offers come first.
fn offers(overview: &Overview, has_contact: bool) -> Table {
    let mut offers: Vec<_> = overview.state.offers.iter().collect();
    offers.sort_by_key(|(_, offer)| Reverse(offer.stage != Stage::Closed));
    let rows = offers.into_iter().map(|(id, offer)| {
        let car = or_dash(offer.car.as_ref());
        let row = vec![id.to_string(), car, stage(offer).to_owned(), offer.version.to_string()];
        with_contact(row, offer.contact.as_ref(), has_contact)
    });
    let header = header(&["Offer", "Car", "Stage", "Version"], has_contact);
    Table::of(("offers", "Offers", "No offers."), &header, rows)
}

fn leads(overview: &Overview) -> Table {
    let rows = overview.open_leads().map(|open| {
        let priority = open.lead.priority().name().to_owned();
        vec![open.lead.to_string(), priority, or_dash(open.offer.as_ref()), open.since.text()]
    });
    Table::of(
        ("open-leads", "Open leads", "No leads are open."),
        &["Lead", "Priority", "Offer", "Since"],
        rows,
    )
}

fn held(overview: &Overview, has_contact: bool) -> Table {
    let rows = overview.held().map(|(offer, event)| {
        let row = vec![
            offer.to_string(),
            event.version.to_string(),
            event.change.name().to_owned(),
            event.id.to_string(),
            overview.state.next_version_of(offer).to_string(),
        ];
        with_contact(row, contact_of(&event.change), has_contact)
    });
    let header = header(&["Offer", "Version", "Event", "Id", "Waits for version"], has_contact);
    Table::of(("held", "Held events", "No events are held."), &header, rows)
}

/// E-mails that are not settled come first.
fn emails(overview: &Overview) -> Table {
    let mut ledger: Vec<_> = overview.about.ledger.iter().collect();
    let is_well = |status: Status| look(Settled::from(status)) != "trouble";
    ledger.sort_by_key(|(_, entry)| is_well(entry.status));
    let rows = ledger.into_iter().map(|(key, entry)| {
        vec![
            key.clone(),
            entry.status.name().to_owned(),
            moment(entry.since),
            format!("#{}", entry.sequence),
            or_dash(entry.reason.as_deref().map(harmless)),
            receipts_text(&entry.receipts),
        ]
    });
    let header = ["E-mail", "Status", "Since", "For", "Reason", "Receipts"];
    Table::of(("ledger", "E-mails", "No e-mails."), &header, rows)
}
