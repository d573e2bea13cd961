//! Coordinates of the picture, in pixels. A column is as wide as the window's number of steps allows; wide columns have
//! room for words.

use super::lanes::{Group, Lane, Sign};
use super::window::{Step, Window};
use crate::output::moment;

/// The width of the lanes' labels.
const LABELS: usize = 128;

/// The width for all columns, where they need not be narrower or wider than [`NARROWEST`] and [`WIDEST`].
const COLUMNS: usize = 980;
const NARROWEST: usize = 32;
const WIDEST: usize = 196;

/// From this width on, a column has words.
const WORDY: usize = 96;

/// In narrow columns, every so many have their number and time above.
const NUMBERED: usize = 5;

const HEADER: usize = 56;
const HEADING: usize = 26;
const ROW: usize = 23;
const PADDING: usize = 8;

/// The greatest number of signs of one step in one lane; the last one stands for all further ones.
const MOST_ROWS: usize = 5;

/// How far something that goes on reaches beyond the columns.
const EDGE: usize = 6;

/// The half of a mark's size.
const RADIUS: usize = 9;

/// The width of a character, about.
const CHARACTER: usize = 7;

/// The picture as shapes.
#[derive(Debug, Default)]
pub(crate) struct Picture {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) rules: Vec<Rule>,
    pub(crate) bars: Vec<Bar>,
    pub(crate) marks: Vec<Mark>,
    pub(crate) texts: Vec<Text>,
}

/// A thin line, from the left or from the top.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) from: (usize, usize),
    pub(crate) to: (usize, usize),
    pub(crate) class: &'static str,
}

/// Something that lasts.
#[derive(Debug)]
pub(crate) struct Bar {
    pub(crate) x: usize,
    pub(crate) y: usize,
    pub(crate) width: usize,
    pub(crate) class: &'static str,
    pub(crate) title: String,
}

/// Something that happened.
#[derive(Debug)]
pub(crate) struct Mark {
    pub(crate) x: usize,
    pub(crate) y: usize,
    pub(crate) glyph: &'static str,
    pub(crate) class: &'static str,
    pub(crate) title: String,
}

/// Words.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) x: usize,
    pub(crate) y: usize,
    pub(crate) class: &'static str,
    pub(crate) words: String,
}

pub(super) fn layout(window: &Window, groups: &[Group]) -> Picture {
    let column = (COLUMNS / window.steps.len().max(1)).clamp(NARROWEST, WIDEST);
    let mut drawing = Drawing { column, steps: window.steps.len(), picture: Picture::default() };
    drawing.picture.width = LABELS + column * window.steps.len();
    let mut y = HEADER;
    for group in groups {
        drawing.text(0, y + 18, "group", group.name.to_owned());
        drawing.rule((0, y), (drawing.picture.width, y), "border");
        y += HEADING;
        for lane in &group.lanes {
            y = drawing.lane(lane, y);
        }
    }
    drawing.header(&window.steps, y);
    drawing.picture.height = y + 1;
    drawing.picture
}

struct Drawing {
    column: usize,
    steps: usize,
    picture: Picture,
}

impl Drawing {
    const fn is_wordy(&self) -> bool {
        self.column >= WORDY
    }

    /// The middle of a step's mark: a little right of its column's left edge.
    const fn x(&self, step: usize) -> usize {
        LABELS + step * self.column + if self.is_wordy() { 14 } else { self.column / 2 }
    }

    fn rule(&mut self, from: (usize, usize), to: (usize, usize), class: &'static str) {
        self.picture.rules.push(Rule { from, to, class });
    }

    fn text(&mut self, x: usize, y: usize, class: &'static str, words: String) {
        self.picture.texts.push(Text { x, y, class, words });
    }

    /// The numbers, names and times of the steps, and a line down from each.
    fn header(&mut self, steps: &[Step], bottom: usize) {
        let mut shown = String::new();
        for (place, step) in steps.iter().enumerate() {
            let x = self.x(place);
            self.rule((x, HEADER), (x, bottom), "step");
            if !self.is_wordy() && !place.is_multiple_of(NUMBERED) {
                continue;
            }
            // As in 2026-11-23T10:00:00Z.
            let recorded = moment(step.line.recorded_at);
            let (date, time) = recorded.split_once('T').unwrap_or((&recorded, ""));
            let left = x - 8;
            if shown != date {
                date.clone_into(&mut shown);
                self.text(left, 12, "date", date.to_owned());
            }
            let (number, time) = (format!("#{}", step.line.sequence), time.trim_end_matches('Z'));
            if self.is_wordy() {
                // Bold characters are a little wider.
                let name = short(step.line.entry.name(), self.column / (CHARACTER + 1));
                self.text(left, 30, "number", name);
                self.text(left, 46, "date", format!("{number} {time}"));
            } else {
                self.text(left, 30, "number", number);
                self.text(left, 46, "date", time.to_owned());
            }
        }
    }

    /// Draws a lane from `y` on, and returns where it ends.
    fn lane(&mut self, lane: &Lane, y: usize) -> usize {
        let mut rows = vec![0_usize; self.steps];
        self.text(8, y + 15, "lane", short(&lane.label, (LABELS - 12) / CHARACTER));
        for span in &lane.spans {
            let x = span.from.map_or(LABELS - EDGE, |from| self.x(from));
            // What goes on has no edge.
            let end = span.to.map_or(self.picture.width + EDGE, |to| self.x(to));
            let (class, title) = (span.class, span.title.clone());
            self.picture.bars.push(Bar { x, y: y + 4, width: end.saturating_sub(x), class, title });
        }
        for Sign { step, glyph, class, label, title } in &lane.signs {
            let Some(row) = rows.get_mut(*step) else { continue };
            *row += 1;
            let (place, number) =
                (row.saturating_sub(1), lane.signs.iter().filter(|sign| sign.step == *step).count());
            let more = (place + 1 == MOST_ROWS && number > MOST_ROWS).then(|| number - place);
            if place >= MOST_ROWS {
                continue;
            }
            let (x, middle) = (self.x(*step), y + 11 + place * ROW);
            if let Some(more) = more {
                self.text(x - 8, middle + 4, "label", format!("+{more}"));
                continue;
            }
            self.picture.marks.push(Mark {
                x: x - RADIUS,
                y: middle - RADIUS,
                glyph,
                class,
                title: title.clone(),
            });
            if self.is_wordy() && !label.is_empty() {
                self.text(
                    x + 13,
                    middle + 4,
                    "label",
                    short(label, self.column.saturating_sub(24) / CHARACTER),
                );
            }
        }
        let most = rows.into_iter().max().unwrap_or_default().clamp(1, MOST_ROWS);
        y + most * ROW + PADDING
    }
}

/// The text, cut to a number of characters.
fn short(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    text.chars().take(characters.saturating_sub(1)).chain(['…']).collect()
}
