//! The runbook of this version as a page, so that a line of the status leads to what to do even without a network.

use askama::Template;
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

use super::around::{Around, render};

const RUNBOOK: &str = include_str!("../../../../docs/runbook.md");

#[derive(Debug, Template)]
#[template(path = "console/runbook.html")]
pub(crate) struct RunbookPage {
    around: Around,
    /// Name and anchor of each section.
    sections: Vec<(String, String)>,
    /// HTML that was made from the runbook alone.
    text: String,
}

impl RunbookPage {
    pub(crate) fn new(around: Around) -> Self {
        let sections = RUNBOOK.lines().filter_map(|line| line.strip_prefix("## "));
        let sections = sections.map(|name| (name.to_owned(), anchor(name))).collect();
        Self { around, sections, text: text() }
    }

    pub(crate) fn html(&self) -> String {
        render(self)
    }
}

/// The runbook as HTML. Headings, and the rows of alarms in the first table about them, get ids. Links to other
/// documents, which this console does not have, become their names.
#[expect(clippy::wildcard_enum_match_arm, reason = "what is not changed is passed on, whatever it is")]
fn text() -> String {
    let mut events = Vec::new();
    let (mut elsewhere, mut is_first_cell, mut cells) = (None, false, 0);
    // The page has its own heading.
    let text = RUNBOOK.split_once('\n').map_or(RUNBOOK, |(_, text)| text);
    let parser = Parser::new_ext(text, Options::ENABLE_TABLES);
    for event in parser {
        match event {
            Event::Start(Tag::Link { dest_url, .. }) if !dest_url.starts_with('#') => {
                elsewhere = Some(format!(" (docs/{})", dest_url.split('#').next().unwrap_or_default()));
            }
            Event::End(TagEnd::Link) => match elsewhere.take() {
                Some(name) => events.push(Event::Text(CowStr::from(name))),
                None => events.push(event),
            },
            Event::Start(Tag::TableRow) => {
                cells = 0;
                events.push(event);
            }
            Event::Start(Tag::TableCell) => {
                cells += 1;
                is_first_cell = cells == 1;
                events.push(event);
            }
            Event::Code(name) if is_first_cell && name.ends_with("Alarm") => {
                events.push(Event::InlineHtml(format!("<span id=\"{name}\"></span>").into()));
                events.push(Event::Code(name));
            }
            event => events.push(event),
        }
    }
    let mut text = String::new();
    html::push_html(&mut text, with_ids(events).into_iter());
    // A wide table scrolls in a region of its own, which the keyboard reaches.
    let mut number = 0;
    let parts = text.split("<table>").map(|part| {
        number += 1;
        let end = "</table></div>";
        match number {
            1 => part.to_owned(),
            _ => format!(
                "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table {} of the runbook\"><table>{}",
                number - 1,
                part.replace("</table>", end)
            ),
        }
    });
    parts.collect::<String>().replace("<pre>", "<pre tabindex=\"0\">")
}

/// Gives each heading the id that links in the runbook use.
fn with_ids(events: Vec<Event<'static>>) -> Vec<Event<'static>> {
    let mut given = Vec::with_capacity(events.len());
    let mut rest = events.into_iter().peekable();
    while let Some(event) = rest.next() {
        if let Event::Start(Tag::Heading { level, classes, attrs, .. }) = event {
            let name = match rest.peek() {
                Some(Event::Text(name)) => name.to_string(),
                _ => String::new(),
            };
            let id = Some(anchor(&name).into());
            given.push(Event::Start(Tag::Heading { level, id, classes, attrs }));
        } else {
            given.push(event);
        }
    }
    given
}

/// The id of a heading, by the rule of GitHub: lower-case letters, digits and `-`.
pub(super) fn anchor(name: &str) -> String {
    let letters = name.to_lowercase().replace(' ', "-");
    letters.chars().filter(|letter| letter.is_alphanumeric() || *letter == '-').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_within_the_runbook_has_its_heading_and_every_alarm_its_row() {
        let text = text();
        for link in text.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap_or_default()) {
            let id = link.strip_prefix('#');
            assert!(id.is_some_and(|id| text.contains(&format!("id=\"{id}\""))), "{link}");
        }
        assert!(text.contains("<span id=\"SalesTeamWaitsAlarm\">"), "{text}");
        assert!(!text.contains("<h1"), "{text}");
    }
}
