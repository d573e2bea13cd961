//! The result of a comparison as one self-contained HTML page, without scripts, fonts or images.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::{Class, Tally};
use crate::output::moment;

const STYLE: &str = "\
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1d2b34; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #d5dde2; }
td { overflow-wrap: anywhere; } svg { width: 100%; height: auto; } .verdict { font-size: 1.3rem; font-weight: 600; }
.good { color: #1a7f4b; } .bad { color: #b3261e; }";

/// The height of one bar of the chart in SVG units.
const BAR: u64 = 34;

/// Renders the page.
#[must_use]
pub fn html(tally: &Tally, at: Timestamp) -> String {
    let unexplained = tally.unexplained();
    let is_good = unexplained <= tally.allowed && tally.failed.is_empty();
    let (class, verdict) = match (tally.is_complete(), is_good) {
        (true, true) if unexplained == 0 => ("good", "No unexplained difference"),
        (true, true) => ("good", "Unexplained differences, but no more than allowed"),
        (false, true) => ("bad", "Incomplete"),
        (_, false) => ("bad", "The systems differ, or could not be compared"),
    };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Parity</title>\n<style>\n{STYLE}\n</style>\n\
         </head>\n<body>\n<h1>Leadstream beside the former system</h1>\n<p class=\"verdict {class}\">{verdict}</p>\n\
         <p>{}</p>\n",
        moment(at)
    );
    for sentence in tally.sentences() {
        page.extend(["<p>", &escaped(&sentence), "</p>\n"]);
    }
    page.push_str("<h2>Buyers by class</h2>\n");
    page.push_str(&chart(tally));
    page.push_str("<h2>Differences by class</h2>\n");
    let rows = tally.classes().map(|(class, buyers, differences)| {
        [class.name().to_owned(), buyers.to_string(), differences.to_string()]
    });
    page.push_str(&table(&["class", "buyers", "differences"], rows));
    page.push_str("<h2>Examples</h2>\n");
    let header = ["class", "buyer", "offer", "here", "there", "explained by"];
    page.push_str(&table(&header, tally.examples()));
    page.push_str("</body>\n</html>\n");
    page
}

/// A bar chart of buyers: one bar for those without a difference, and one for each class.
fn chart(tally: &Tally) -> String {
    let agreeing = ("no difference", tally.agreeing, "#1a7f4b");
    let classes = tally.classes().map(|(class, buyers, _)| (class.name(), buyers, colour(class)));
    let bars: Vec<(&str, u64, &str)> = std::iter::once(agreeing).chain(classes).collect();
    let most = bars.iter().map(|(_, buyers, _)| *buyers).max().unwrap_or_default().max(1);
    let height = bars.len() as u64 * BAR;
    let mut svg = format!(
        "<svg viewBox=\"0 0 800 {height}\" role=\"img\" aria-label=\"Buyers by class of difference\" \
         font-family=\"system-ui, sans-serif\" font-size=\"14\">\n"
    );
    for (place, (name, buyers, colour)) in (0..).zip(bars) {
        let top = place * BAR;
        // Rounded up, so that even one buyer is visible.
        let width = (buyers * 520).div_ceil(most);
        let (text, end) = (top + 20, 175 + width);
        let _ = writeln!(
            svg,
            "<text x=\"160\" y=\"{text}\" text-anchor=\"end\">{name}</text>\
             <rect x=\"170\" y=\"{}\" width=\"{width}\" height=\"22\" fill=\"{colour}\"/>\
             <text x=\"{end}\" y=\"{text}\">{buyers}</text>",
            top + 4
        );
    }
    svg + "</svg>\n"
}

const fn colour(class: Class) -> &'static str {
    match class {
        Class::Lag => "#c8892b",
        Class::Explained => "#6b8796",
        Class::MissingHere
        | Class::MissingThere
        | Class::OtherStage
        | Class::OtherContact
        | Class::HandedOverThere
        | Class::OtherLead => "#b3261e",
    }
}

fn table<const N: usize>(header: &[&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = "<table>\n<tr>".to_owned();
    table.extend(header.iter().map(|cell| format!("<th>{cell}</th>")));
    table.push_str("</tr>\n");
    for row in rows {
        table.push_str("<tr>");
        table.extend(row.iter().map(|cell| format!("<td>{}</td>", escaped(cell))));
        table.push_str("</tr>\n");
    }
    table + "</table>\n"
}

/// Escapes untrusted text for HTML.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}
