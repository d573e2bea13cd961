//! The lanes of the picture: what is drawn, by steps instead of coordinates.

use std::collections::{BTreeMap, BTreeSet};

use domain::{EffectKind, LeadId, OfferId, Priority, Stage};

use super::window::{Step, Window};
use crate::output::moment;
use crate::{Explained, Fate, Line, Settled};

/// The number of leads that have a lane of their own.
const LEADS: usize = 12;

/// Lanes of one kind, below a heading.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) lanes: Vec<Lane>,
}

/// A row of the picture.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Lane {
    pub(super) label: String,
    pub(super) spans: Vec<Span>,
    pub(super) signs: Vec<Sign>,
}

/// A time during which something lasted, from the step that began it to the step that ended it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    /// `None` if it began before the first step.
    pub(super) from: Option<usize>,
    /// `None` if it goes on after the last step.
    pub(super) to: Option<usize>,
    pub(super) class: &'static str,
    pub(super) title: String,
}

/// Something that happened at a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sign {
    pub(super) step: usize,
    /// The name of its glyph.
    pub(super) glyph: &'static str,
    pub(super) class: &'static str,
    pub(super) label: &'static str,
    pub(super) title: String,
}

/// All lanes of a window.
pub(super) fn groups(window: &Window) -> Vec<Group> {
    let groups = [
        Group { name: "This buyer", lanes: whole(window) },
        Group { name: "Offers", lanes: offers(window) },
        Group { name: "Leads", lanes: leads(window) },
        Group { name: "To the sales team", lanes: effects(window, "messages", |kind| !kind.is_email()) },
        Group { name: "To the buyer", lanes: effects(window, "e-mails", EffectKind::is_email) },
    ];
    groups.into_iter().filter(|group| !group.lanes.is_empty()).collect()
}

/// Facts about the buyer as a whole.
fn whole(window: &Window) -> Vec<Lane> {
    let steps = window.steps.iter().enumerate().filter(|(_, step)| step.offer().is_none());
    let signs: Vec<Sign> = steps.map(|(at, step)| event(at, &step.line)).collect();
    let lane = Lane { label: "facts".to_owned(), signs, ..Lane::default() };
    if lane.signs.is_empty() { Vec::new() } else { vec![lane] }
}

fn offers(window: &Window) -> Vec<Lane> {
    let with_step = |offer: Option<&OfferId>| -> Vec<Sign> {
        let steps = window.steps.iter().enumerate().filter(|(_, step)| match offer {
            Some(offer) => step.offer() == Some(offer),
            None => step.offer().is_some_and(|offer| !window.offers.contains(offer)),
        });
        steps.map(|(at, step)| event(at, &step.line)).collect()
    };
    let lane = |(place, offer): (usize, &OfferId)| {
        let stages = all_steps(window).map(|step| match step?.stages.get(place).copied().flatten()? {
            Stage::Pending => Some(("pending", format!("{offer} is pending"))),
            Stage::Accepted { .. } => Some(("accepted", format!("{offer} is accepted"))),
            Stage::Closed => None,
        });
        Lane { label: offer.to_string(), spans: spans(stages), signs: with_step(Some(offer)) }
    };
    let mut lanes: Vec<Lane> = window.offers.iter().enumerate().map(lane).collect();
    if window.other_offers > 0 {
        let label = format!("and {} more", window.other_offers);
        lanes.push(Lane { label, signs: with_step(None), ..Lane::default() });
    }
    lanes
}

/// Leads with a change on this page come first. All low leads share a lane, because at most one is open; so do the high
/// leads of an offer.
fn leads(window: &Window) -> Vec<Lane> {
    // By name, once for each step: a buyer may have thousands of open leads.
    let open = all_steps(window).map(|step| step.map(|step| &step.line.open_leads).into_iter().flatten());
    let open: Vec<BTreeMap<String, &LeadId>> =
        open.map(|leads| leads.map(|lead| (label(lead), lead)).collect()).collect();
    let mut named = BTreeSet::new();
    let mut lanes: Vec<Lane> = Vec::new();
    for (name, lead) in open.iter().flatten() {
        if named.insert(name) {
            let class = class(lead);
            let values =
                open.iter().map(|open| open.get(name).map(|lead| (class, format!("lead {lead} is open"))));
            lanes.push(Lane { spans: spans(values), label: name.clone(), ..Lane::default() });
        }
    }
    let is_unchanged = |lane: &Lane| matches!(lane.spans[..], [Span { from: None, to: None, .. }]);
    lanes.sort_by_key(is_unchanged);
    let others = lanes.len().saturating_sub(LEADS);
    lanes.truncate(LEADS);
    if others > 0 {
        lanes.push(Lane { label: format!("and {others} more"), ..Lane::default() });
    }
    lanes
}

fn label(lead: &LeadId) -> String {
    match lead {
        LeadId::Low { .. } => "low".to_owned(),
        LeadId::High { offer, .. } => format!("high {offer}"),
        LeadId::Former { id, .. } => format!("former {id}"),
    }
}

const fn class(lead: &LeadId) -> &'static str {
    match lead.priority() {
        Priority::High => "high",
        Priority::Low => "low",
    }
}

fn effects(window: &Window, label: &str, is_wanted: impl Fn(&EffectKind) -> bool) -> Vec<Lane> {
    let steps = window.steps.iter().enumerate();
    let signs = steps.flat_map(|(at, step)| {
        let wanted = step.line.effects.iter().filter(|explained| is_wanted(&explained.effect.kind));
        wanted.map(move |explained| effect(at, explained))
    });
    vec![Lane { label: label.to_owned(), signs: signs.collect(), ..Lane::default() }]
}

/// The step before the window, and then its own.
fn all_steps(window: &Window) -> impl Iterator<Item = Option<&Step>> {
    std::iter::once(window.before.as_ref()).chain(window.steps.iter().map(Some))
}

/// Joins equal neighbours. The first value is that before the first step.
fn spans(values: impl Iterator<Item = Option<(&'static str, String)>>) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut open: Option<Span> = None;
    for (place, value) in values.enumerate() {
        // The number of the step, unless it is the one before the window.
        let step = place.checked_sub(1);
        let is_same = match (&open, &value) {
            (Some(span), Some((class, title))) => span.class == *class && span.title == *title,
            (Some(_), None) | (None, Some(_)) => false,
            (None, None) => true,
        };
        if is_same {
            continue;
        }
        spans.extend(open.take().map(|span| Span { to: step, ..span }));
        open = value.map(|(class, title)| Span { from: step, to: None, class, title });
    }
    spans.extend(open);
    spans
}

fn event(step: usize, line: &Line) -> Sign {
    let name = line.entry.name();
    let class = match line.fate {
        Fate::Applied { .. } | Fate::Taken => "event",
        Fate::Held => "held",
        Fate::Duplicate => "skipped",
    };
    let version = line.entry.event().map(|event| format!(" {} v{}", event.offer, event.version));
    let title = format!(
        "#{} {name}{}: {}, recorded {}",
        line.sequence,
        version.unwrap_or_default(),
        line.fate.name(),
        moment(line.recorded_at)
    );
    let glyph = match name {
        "made" | "accepted" | "acceptance-withdrawn" | "rejected" | "withdrawn" => name,
        _ => "fact",
    };
    let label = if class == "event" { "" } else { line.fate.name() };
    Sign { step, glyph, class, label, title }
}

fn effect(step: usize, Explained { effect, settled, reason, .. }: &Explained) -> Sign {
    let (glyph, label) = match &effect.kind {
        EffectKind::QuoteRequest { .. } => ("quote", "quote"),
        EffectKind::LeadOpened { .. } => ("opened", "lead opened"),
        EffectKind::LeadClosed { .. } => ("closed", "lead closed"),
        EffectKind::AcceptedEmail { .. } => ("mail", "accepted"),
        EffectKind::QuoteInvitation { .. } => ("mail", "invitation"),
    };
    let class = look(*settled);
    let reason = reason.as_deref().map(|reason| format!(" ({})", crate::output::harmless(reason)));
    let title = format!("{}: {}{}", effect.key(), settled.name(), reason.unwrap_or_default());
    Sign { step, glyph, class, label: if class == "sent" { label } else { settled.name() }, title }
}

/// How an effect with this status looks.
pub(crate) const fn look(settled: Settled) -> &'static str {
    match settled {
        Settled::Sent => "sent",
        Settled::Pending | Settled::Sending => "waits",
        Settled::Retry | Settled::Rejected | Settled::Unknown | Settled::Abandoned => "trouble",
        Settled::AlreadySent | Settled::Superseded | Settled::Suppressed => "skipped",
    }
}

#[cfg(test)]
mod tests {
    use super::{Span, spans};

    #[test]
    fn equal_neighbours_are_one_span_and_ends_beyond_the_window_stay_open() {
        let value = |class: &'static str| Some((class, class.to_owned()));
        let values = [value("low"), value("low"), None, value("low"), value("high")];
        let span = |from, to, class: &'static str| Span { from, to, class, title: class.to_owned() };
        let expected =
            [span(None, Some(1), "low"), span(Some(2), Some(3), "low"), span(Some(3), None, "high")];
        assert_eq!(spans(values.into_iter()), expected);
        assert_eq!(spans([None, None].into_iter()), Vec::new());
    }
}
