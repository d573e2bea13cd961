use std::future::pending;
use std::io::{self, IsTerminal, Write};
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{Row, Table};
use console::Term;
use domain::Contact;
use futures::FutureExt as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
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

    /// Makes everything written so far visible.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(Failure::Write)
    }

    /// Writes a remark to standard error. The answer on standard output stays free of it.
    pub(crate) fn aside(&mut self, text: &str) -> Result<(), Failure> {
        writeln!(self.err, "{text}").map_err(Failure::Write)
    }
}

/// The columns of the terminal that tables are for; unset if standard output is none.
static COLUMNS: OnceLock<u16> = OnceLock::new();

/// From now on, tables are for the terminal that standard output is, if it is one.
pub(crate) fn fit_tables() {
    if let Some((_, columns)) = screen() {
        COLUMNS.get_or_init(|| columns);
    }
}

/// Renders a table as text for the terminal. Cells are never wrapped or truncated, so that ids can be copied: where the
/// terminal is too narrow for the table, each row becomes a block of lines, one for each cell.
pub(crate) fn table<R: Into<Row>>(header: &[&str], rows: impl IntoIterator<Item = R>) -> String {
    fitted(COLUMNS.get().copied(), header, rows)
}

fn fitted<R: Into<Row>>(columns: Option<u16>, header: &[&str], rows: impl IntoIterator<Item = R>) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(header).add_rows(rows);
    let text = table.trim_fmt();
    // The rule is as long as the table is wide.
    let width = text.lines().next().unwrap_or_default().chars().count();
    if columns.is_none_or(|columns| width <= usize::from(columns)) {
        return text;
    }
    let widest = header.iter().map(|name| name.len()).max().unwrap_or_default();
    let block = |row: &Row| {
        let cells = header.iter().zip(row.cell_iter());
        let lines = cells.map(|(name, cell)| {
            let value = cell.content().replace('\n', &format!("\n{:widest$}  ", ""));
            format!("{name:widest$}  {value}").trim_end().to_owned()
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    table.row_iter().map(block).collect::<Vec<_>>().join("\n\n")
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

/// How long a command runs before its progress is shown.
const SHOW_AFTER: Duration = Duration::from_secs(1);

/// A progress line on standard error. It appears after [`SHOW_AFTER`], and only if standard error is a terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    begun: Instant,
}

impl Progress {
    /// A bar towards a known total; `done` is the participle printed after the numbers, as in `posted`.
    pub(crate) fn towards(total: u64, done: &str) -> Self {
        Self::styled(
            Some(total),
            &format!("{{wide_bar}} {{human_pos}} of {{human_len}} {done}, {{eta}} left"),
        )
    }

    /// A counter without a known total; `what` is printed after the number, as in `commits read`.
    pub(crate) fn counting(what: &str) -> Self {
        Self::styled(None, &format!("{{spinner}} {{human_pos}} {what}{{msg}}, {{elapsed}} so far"))
    }

    fn styled(total: Option<u64>, template: &str) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar, begun: Instant::now() }
    }

    pub(crate) fn at(&self, position: u64) {
        if self.bar.is_hidden() && self.begun.elapsed() >= SHOW_AFTER && io::stderr().is_terminal() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_position(position);
    }

    /// Sets the text that is printed after the number of items done.
    pub(crate) fn note(&self, text: String) {
        self.bar.set_message(text);
    }

    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// The rows and columns of the terminal that standard output is; `None` if it is none.
pub(crate) fn screen() -> Option<(u16, u16)> {
    Term::stdout().features().is_attended().then(|| Term::stdout().size_checked()).flatten()
}

/// Completes once Ctrl-C was pressed.
pub(crate) async fn interrupted() {
    // If no handler can be installed, Ctrl-C ends the process by default.
    if tokio::signal::ctrl_c().await.is_err() {
        pending::<()>().await;
    }
}

/// Whether Ctrl-C was pressed. A command asks between two steps, so that the outcome of each step is known.
pub(crate) struct CtrlC {
    pressed: Pin<Box<dyn Future<Output = ()>>>,
    is_pressed: bool,
}

impl CtrlC {
    /// From now on, Ctrl-C no longer ends the process.
    pub(crate) fn listening() -> Self {
        let mut ctrl_c = Self { pressed: Box::pin(interrupted()), is_pressed: false };
        ctrl_c.is_pressed();
        ctrl_c
    }

    pub(crate) fn is_pressed(&mut self) -> bool {
        self.is_pressed = self.is_pressed || (&mut self.pressed).now_or_never().is_some();
        self.is_pressed
    }
}

#[cfg(test)]
mod tests {
    use super::{fitted, harmless};

    #[test]
    fn a_table_that_is_wider_than_the_terminal_becomes_blocks_with_every_cell_whole() {
        let rows = [["buyer-7", "quote-email\naccepted-email/car-1/2"], ["buyer-8", ""]];
        let header = ["buyer", "e-mails"];
        let text = fitted(Some(40), &header, rows);
        assert!(text.starts_with('─') && text == fitted(None, &header, rows), "{text}");
        let narrow = "buyer    buyer-7\ne-mails  quote-email\n         accepted-email/car-1/2\n\nbuyer    buyer-8\ne-mails";
        assert_eq!(fitted(Some(30), &header, rows), narrow);
    }

    #[test]
    fn untrusted_text_cannot_control_the_terminal() {
        assert_eq!(harmless("Ada\u{1b}[2J\r\n\u{202e}abc"), r"Ada\u{1b}[2J\u{d}\u{a}\u{202e}abc");
        assert_eq!(harmless("Zoë Ó Briain 李"), "Zoë Ó Briain 李");
    }
}
