use std::io::Write;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{Row, Table};
use domain::Contact;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::Failure;

/// Where answers and remarks go, and in which form.
#[derive(Debug)]
pub(crate) struct Output<'a, O, E> {
    pub(crate) out: &'a mut O,
    pub(crate) err: &'a mut E,
    pub(crate) is_json: bool,
}

impl<O: Write, E: Write> Output<'_, O, E> {
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        writeln!(self.out, "{text}").map_err(Failure::Write)
    }

    pub(crate) fn json(&mut self, document: &Value) -> Result<(), Failure> {
        writeln!(self.out, "{document:#}").map_err(Failure::Write)
    }

    /// A sentence for people, beside the answer.
    pub(crate) fn aside(&mut self, text: &str) -> Result<(), Failure> {
        writeln!(self.err, "{text}").map_err(Failure::Write)
    }
}

/// A table as text. Never wrapped or cut: an id that is cut cannot be copied.
pub(crate) fn table<R: Into<Row>>(header: &[&str], rows: impl IntoIterator<Item = R>) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(header).add_rows(rows);
    table.trim_fmt()
}

/// What is there, or a dash.
pub(crate) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// `1 event`, `2 events`.
pub(crate) fn count(number: u64, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

/// A moment as it is told to people: to the second, in UTC.
pub(crate) fn moment(value: Timestamp) -> String {
    format!("{value:.0}")
}

/// A text that a stranger typed, so that it cannot steer the terminal: what is not seen is told by its number.
pub(crate) fn harmless(text: &str) -> String {
    let is_unseen = |character: char| {
        character.is_control()
            || matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let mut seen = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unseen(character) {
            seen.extend(character.escape_unicode());
        } else {
            seen.push(character);
        }
    }
    seen
}

/// Whom to phone, in the columns name, e-mail, phone.
pub(crate) fn contact_row(contact: Option<&Contact>) -> [String; 3] {
    let text = |text: Option<&str>| or_dash(text.map(harmless));
    [
        text(contact.map(|contact| contact.name.as_str())),
        text(contact.map(|contact| contact.email.as_str())),
        text(contact.and_then(|contact| contact.phone.as_deref())),
    ]
}

pub(crate) fn contact_json(contact: Option<&Contact>) -> Value {
    contact.map_or(
        Value::Null,
        |Contact { name, email, phone }| json!({ "name": name, "email": email, "phone": phone }),
    )
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn what_a_stranger_typed_cannot_steer_the_terminal() {
        assert_eq!(harmless("Ada\u{1b}[2J\r\n\u{202e}abc"), r"Ada\u{1b}[2J\u{d}\u{a}\u{202e}abc");
        assert_eq!(harmless("Zoë Ó Briain 李"), "Zoë Ó Briain 李");
    }
}
