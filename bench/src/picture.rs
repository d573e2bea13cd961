//! Draws bar charts as SVG pictures.

use std::fmt::Write as _;

use simulator::thousands;

const LEFT: f64 = 262.0;
const PANEL: f64 = 210.0;
const TOP: f64 = 84.0;
const ROW: f64 = 40.0;
const BAR: f64 = 120.0;

const HEADING: &str = "font-size=\"17\" font-weight=\"600\" fill=\"#1f2328\"";
const NAME: &str = "font-size=\"13\" fill=\"#1f2328\"";
const NOTE: &str = "font-size=\"11.5\" fill=\"#59636e\"";
const OURS: &str = "#1a7f37";
const THEIRS: &str = "#c2410c";

/// One column of bars: two for each store, one event per batch and ten.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// The title, which names the figure.
    pub title: String,
    /// The upper and the lower bar of each row; `None` if there is no figure.
    pub rows: Vec<[Option<f64>; 2]>,
}

/// Draws panels side by side, with a row for each name; the first row is ours. Each panel has its own scale from zero.
#[must_use]
pub fn bars(title: &str, note: &str, names: &[&str], panels: &[Panel]) -> String {
    let count = |number: usize| f64::from(u32::try_from(number).unwrap_or_default());
    let (width, height) =
        ((LEFT + PANEL * count(panels.len())).max(640.0), TOP + ROW * count(names.len()) + 16.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"system-ui, sans-serif\" role=\"img\">\n<title>{title}</title>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    // Writing to a String cannot fail.
    let mut text = |x: f64, y: f64, style: &str, words: &str| {
        let _ = writeln!(svg, "<text x=\"{x:.0}\" y=\"{y:.0}\" {style}>{words}</text>");
    };
    text(16.0, 28.0, HEADING, title);
    text(16.0, 46.0, NOTE, note);
    for (row, name) in names.iter().enumerate() {
        let y = TOP + ROW * count(row);
        text(16.0, y + 22.0, NAME, name);
    }
    for (at, panel) in panels.iter().enumerate() {
        text(LEFT + PANEL * count(at), TOP - 12.0, NAME, &panel.title);
    }
    for (at, panel) in panels.iter().enumerate() {
        let most = panel.rows.iter().flatten().flatten().copied().fold(f64::MIN_POSITIVE, f64::max);
        for (row, pair) in panel.rows.iter().enumerate() {
            for (lower, value) in pair.iter().enumerate() {
                let (x, y) = (LEFT + PANEL * count(at), TOP + ROW * count(row) + 5.0 + 15.0 * count(lower));
                let Some(value) = value else { continue };
                let length = (value / most * BAR).max(1.0);
                let (colour, opacity) =
                    (if row == 0 { OURS } else { THEIRS }, if lower == 0 { 1.0 } else { 0.55 });
                let _ = writeln!(
                    svg,
                    "<rect x=\"{x:.0}\" y=\"{y:.0}\" width=\"{length:.1}\" height=\"12\" rx=\"2\" fill=\"{colour}\" \
                     fill-opacity=\"{opacity}\"/>\n<text x=\"{:.1}\" y=\"{:.0}\" {NOTE}>{}</text>",
                    x + length + 5.0,
                    y + 10.0,
                    short(*value)
                );
            }
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// A number with three significant digits, or two decimals.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are small")]
pub fn short(value: f64) -> String {
    match value {
        _ if value >= 1000.0 => thousands(value.round() as u64),
        _ if value >= 100.0 => format!("{value:.0}"),
        _ if value >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Panel, bars, short};

    #[test]
    fn the_largest_value_has_the_longest_bar_and_others_are_in_proportion() {
        let panel = Panel { title: "x".to_owned(), rows: vec![[Some(1.0), None], [Some(4.0), Some(2.0)]] };
        let svg = bars("t", "n", &["ours", "theirs"], &[panel]);
        for width in ["30.0", "120.0", "60.0"] {
            assert!(svg.contains(&format!("width=\"{width}\"")), "{width}: {svg}");
        }
        assert_eq!(svg.matches("<rect").count(), 1 + 3);
    }

    #[test]
    fn figures_have_three_significant_digits() {
        let all = [0.1, 2.0, 12.34, 345.6, 12_345.6].map(short);
        assert_eq!(all, ["0.10", "2.00", "12.3", "346", "12,346"]);
    }
}
