//! Mutation testing for condition expressions: checks that every clause of every condition is needed.
//!
//! A test suite runs itself repeatedly: once to collect the conditions that it sends to the table, then once for each
//! clause with that clause removed, and at least one test must fail. Nothing is recompiled, because the clause is
//! removed from the requests on their way to the table.

mod condition;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs, thread};

use serde_json::{Value, json};

pub use condition::without_each_clause;

use crate::wire::{Answer, Wire};

/// The environment variable with the path of the file in which every sent condition is noted.
const NOTED_IN: &str = "NOTE_CONDITIONS_IN";

/// The environment variable with a condition and its replacement, as a JSON array of two strings.
const SENT_IN_PLACE: &str = "SEND_IN_PLACE_OF_CONDITION";

/// A strict wire between a test and its table.
#[derive(Debug)]
pub struct Front {
    wire: Wire,
}

impl Front {
    /// Starts a wire in front of the table at this URL. It changes requests only in the runs of [`clauses`].
    pub async fn before(table: String) -> Self {
        let (noted_in, in_place) = (env::var_os(NOTED_IN), env::var(SENT_IN_PLACE).ok());
        let in_place = in_place.map(|pair| serde_json::from_str::<(String, String)>(&pair).unwrap());
        let forward = Answer::Forward(table);
        let wire = Wire::start(move |request| {
            if noted_in.is_none() && in_place.is_none() {
                return forward.clone();
            }
            let mut body = request.json();
            for part in conditional_parts(&mut body) {
                let condition = part["ConditionExpression"].as_str().unwrap().to_owned();
                if let Some(file) = &noted_in {
                    note(Path::new(file), &condition);
                }
                if let Some((_, instead)) = in_place.as_ref().filter(|(original, _)| *original == condition) {
                    part["ConditionExpression"] = json!(instead);
                    remove_unused_names_and_values(part);
                }
            }
            request.body = body.to_string().into_bytes();
            forward.clone()
        })
        .await;
        Self { wire }
    }

    /// The URL under which the table is reached through the wire.
    #[must_use]
    pub fn url(&self) -> &str {
        self.wire.url()
    }
}

/// The parts of a request that have a condition: the request itself, or the items of a transaction.
fn conditional_parts(body: &mut Value) -> Vec<&mut Value> {
    let parts: Vec<&mut Value> = if body["TransactItems"].is_array() {
        let items = body["TransactItems"].as_array_mut().unwrap().iter_mut();
        items.filter_map(Value::as_object_mut).flat_map(|item| item.values_mut()).collect()
    } else {
        vec![body]
    };
    parts.into_iter().filter(|part| part["ConditionExpression"].is_string()).collect()
}

/// Removes names and values that no expression mentions, because DynamoDB refuses them.
fn remove_unused_names_and_values(part: &mut Value) {
    let fields = part.as_object_mut().unwrap();
    let expressions: Vec<&str> = fields
        .iter()
        .filter(|(name, _)| name.ends_with("Expression"))
        .filter_map(|(_, text)| text.as_str())
        .collect();
    let used: BTreeSet<String> = expressions
        .iter()
        .flat_map(|text| {
            text.split(|character: char| !(character.is_alphanumeric() || "_:#".contains(character)))
        })
        .map(str::to_owned)
        .collect();
    for field in ["ExpressionAttributeNames", "ExpressionAttributeValues"] {
        if let Some(given) = fields.get_mut(field).and_then(Value::as_object_mut) {
            given.retain(|name, _| used.contains(name));
            if given.is_empty() {
                fields.remove(field);
            }
        }
    }
}

/// Appends one line with the name of the current test, which is the name of its thread, and the condition.
fn note(file: &Path, condition: &str) {
    let line = format!("{}\n", json!([thread::current().name(), condition]));
    let mut file = fs::OpenOptions::new().append(true).create(true).open(file).unwrap();
    file.write_all(line.as_bytes()).unwrap();
}

/// One clause of one condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    /// The whole condition.
    pub condition: String,
    /// The clause that is removed from it.
    pub clause: String,
    /// A test that fails without the clause.
    pub caught_by: Option<String>,
}

/// Runs the calling test suite once without each clause, and returns for each clause a test that then fails. `caller`
/// is the path of the calling test, which is skipped in those runs.
///
/// # Panics
/// If the unchanged suite fails, or if a condition without a clause is invalid.
#[must_use]
pub fn clauses(caller: &str) -> Vec<Clause> {
    let mut found = Vec::new();
    for (condition, tests) in conditions(caller) {
        for (clause, rest) in without_each_clause(&condition) {
            // A few tests at a time, because most clauses are caught by many.
            let caught_by = tests.chunks(4).find_map(|tests| first_that_fails(tests, &condition, &rest));
            found.push(Clause { caught_by, condition: condition.clone(), clause });
        }
    }
    found
}

/// The first of these tests that fails while `instead` is sent in place of `condition`.
fn first_that_fails(tests: &[String], condition: &str, instead: &str) -> Option<String> {
    let run = this_suite(SENT_IN_PLACE, &json!([condition, instead]).to_string(), |command| {
        command.arg("--exact").args(tests)
    });
    let output = String::from_utf8_lossy(&run.stdout);
    assert!(!output.contains("ValidationException"), "{condition}\n became {instead}\n{output}");
    output.lines().find_map(|line| {
        let (name, end) = line.strip_prefix("test ")?.split_once(" ... ")?;
        (end == "FAILED").then(|| name.to_owned())
    })
}

/// Every condition that the suite sends, with the tests that send it. Tests that send few conditions come first,
/// because they are quick.
fn conditions(caller: &str) -> BTreeMap<String, Vec<String>> {
    let file: PathBuf = env::temp_dir().join(format!("conditions-{}.jsonl", std::process::id()));
    let run = this_suite(NOTED_IN, file.to_str().unwrap(), |command| command.args(["--skip", caller]));
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
    let mut conditions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut sent: BTreeMap<String, usize> = BTreeMap::new();
    for line in fs::read_to_string(&file).unwrap().lines() {
        let (test, condition): (String, String) = serde_json::from_str(line).unwrap();
        *sent.entry(test.clone()).or_default() += 1;
        conditions.entry(condition).or_default().insert(test);
    }
    fs::remove_file(file).unwrap();
    let quickest_first = |tests: BTreeSet<String>| {
        let mut tests: Vec<String> = tests.into_iter().collect();
        tests.sort_by_key(|test| sent[test]);
        tests
    };
    conditions.into_iter().map(|(condition, tests)| (condition, quickest_first(tests))).collect()
}

fn this_suite(name: &str, value: &str, which: impl FnOnce(&mut Command) -> &mut Command) -> Output {
    let mut command = Command::new(env::current_exe().unwrap());
    which(&mut command).env(name, value).output().unwrap()
}

/// A report with each clause and the test that catches it, and the totals in the last line.
#[must_use]
pub fn table(clauses: &[Clause]) -> String {
    use std::fmt::Write as _;
    let mut table = String::new();
    let mut condition = "";
    for clause in clauses {
        if clause.condition != condition {
            condition = &clause.condition;
            writeln!(table, "{condition}").unwrap();
        }
        let caught =
            clause.caught_by.as_ref().map_or("MISSED".to_owned(), |test| format!("caught by {test}"));
        writeln!(table, "  {}\n    {caught}", clause.clause).unwrap();
    }
    let missed = clauses.iter().filter(|clause| clause.caught_by.is_none()).count();
    write!(table, "{} caught, {missed} missed", clauses.len() - missed).unwrap();
    table
}
