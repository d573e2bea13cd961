//! The page of the stack: the lines of `leads status`, each with the command and the section of the runbook that help.

use askama::Template;
use serde_json::Value;

use super::around::{Around, quoted, render, sentence_of};
use super::runbook::anchor;
use crate::output::count;
use crate::status::{Line, Seen, State, lines};

#[derive(Debug, Template)]
#[template(path = "console/status.html")]
pub(crate) struct StatusPage {
    around: Around,
    verdict: String,
    state: &'static str,
    /// The lines that are not well, by name and anchor.
    bad: Vec<(String, String)>,
    rows: Vec<Row>,
    requests: String,
}

/// A line of the page.
#[derive(Debug)]
struct Row {
    anchor: String,
    name: &'static str,
    state: &'static str,
    word: &'static str,
    now: String,
    alarms: Vec<Alarm>,
    advice: String,
    command: String,
    section: String,
}

#[derive(Debug)]
struct Alarm {
    name: &'static str,
    state: &'static str,
}

impl StatusPage {
    pub(crate) fn new(around: Around, seen: &Seen) -> Self {
        let lines = lines(seen);
        let number = |state| lines.iter().filter(|line| line.state == state).count();
        let (red, unread) = (number(State::Red), number(State::Unknown));
        let all = count(lines.len() as u64, "line");
        let not_read = if unread > 0 { format!(" {unread} could not be read.") } else { String::new() };
        let (state, verdict) = match (red, unread) {
            (0, 0) => ("ok", format!("All is well: none of {all} is red.")),
            (0, _) => ("unknown", format!("None of {all} is red.{not_read}")),
            (1, _) => ("red", format!("1 of {all} is red.{not_read}")),
            (_, _) => ("red", format!("{red} of {all} are red.{not_read}")),
        };
        let rows: Vec<Row> = lines.iter().map(|line| Row::of(line, seen, &around)).collect();
        let bad = rows.iter().filter(|row| row.state != "ok");
        let bad = bad.map(|row| (row.name.to_owned(), row.anchor.clone())).collect();
        Self { around, verdict, state, bad, rows, requests: count(seen.requests, "request") }
    }

    pub(crate) fn html(&self) -> String {
        render(self)
    }
}

impl Row {
    fn of(line: &Line, seen: &Seen, around: &Around) -> Self {
        let alarm = |(name, state): &(&'static str, Option<String>)| Alarm {
            name,
            state: match state.as_deref() {
                Some("ALARM") => "rings",
                Some(_) => "",
                None => "not found",
            },
        };
        Self {
            anchor: format!("line-{}", anchor(line.name)),
            name: line.name,
            state: line.state.name(),
            word: match line.state {
                State::Ok => "OK",
                State::Red => "Red",
                State::Unknown => "Not read",
            },
            now: sentence_of(&line.now),
            alarms: line.alarms.iter().map(alarm).collect(),
            advice: sentence_of(line.advice),
            command: command(line, seen, around),
            section: section(line),
        }
    }
}

/// The section of the runbook about a line: its own, or the row of its first alarm.
fn section(line: &Line) -> String {
    match (line.name, line.alarms.first()) {
        ("mode", _) => "setting-up".to_owned(),
        ("dead letters", _) => "dead-letters".to_owned(),
        ("unreadable work", _) => "unreadable-items".to_owned(),
        ("oldest gap", _) => "gaps".to_owned(),
        ("e-mails to retry" | "e-mails in doubt", _) => "doubtful-e-mails".to_owned(),
        ("e-mails rejected", _) => "refused-e-mails".to_owned(),
        (_, Some((alarm, _))) => (*alarm).to_owned(),
        (_, None) => "alarms".to_owned(),
    }
}

/// The command that shows what is behind a line.
fn command(line: &Line, seen: &Seen, around: &Around) -> String {
    let stack = &seen.stack.name;
    let log = |function: &str| {
        format!(
            "aws logs tail /aws/lambda/{stack}-{function} --since 1h --filter-pattern '{{ $.level = \"ERROR\" }}'"
        )
    };
    let queue = |name: &str| {
        let url = seen.stack.output(&format!("{name}QueueUrl")).unwrap_or("QUEUE_URL");
        format!("aws sqs get-queue-attributes --attribute-names All --queue-url {}", quoted(url))
    };
    match line.name {
        "mode" => format!("aws cloudformation describe-stack-events --stack-name {stack} --max-items 20"),
        "alarms" => {
            format!(
                "aws cloudwatch describe-alarms --alarm-name-prefix {stack}- --state-value ALARM --output table"
            )
        }
        "offer events" | "functions" => log("recorder"),
        "dead letters" => around.leads("dead-letters list"),
        "change feed" => log("reactor"),
        "feed given up" => around.leads("audit"),
        "last sweep" | "unreadable work" => log("sweeper"),
        "buyers behind" => {
            let first = line.values["buyers"][0]["buyerId"].as_str();
            around.leads(&format!("show {}", first.map_or_else(|| "BUYER".to_owned(), quoted)))
        }
        "oldest gap" => around.leads("held"),
        "e-mails to retry" => around.leads("emails --status retry"),
        "e-mails in doubt" => match line.values.get("count").and_then(Value::as_u64) {
            Some(0) => around.leads("emails --status abandoned"),
            Some(_) | None => around.leads("emails --status unknown"),
        },
        "e-mails rejected" => around.leads("emails --status rejected --newer-than 24h"),
        "reputation" => {
            format!("aws sesv2 get-configuration-set --configuration-set-name {stack}-emails")
        }
        "sales team" => queue("SalesTeam"),
        "SES events" => log("receipts"),
        "SES events aside" => queue("EmailReceiptsDeadLetters"),
        _ => around.leads("status"),
    }
}
