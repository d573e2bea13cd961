use std::fmt::{self, Write as _};

use crate::many;
use crate::plan::{Plan, Strategy};

/// The kinds of harm, each with parts of the checker's violations that identify it.
pub(crate) const KINDS: [(&str, &[&str]); 5] = [
    (
        "lost",
        &["lost", "never announced", "open, expected", "no effect was ever performed", "the cursor is at"],
    ),
    ("doubled", &["e-mail sent"]),
    ("out of order", &["claimed after", "first announced after", "out of order"]),
    ("innocent dead-lettered", &["innocent"]),
    ("never ends", &["does not drain"]),
];

/// The results of several ways to do the same work on the same seeds, ours first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    pub(crate) from: u64,
    pub(crate) seeds: u64,
    pub(crate) ways: Vec<Way>,
}

/// The number of runs per million in which a way did harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The name of the way, and after a colon a characteristic, if it has one.
    pub name: &'static str,
    /// The runs with each kind of harm: lost, doubled, out of order, an innocent message dead-lettered, never ends.
    pub harm: [u64; KINDS.len()],
    /// The runs with any harm.
    pub any: u64,
}

impl Comparison {
    /// Runs all ways on these seeds.
    #[must_use]
    pub fn of(from: u64, seeds: u64) -> Self {
        let ways = [None].into_iter().chain(Strategy::ALL.map(Some)).map(|strategy| {
            let summary = many(from, seeds, false, |seed| Plan { strategy, ..Plan::of(seed) });
            let per_million = |count: u64| count * 1_000_000 / seeds.max(1);
            let harm = KINDS.map(|(_, signs)| {
                let has = |found: &String| signs.iter().any(|sign| found.contains(sign));
                per_million(summary.found.iter().filter(|found| found.iter().any(has)).count() as u64)
            });
            Way {
                name: strategy.map_or("Leadstream", Strategy::name),
                harm,
                any: per_million(summary.failed),
            }
        });
        Self { from, seeds, ways: ways.collect() }
    }

    /// All ways, ours first.
    #[must_use]
    pub fn ways(&self) -> &[Way] {
        &self.ways
    }
}

/// A number with commas between its thousands.
#[must_use]
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl fmt::Display for Comparison {
    /// Writes a table in Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = KINDS.map(|(kind, _)| kind).join("|");
        writeln!(f, "|way|{names}|any|\n|---|{}", "---:|".repeat(KINDS.len() + 1))?;
        for way in &self.ways {
            let cells = way.harm.map(thousands).join("|");
            writeln!(f, "|{}|{cells}|{}|", way.name, thousands(way.any))?;
        }
        Ok(())
    }
}

const TOP: i64 = 92;
const ROW: i64 = 40;
const COLUMN: i64 = 165;
const COLUMNS_FROM: i64 = 330;

const HEADING: &str = "font-size=\"17\" font-weight=\"600\" fill=\"#1f2328\"";
const NAME: &str = "font-size=\"13\" fill=\"#1f2328\"";
const NOTE: &str = "font-size=\"11.5\" fill=\"#59636e\"";
const NUMBER: &str = "font-size=\"12\" fill=\"#1f2328\"";
const NONE: &str = "font-size=\"12\" font-weight=\"600\" fill=\"#1a7f37\"";

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or_default()
}

fn column_from(column: usize) -> i64 {
    COLUMNS_FROM + COLUMN * count(column)
}

/// The length of a bar: 16 per decade above 10, at most 80.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the length is a hundred at most"
)]
fn bar(harm: u64) -> i64 {
    let decades = (harm.max(11) as f64).log10() - 1.0;
    ((decades * 16.0).round() as i64).max(1)
}

impl Comparison {
    /// The picture of the table.
    #[must_use]
    pub fn picture(&self) -> String {
        let rows = i64::try_from(self.ways.len()).unwrap_or_default();
        let (width, height) = (COLUMNS_FROM + COLUMN * count(KINDS.len()) + 10, TOP + ROW * rows + 34);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" font-family=\"system-ui, sans-serif\" role=\"img\">\n\
             <title>Runs per million with each kind of harm, by the way the work is done</title>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
        );
        let mut text = |x: i64, y: i64, style: &str, words: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\" {style}>{words}</text>");
        };
        text(16, 28, HEADING, "Runs per million with each kind of harm");
        let of = format!("on the same {} seeds from {}", thousands(self.seeds), thousands(self.from));
        text(16, 46, NOTE, &of);
        for (column, (kind, _)) in KINDS.iter().enumerate() {
            text(column_from(column), TOP - 12, NAME, kind);
        }
        for (way, y) in self.ways.iter().zip((0..).map(|row| TOP + ROW * row)) {
            let (name, note) = way.name.split_once(": ").unwrap_or((way.name, ""));
            text(16, y + if note.is_empty() { 24 } else { 17 }, NAME, name);
            if !note.is_empty() {
                text(16, y + 32, NOTE, note);
            }
            for (column, harm) in way.harm.iter().enumerate() {
                let x = column_from(column) + if *harm == 0 { 0 } else { bar(*harm) + 5 };
                text(x, y + 24, if *harm == 0 { NONE } else { NUMBER }, &thousands(*harm));
            }
        }
        text(16, height - 12, NOTE, "Bars are logarithmic, from 10 to 1,000,000.");
        for (way, y) in self.ways.iter().zip((0..).map(|row| TOP + ROW * row)) {
            let _ = writeln!(svg, "<path d=\"M16 {y}H{}\" stroke=\"#d8dee4\"/>", width - 16);
            for (column, harm) in way.harm.iter().enumerate().filter(|(_, harm)| **harm > 0) {
                let (x, length) = (column_from(column), bar(*harm));
                let _ = writeln!(
                    svg,
                    "<rect x=\"{x}\" y=\"{}\" width=\"{length}\" height=\"16\" rx=\"2\" fill=\"#c2410c\"/>",
                    y + 12
                );
            }
        }
        svg.push_str("</svg>\n");
        svg
    }
}

/// The page with one part replaced: the text between `<!-- name -->` and the next `<!-- end -->`. `None` if the page
/// has no such part.
#[must_use]
pub fn rewritten(page: &str, name: &str, part: &str) -> Option<String> {
    let (before, rest) = page.split_once(&format!("<!-- {name} -->\n"))?;
    let (_, after) = rest.split_once("<!-- end -->")?;
    Some(format!("{before}<!-- {name} -->\n{part}<!-- end -->{after}"))
}

#[cfg(test)]
mod tests {
    use super::rewritten;

    #[test]
    fn only_the_part_with_this_name_is_replaced() {
        let page = "a\n<!-- one -->\nold\n<!-- end -->\nb\n<!-- two -->\nkept\n<!-- end -->\n";
        let expected = "a\n<!-- one -->\nnew\n<!-- end -->\nb\n<!-- two -->\nkept\n<!-- end -->\n";
        assert_eq!(rewritten(page, "one", "new\n").as_deref(), Some(expected));
        assert_eq!(rewritten(page, "three", "new\n"), None);
    }
}
