//! Draws a comparison as an SVG picture.

use std::fmt::Write as _;

use crate::compare::{Comparison, KINDS, thousands};

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
