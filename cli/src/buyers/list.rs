//! A file of buyers' ids.

use std::collections::BTreeSet;
use std::fmt;

use domain::BuyerId;

use crate::output::harmless;

/// Buyers in the order in which they were named, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// The buyers.
    pub buyers: Vec<BuyerId>,
    /// How many lines were blank.
    pub blank: u64,
    /// How many named a buyer again.
    pub repeated: u64,
}

/// A line that is no buyer's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, from 1.
    pub line: u64,
    /// What is there, in part, as it can be shown on a terminal.
    pub text: String,
}

/// How much of a bad line is shown.
const SHOWN: usize = 40;

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: `{}`", self.line, self.text)
    }
}

impl Listed {
    /// These buyers, without repeats.
    pub(super) fn of(buyers: impl IntoIterator<Item = BuyerId>) -> Self {
        let (mut listed, mut seen) = (Self::default(), BTreeSet::new());
        for buyer in buyers {
            if seen.insert(buyer.clone()) {
                listed.buyers.push(buyer);
            } else {
                listed.repeated += 1;
            }
        }
        listed
    }
}

/// Reads a file of ids, one per line. Blanks around an id and a byte order mark are left out.
///
/// # Errors
/// Every line that is no id.
pub fn listed(text: &[u8]) -> Result<Listed, Vec<BadLine>> {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let (mut buyers, mut bad, mut blank) = (Vec::new(), Vec::new(), 0);
    // What follows the last line's end is no line.
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    for (line, bytes) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        let written = bytes.trim_ascii();
        if written.is_empty() {
            blank += 1;
            continue;
        }
        if let Some(buyer) = std::str::from_utf8(written).ok().and_then(|id| BuyerId::parse(id).ok()) {
            buyers.push(buyer);
        } else {
            let shown: String = String::from_utf8_lossy(written).chars().take(SHOWN).collect();
            bad.push(BadLine { line, text: harmless(&shown) });
        }
    }
    if bad.is_empty() { Ok(Listed { blank, ..Listed::of(buyers) }) } else { Err(bad) }
}

#[cfg(test)]
mod tests {
    use super::listed;

    #[test]
    fn blank_lines_and_repeats_are_skipped_and_counted() {
        let listed = listed("\u{feff}bob\r\n\n  ada\t\nbob\n \nbob".as_bytes()).expect("a list");
        let names: Vec<&str> = listed.buyers.iter().map(domain::BuyerId::as_str).collect();
        assert_eq!((names, listed.blank, listed.repeated), (vec!["bob", "ada"], 2, 2));
        assert_eq!(super::listed(b"ada\n").map(|listed| listed.blank), Ok(0), "the last line has its end");
    }

    #[test]
    fn every_line_that_is_no_id_is_named_with_its_number() {
        let long = "x".repeat(129);
        let text = [b"ada\na/b\n\xff\xfe\nc\x1b[2Jd\n".as_slice(), long.as_bytes()].concat();
        let bad = listed(&text).expect_err("bad lines");
        let shown: Vec<String> = bad.iter().map(ToString::to_string).collect();
        let expected = [
            "line 2: `a/b`".to_owned(),
            "line 3: `\u{fffd}\u{fffd}`".to_owned(),
            r"line 4: `c\u{1b}[2Jd`".to_owned(),
            format!("line 5: `{}`", "x".repeat(40)),
        ];
        assert_eq!(shown, expected);
    }
}
