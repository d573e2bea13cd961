//! The screen as text and as JSON.

use serde_json::{Value, json};

use super::lines::{Line, State};
use super::look::Seen;
use crate::output::{count, moment};

/// The width of the column with the lines' names, and of the state before it.
const NAMES: usize = 18;
const STATES: usize = 5;

/// From this width on, values stand beside names.
const WIDE: usize = 60;

/// The screen, in lines of at most `width` characters where words allow it.
pub(super) fn text(seen: &Seen, lines: &[Line], width: Option<usize>) -> String {
    let stack = &seen.stack;
    let width = width.unwrap_or(usize::MAX);
    let indent = if width < WIDE { STATES } else { STATES + NAMES };
    let mut rows = wrapped(
        &format!("stack {}, account {}, {}, {}", stack.name, stack.account, stack.region, moment(seen.at)),
        width,
        0,
        String::new(),
    );
    for line in lines {
        let state = match line.state {
            State::Ok => "ok",
            State::Red => "RED",
            State::Unknown => "?",
        };
        let begin = format!("{state:STATES$}{}", line.name);
        let alarms: Vec<String> = line.alarms.iter().map(alarm).collect();
        let alarms = alarms.join(", ");
        let is_well = line.state == State::Ok;
        if width < WIDE {
            rows.push(begin);
            rows.extend(wrapped(&line.now, width, indent, " ".repeat(indent)));
        } else if is_well && !alarms.is_empty() {
            let now = format!("{} ({alarms})", line.now);
            rows.extend(wrapped(&now, width, indent, format!("{begin:indent$}")));
        } else {
            rows.extend(wrapped(&line.now, width, indent, format!("{begin:indent$}")));
        }
        if !is_well && !alarms.is_empty() {
            rows.extend(wrapped(&alarms, width, indent, " ".repeat(indent)));
        }
        if line.state == State::Red {
            rows.extend(wrapped(&format!("→ {}", line.advice), width, indent, " ".repeat(indent)));
        }
    }
    let number = |state| lines.iter().filter(|line| line.state == state).count();
    let unread = match number(State::Unknown) {
        0 => String::new(),
        unread => format!(", {unread} not read"),
    };
    let sum = format!("{} of {} are red{unread}.", number(State::Red), count(lines.len() as u64, "line"));
    rows.extend(wrapped(&format!("{sum} {}.", count(seen.requests, "request")), width, 0, String::new()));
    rows.join("\n")
}

fn alarm((name, state): &(&'static str, Option<String>)) -> String {
    match state.as_deref() {
        Some("ALARM") => format!("{name} rings"),
        Some(_) => (*name).to_owned(),
        None => format!("{name} not found"),
    }
}

/// Breaks text between words; `begin` starts the first row and `indent` the others. A longer word is not broken, so that
/// it can be copied.
fn wrapped(text: &str, width: usize, indent: usize, begin: String) -> Vec<String> {
    let mut rows = Vec::new();
    let mut row = begin;
    let mut is_empty = true;
    for word in text.split_whitespace() {
        let needed = row.chars().count() + usize::from(!is_empty) + word.chars().count();
        if !is_empty && needed > width {
            rows.push(std::mem::replace(&mut row, " ".repeat(indent)));
            is_empty = true;
        }
        if !is_empty {
            row.push(' ');
        }
        row.push_str(word);
        is_empty = false;
    }
    rows.push(row);
    rows
}

/// The screen as JSON, by `docs/leads/status.schema.json`.
pub(super) fn json(seen: &Seen, lines: &[Line]) -> Value {
    let stack = &seen.stack;
    let lines: Vec<Value> = lines
        .iter()
        .map(|line| {
            let alarms: Vec<Value> =
                line.alarms.iter().map(|(name, state)| json!({ "name": name, "state": state })).collect();
            json!({
                "name": line.name,
                "state": line.state.name(),
                "now": line.now,
                "values": line.values,
                "alarms": alarms,
                "do": line.advice,
            })
        })
        .collect();
    json!({
        "stack": { "name": stack.name, "account": stack.account, "region": stack.region },
        "at": seen.at.to_string(),
        "requests": seen.requests,
        "lines": lines,
    })
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn rows_break_between_words_only() {
        let rows = wrapped("one two three-is-too-long four", 8, 2, "> ".to_owned());
        assert_eq!(rows, ["> one", "  two", "  three-is-too-long", "  four"]);
        assert_eq!(wrapped("", 8, 2, "> ".to_owned()), ["> "]);
    }
}
