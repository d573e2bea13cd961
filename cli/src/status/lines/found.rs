//! What a line says, and the words for numbers, durations and reasons.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::output::{count, harmless};

/// How many reasons a line names.
const NAMED: usize = 3;

/// What a line says if its source was read.
pub(super) struct Found {
    pub(super) is_red: bool,
    /// The value in words.
    pub(super) now: String,
    /// The numbers in `now`.
    pub(super) values: Value,
}

/// A number with its noun; `is_cut` if there may be more.
pub(super) fn at_least(is_cut: bool, number: usize, one: &str) -> String {
    format!("{}{}", if is_cut { "at least " } else { "" }, count(number as u64, one))
}

/// The most frequent reasons with their numbers.
pub(super) fn by_reason<'a>(reasons: impl Iterator<Item = &'a str>) -> String {
    let mut numbers = BTreeMap::new();
    for reason in reasons {
        *numbers.entry(reason).or_default() += 1;
    }
    most_frequent(numbers, NAMED)
}

/// The most frequent of these with their numbers, and how many are left out.
pub(super) fn most_frequent<'a>(numbers: impl IntoIterator<Item = (&'a str, u64)>, named: usize) -> String {
    let mut numbers: Vec<(&str, u64)> = numbers.into_iter().collect();
    numbers.sort_by_key(|(name, number)| (Reverse(*number), *name));
    let others = numbers.len().saturating_sub(named);
    let words = numbers.into_iter().take(named).map(|(name, number)| format!("{number} {}", harmless(name)));
    let others = (others > 0).then(|| format!("{} more", count(others as u64, "reason")));
    words.chain(others).collect::<Vec<_>>().join(", ")
}

/// A count that CloudWatch returns as a fraction.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are small and positive")]
pub(super) fn whole(number: f64) -> u64 {
    number.round() as u64
}

/// The time from one moment to the next.
pub(super) fn between(from: Timestamp, to: Timestamp) -> String {
    long(to.duration_since(from).as_secs_f64())
}

/// When an attempt is made.
pub(super) fn ahead(at: Timestamp, now: Timestamp) -> String {
    if at <= now { "is due".to_owned() } else { format!("in {}", between(now, at)) }
}

/// A duration in the unit that a person would use.
pub(super) fn long(seconds: f64) -> String {
    let (value, unit) = match seconds {
        ..1.0 => return format!("{:.0} ms", (seconds * 1000.0).max(0.0)),
        ..120.0 => (seconds, "s"),
        ..7200.0 => (seconds / 60.0, "min"),
        ..172_800.0 => (seconds / 3600.0, "h"),
        _ => (seconds / 86400.0, "d"),
    };
    format!("{} {unit}", value.floor())
}

#[cfg(test)]
mod tests {
    use super::{long, most_frequent};

    #[test]
    fn durations_have_the_unit_that_a_person_would_use() {
        let said = [0.0, 0.35, 12.9, 119.0, 120.0, 7199.0, 7200.0, 172_800.0].map(long);
        assert_eq!(said, ["0 ms", "350 ms", "12 s", "119 s", "2 min", "119 min", "2 h", "2 d"]);
    }

    #[test]
    fn the_most_frequent_reasons_come_first_and_are_safe_to_print() {
        let numbers = [("a", 1), ("b\u{1b}[2J", 3), ("c", 1), ("d", 1)];
        assert_eq!(most_frequent(numbers, 2), "3 b\\u{1b}[2J, 1 a, 2 reasons more");
    }
}
