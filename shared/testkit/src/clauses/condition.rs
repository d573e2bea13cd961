//! Parses DynamoDB's condition expressions far enough to separate their clauses.

use std::iter::Peekable;
use std::ops::Range;
use std::vec::IntoIter;

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
