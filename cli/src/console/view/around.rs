//! What every page has around its content, and the page of a failure.

use askama::Template;
use jiff::Timestamp;

use crate::console::assets::{SCRIPT, STYLE};
use crate::console::page::Page;
use crate::output::{harmless, moment};
use crate::stack::Stack;

/// The longest buyer's id that the search field repeats.
const LONGEST: usize = 128;

/// What every page has around its content.
#[derive(Debug, Clone)]
pub(crate) struct Around {
    pub(super) title: String,
    path: &'static str,
    /// Whether the page has something that changes.
    pub(super) is_live: bool,
    /// The stack as the operator named it, which is how commands name it too.
    name: String,
    /// Stack, account and region, once the stack was found.
    pub(super) place: String,
    pub(super) at: Timestamp,
    pub(super) with_contact: bool,
    /// What is in the search field.
    pub(super) sought: String,
}

impl Around {
    pub(crate) fn of(page: &Page, name: &str, with_contact: bool, at: Timestamp) -> Self {
        let mut sought = String::new();
        let title = match page {
            Page::Buyer { id, .. } => {
                sought = harmless(&id.chars().take(LONGEST).collect::<String>());
                if sought.is_empty() { "Buyer".to_owned() } else { format!("Buyer {sought}") }
            }
            Page::Status | Page::Leads | Page::DeadLetters | Page::Gaps | Page::Emails | Page::Runbook => {
                let named = Page::ALL.into_iter().find(|(one, _)| one == page);
                named.map(|(_, name)| name.to_owned()).unwrap_or_default()
            }
        };
        let name = harmless(name);
        let place = format!("stack {name}");
        let is_live = *page != Page::Runbook;
        Self { title, path: page.path(), is_live, name, place, at, with_contact, sought }
    }

    /// The same on a stack that was found, at the time of the look.
    pub(crate) fn on(self, Stack { name, account, region, .. }: &Stack, at: Timestamp) -> Self {
        Self { place: format!("stack {name}, account {account}, {region}"), at, ..self }
    }

    pub(super) fn moment(&self) -> String {
        moment(self.at)
    }

    /// The navigation: path, name, and whether it is this page.
    pub(super) fn pages(&self) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
        Page::ALL.into_iter().map(|(page, name)| {
            let path = if page.path().is_empty() { "./" } else { page.path() };
            (path, name, page.path() == self.path)
        })
    }

    /// A command of `leads` for this stack, to be copied.
    pub(super) fn leads(&self, words: &str) -> String {
        format!("leads {words} --stack {}", quoted(&self.name))
    }

    #[expect(clippy::unused_self, reason = "a template calls methods of its values")]
    pub(super) const fn style(&self) -> &'static str {
        STYLE
    }

    #[expect(clippy::unused_self, reason = "a template calls methods of its values")]
    pub(super) const fn script(&self) -> &'static str {
        SCRIPT
    }
}

/// A word for a POSIX shell.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:@%+=,".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The HTML of a template. Rendering into a string cannot fail, unless a value's `Display` does.
pub(super) fn render(page: &impl Template) -> String {
    page.render().unwrap_or_else(|error| format!("This page cannot be shown: {error}"))
}

/// Why a page cannot be shown, in one sentence.
#[derive(Debug, Template)]
#[template(path = "console/failed.html")]
pub(crate) struct Failed {
    around: Around,
    sentence: String,
    advice: String,
}

impl Failed {
    pub(crate) fn new(around: Around, sentence: &str, advice: Option<&str>) -> Self {
        let advice = advice.map(sentence_of).unwrap_or_default();
        Self { around, sentence: sentence_of(&harmless(sentence)), advice }
    }

    pub(crate) fn html(&self) -> String {
        render(self)
    }
}

/// The text with a capital letter at its beginning and a full stop at its end.
pub(super) fn sentence_of(text: &str) -> String {
    let text = text.trim();
    let mut letters = text.chars();
    let Some(first) = letters.next() else { return String::new() };
    // Our command, and the name of an action such as `sqs:ReceiveMessage`, keep their case.
    let is_name = |word: &str| word == "leads" || word.contains(':') && !word.ends_with(':');
    let is_name = text.split_whitespace().next().is_some_and(is_name);
    let first = if is_name { first.to_string() } else { first.to_uppercase().to_string() };
    let stop = if text.ends_with(['.', '?', '!', ':']) { "" } else { "." };
    format!("{first}{}{stop}", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_special_characters_are_quoted_for_a_shell() {
        assert_eq!(quoted("cars-prod"), "cars-prod");
        assert_eq!(quoted("a b'c"), r"'a b'\''c'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn a_cause_becomes_a_sentence() {
        assert_eq!(sentence_of("sign in again"), "Sign in again.");
        assert_eq!(sentence_of("sqs:ReceiveMessage is not allowed"), "sqs:ReceiveMessage is not allowed.");
        assert_eq!(sentence_of("what now?"), "What now?");
        assert_eq!(sentence_of(""), "");
    }
}
