use std::io::Write;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{Row, Table};
use domain::Contact;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::Failure;

/// The destinations and the format of a command's output: answers go to `out`, remarks to `err`.
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

    /// Writes a remark to standard error. The answer on standard output stays free of it.
    pub(crate) fn aside(&mut self, text: &str) -> Result<(), Failure> {
        writeln!(self.err, "{text}").map_err(Failure::Write)
    }
}

/// Renders a table as text. Cells are never wrapped or truncated, so that ids can be copied.
pub(crate) fn table<R: Into<Row>>(header: &[&str], rows: impl IntoIterator<Item = R>) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(header).add_rows(rows);
    table.trim_fmt()
}

/// The value as text, or a dash if there is none.
pub(crate) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// A number with its noun, as in `1 event` or `2 events`.
pub(crate) fn count(number: u64, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

/// A moment as printed in text output: in UTC, to the second.
pub(crate) fn moment(value: Timestamp) -> String {
    format!("{value:.0}")
}

/// Makes untrusted text safe to print on a terminal: control and invisible characters are replaced by Unicode escapes.
pub(crate) fn harmless(text: &str) -> String {
    let is_invisible = |character: char| {
        character.is_control()
            || matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_invisible(character) {
            safe.extend(character.escape_unicode());
        } else {
            safe.push(character);
        }
    }
    safe
}

/// A contact as the table columns name, e-mail and phone.
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
    fn untrusted_text_cannot_control_the_terminal() {
        assert_eq!(harmless("Ada\u{1b}[2J\r\n\u{202e}abc"), r"Ada\u{1b}[2J\u{d}\u{a}\u{202e}abc");
        assert_eq!(harmless("Zoë Ó Briain 李"), "Zoë Ó Briain 李");
    }
}
