//! The scenarios of the systematic mode: short histories, one for each situation of a buyer.

use domain::BuyerId;
use leads_store::Pausable;

use crate::Faults;
use crate::history::{Post, Sent};
use crate::plan::{Operation, Plan, Takeover};

/// The name and the history of each scenario.
///
/// A history is a line of words. A word is a letter for a change, the number of an offer and perhaps a version after a
/// dot; without a version it is the offer's next one. The letters:
///
/// - `m` made, `b` made with an address whose mails bounce, `a` accepted, `t` acceptance withdrawn (taken back),
///   `r` rejected, `w` withdrawn
/// - `B` before a word: an event of another buyer; `^`: an event that only the former system received
/// - `x` after a word: a contradiction; `k`: an event that makes the recorder panic
/// - `!` alone: a bad message; `~` alone: the stack begins in shadow beside a former system
/// - `+void`, `+reset`, `+erase`, `+golive`, `+live`: an operator voids the first gap, resets, erases or takes live the
///   buyer, or sets the stack live, before the remaining events are posted
/// - `+pause`, `+pause-emails`, `+pause-sales`: an operator pauses effects for an hour, before the remaining events are
///   posted
pub const SCENARIOS: [(&str, &str); 59] = [
    ("an offer is made", "m0"),
    ("accepted", "m0 a0"),
    ("accepted, acceptance withdrawn", "m0 a0 t0"),
    ("accepted, acceptance withdrawn, accepted again", "m0 a0 t0 a0"),
    ("accepted, acceptance withdrawn, rejected", "m0 a0 t0 r0"),
    ("accepted, acceptance withdrawn, offer withdrawn", "m0 a0 t0 w0"),
    ("accepted twice", "m0 a0 a0"),
    ("accepted, rejected", "m0 a0 r0"),
    ("accepted, withdrawn", "m0 a0 w0"),
    ("rejected", "m0 r0"),
    ("withdrawn", "m0 w0"),
    ("rejected, accepted nevertheless", "m0 r0 a0"),
    ("two offers", "m0 m1"),
    ("two offers, one accepted", "m0 m1 a1"),
    ("two offers, both accepted", "m0 m1 a0 a1"),
    ("two offers, both accepted, one acceptance withdrawn", "m0 m1 a0 a1 t0"),
    ("two offers, both accepted, both acceptances withdrawn", "m0 m1 a0 a1 t0 t1"),
    ("two offers, both closed", "m0 m1 r0 w1"),
    ("two offers, one accepted, the other closed", "m0 m1 a0 r1"),
    ("two offers, the accepted one closed", "m0 m1 a0 w0"),
    ("a second offer after an acceptance", "m0 a0 m1"),
    ("a second offer after the end of the first", "m0 r0 m1"),
    ("three offers, all accepted", "m0 m1 m2 a0 a1 a2"),
    ("an acceptance arrives before its offer", "a0.2 m0.1"),
    ("all events arrive in reverse order", "r0.3 a0.2 m0.1"),
    ("a late event is undone by a held one", "m0 t0.3 a0.2"),
    ("a rejection overtakes an acceptance", "m0 r0.3 a0.2"),
    ("two chains at once", "a0.2 a1.2 m1.1 m0.1"),
    ("a gap that stays", "m0 t0.3"),
    ("a gap that stays beside another offer", "m0 t0.3 m1 a1"),
    ("an event repeated", "m0 m0.1"),
    ("events repeated later", "m0 a0 m0.1 a0.2"),
    ("an early event repeated", "a0.2 a0.2 m0.1"),
    ("an offer contradicted", "m0 m0.1x"),
    ("an acceptance contradicted", "m0 a0 a0.2x"),
    ("the contradicting event arrives first", "m0 a0.2x a0.2"),
    ("an early event contradicted", "a0.3 a0.3x m0.1 a0.2"),
    ("a bad message", "!"),
    ("a bad message before an offer", "! m0 a0"),
    ("a bad message between events", "m0 ! a0"),
    ("a message makes the recorder panic", "m0 a0k w0 m1"),
    ("the first message makes the recorder panic", "m0k a0"),
    ("two buyers", "m0 Bm0 a0 Ba0"),
    ("two buyers and a bad message", "m0 Bm0 ! a0 Br0"),
    ("a mail bounces", "b0"),
    ("a mail bounces, and another offer has another address", "b0 m1 a1"),
    ("handed over", "^m0 a0"),
    ("handed over with a repeated event", "^m0 ^a0 a0.2 t0"),
    ("in shadow, reset, looked up again", "~ ^m0 a0 +reset m1"),
    ("in shadow, reset with a high lead open", "~ m0 a0 +reset t0"),
    ("in shadow, then live", "~ m0 a0 +live t0"),
    ("taken live by name, then more events", "~ ^m0 a0 m1 +golive a1 t0"),
    ("a gap voided", "m0 t0.3 +void a0.2"),
    ("an offer whose first version is voided", "a0.2 +void t0.3"),
    ("erased with leads open", "m0 a0 m1 +erase a1"),
    ("erased with events held", "m0 t0.3 +erase a0.2"),
    ("e-mails paused for an hour", "m0 +pause-emails a0 t0"),
    ("sales messages paused for an hour", "m0 +pause-sales a0 t0"),
    ("all effects paused for an hour", "+pause m0 a0"),
];

/// The plan of a scenario: the messages, the events known to the former system, and the operations.
#[must_use]
pub fn plan(scenario: &str) -> Plan {
    let mut takeover = Takeover::default();
    let mut plain = Vec::new();
    let words: Vec<&str> = scenario.split(' ').filter(|word| !word.starts_with(['+', '~'])).collect();
    let bare: Vec<&str> = words.iter().map(|word| word.trim_start_matches('^')).collect();
    for (word, post) in words.iter().zip(posts(&bare.join(" "))) {
        if word.starts_with('^') {
            takeover.known.extend(post.event);
        } else {
            plain.push(post);
        }
    }
    if let (Some((_, after)), Ok(buyer)) = (scenario.split_once('+'), BuyerId::parse("b0")) {
        let (what, later) = after.split_once(' ').unwrap_or((after, ""));
        takeover.operations.extend(match what {
            "void" => Some(Operation::Void(buyer)),
            "reset" => Some(Operation::Reset(buyer)),
            "erase" => Some(Operation::Erase(buyer)),
            "golive" => Some(Operation::GoLive(buyer)),
            "live" => Some(Operation::Live(100)),
            "pause" => Some(Operation::Pause(&Pausable::ALL)),
            "pause-emails" => Some(Operation::Pause(&[Pausable::Emails])),
            "pause-sales" => Some(Operation::Pause(&[Pausable::Sales])),
            _ => None,
        });
        takeover.later = posts(later).len();
    }
    if scenario.starts_with('~') {
        (takeover.has_former, takeover.is_shadow) = (true, true);
    }
    Plan { faults: Faults::At(Vec::new()), posts: Some(plain), takeover, ..Plan::default() }
}

/// The messages of a scenario. Words without a meaning are ignored.
#[must_use]
pub fn posts(scenario: &str) -> Vec<Post> {
    let mut posts: Vec<Post> = Vec::new();
    for word in scenario.split(' ') {
        let buyer = if word.starts_with('B') { "b1" } else { "b0" };
        let word = word.trim_start_matches('B');
        if word == "!" {
            let id = format!("poison-{}", posts.len());
            posts.push(Post { group: buyer.to_owned(), id, event: None, body: "no event".to_owned() });
            continue;
        }
        let (is_odd, is_breaking) = (word.ends_with('x'), word.ends_with('k'));
        let word = word.trim_end_matches(['x', 'k']);
        let (change, version) = word.split_once('.').unwrap_or((word, ""));
        let offer = format!("o{}", change.get(1..2).unwrap_or("0"));
        let known = posts.iter().filter_map(|post| post.event.as_ref());
        let last = known
            .filter(|event| event.buyer == buyer && event.offer == offer)
            .map(|event| event.version)
            .max();
        let version = version.parse().unwrap_or(last.unwrap_or(0) + 1);
        let (kind, email) = match (change.get(..1), is_odd) {
            (Some("m"), false) => ("made", "ada@example.com"),
            (Some("b"), _) => ("made", "bounces@example.com"),
            (Some("m"), true) => ("made", "other@example.com"),
            (Some("a"), false) => ("accepted", ""),
            (Some("t"), _) => ("acceptance-withdrawn", ""),
            (Some("w"), _) => ("withdrawn", ""),
            (Some("r" | "a"), _) => ("rejected", ""),
            _ => continue,
        };
        let post = Sent { is_odd, ..Sent::new(buyer, &offer, version, kind, email) }.post();
        posts.push(if is_breaking { post.breaking() } else { post });
    }
    posts
}
