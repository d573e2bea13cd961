//! Mutation testing for condition expressions: checks that every clause of every condition is needed.
//!
//! A test suite runs itself repeatedly: once to collect the conditions that it sends to the table, then once for each
//! clause with that clause removed, and at least one test must fail. Nothing is recompiled, because the clause is
//! removed from the requests on their way to the table.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::iter::Peekable;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::vec::IntoIter;
use std::{env, fs, thread};

use serde_json::{Value, json};

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

/// A condition or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    /// The text of a comparison or a function.
    Clause(String),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
}

/// A condition that is true for every item. It replaces a condition that is removed as a whole.
const ALWAYS_TRUE: &str = "attribute_not_exists(nothingHasThisName)";

/// Every way to remove one clause from a condition, as pairs of the removed clause and the remaining condition. The
/// whole condition counts as a clause, and so does every operand of every `AND` and `OR`.
#[must_use]
pub fn without_each_clause(condition: &str) -> Vec<(String, String)> {
    let text = |rest: Option<Condition>| rest.map_or_else(|| ALWAYS_TRUE.to_owned(), |rest| rest.text());
    let condition = Condition::parse(condition);
    condition.without_each().into_iter().map(|(clause, rest)| (clause, text(rest))).collect()
}

impl Condition {
    #[track_caller]
    fn parse(text: &str) -> Self {
        let mut words = words(text).into_iter().peekable();
        let condition = Self::any(text, &mut words);
        assert_eq!(words.next(), None, "cannot parse the end of the condition: {text}");
        condition
    }

    fn any(text: &str, words: &mut Words) -> Self {
        let mut operands = vec![Self::all(text, words)];
        while words.next_if(|word| is(text, word, "OR")).is_some() {
            operands.push(Self::all(text, words));
        }
        Self::Any(operands).simple()
    }

    fn all(text: &str, words: &mut Words) -> Self {
        let mut operands = vec![Self::one(text, words)];
        while words.next_if(|word| is(text, word, "AND")).is_some() {
            operands.push(Self::one(text, words));
        }
        Self::All(operands).simple()
    }

    fn one(text: &str, words: &mut Words) -> Self {
        if words.next_if(|word| is(text, word, "NOT")).is_some() {
            return Self::Not(Box::new(Self::one(text, words)));
        }
        if words.next_if(|word| is(text, word, "(")).is_some() {
            let inner = Self::any(text, words);
            assert!(words.next_if(|word| is(text, word, ")")).is_some(), "a `(` is not closed: {text}");
            return inner;
        }
        Self::clause(text, words)
    }

    /// Parses one clause, which ends before the next `AND`, `OR` or `)` that is not its own. The brackets of functions
    /// and the `AND` of a `BETWEEN` belong to it.
    fn clause(text: &str, words: &mut Words) -> Self {
        let begin = words.peek().unwrap_or_else(|| panic!("a clause is missing: {text}")).start;
        let (mut end, mut depth, mut is_between) = (begin, 0_usize, false);
        while let Some(word) = words.next_if(|word| {
            let joins = is(text, word, "OR") || is(text, word, "AND") && !is_between;
            depth > 0 || !joins && !is(text, word, ")")
        }) {
            match &text[word.clone()] {
                "(" => depth += 1,
                ")" => depth -= 1,
                other if other.eq_ignore_ascii_case("BETWEEN") => is_between = true,
                other if other.eq_ignore_ascii_case("AND") => is_between = false,
                _ => {}
            }
            end = word.end;
        }
        Self::Clause(text[begin..end].to_owned())
    }

    /// The condition itself, but the operand alone if an `AND` or `OR` has only one.
    fn simple(self) -> Self {
        match self {
            Self::All(mut operands) | Self::Any(mut operands) if operands.len() == 1 => operands.remove(0),
            whole @ (Self::Clause(_) | Self::Not(_) | Self::All(_) | Self::Any(_)) => whole,
        }
    }

    fn without_each(&self) -> Vec<(String, Option<Self>)> {
        let mut found = vec![(self.text(), None)];
        match self {
            Self::Clause(_) => {}
            Self::Not(inner) => found.extend(
                inner
                    .without_each()
                    .into_iter()
                    .filter_map(|(clause, rest)| Some((clause, Some(Self::Not(Box::new(rest?)))))),
            ),
            Self::All(operands) => found.extend(without_each_of(operands, Self::All)),
            Self::Any(operands) => found.extend(without_each_of(operands, Self::Any)),
        }
        found
    }

    fn text(&self) -> String {
        let joined = |operands: &[Self], word| {
            let operands: Vec<String> = operands.iter().map(Self::as_operand).collect();
            operands.join(word)
        };
        match self {
            Self::Clause(text) => text.clone(),
            Self::Not(inner) => format!("NOT {}", inner.as_operand()),
            Self::All(operands) => joined(operands, " AND "),
            Self::Any(operands) => joined(operands, " OR "),
        }
    }

    fn as_operand(&self) -> String {
        match self {
            Self::Clause(_) | Self::Not(_) => self.text(),
            Self::All(_) | Self::Any(_) => format!("({})", self.text()),
        }
    }
}

fn without_each_of(
    operands: &[Condition],
    join: fn(Vec<Condition>) -> Condition,
) -> Vec<(String, Option<Condition>)> {
    let mut found = Vec::new();
    for (index, operand) in operands.iter().enumerate() {
        for (clause, rest) in operand.without_each() {
            let mut left = operands.to_vec();
            left.splice(index..=index, rest);
            found.push((clause, Some(join(left).simple())));
        }
    }
    found
}

type Words = Peekable<IntoIter<Range<usize>>>;

fn is(text: &str, word: &Range<usize>, what: &str) -> bool {
    text[word.clone()].eq_ignore_ascii_case(what)
}

/// The positions of the words in a text: each bracket and comma is a word, and so is every other run of characters up
/// to the next whitespace, bracket or comma.
fn words(text: &str) -> Vec<Range<usize>> {
    let mut words: Vec<Range<usize>> = Vec::new();
    let mut is_open = false;
    for (at, character) in text.char_indices() {
        let ends = at + character.len_utf8();
        match (character, words.last_mut()) {
            ('(' | ')' | ',', _) => {
                words.push(at..ends);
                is_open = false;
            }
            (space, _) if space.is_whitespace() => is_open = false,
            (_, Some(word)) if is_open => word.end = ends,
            _ => {
                words.push(at..ends);
                is_open = true;
            }
        }
    }
    words
}
