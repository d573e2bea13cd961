//! Compares one buyer's recorded state with the former system's answer. Pure.

use std::collections::BTreeSet;
use std::fmt;

use domain::{Announced, EffectKind, LeadId, Offer, OfferId, OfferVersion, Stage, effects_between};
use event_store::{Head, handed_over};
use legacy::Answer;

use crate::show::stage;

/// The class of a difference between the two systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// One side knows later versions, or events are held here. The missing events may still be on their way; or the buyer is
    /// live, and the former system ignores its events.
    Lag,
    /// Only the former system knows the offer.
    MissingHere,
    /// Only Leadstream knows the offer, and the buyer is in shadow.
    MissingThere,
    /// Both sides have the same version of the offer at different stages.
    OtherStage,
    /// Both sides have the same version of the offer with different contacts or cars.
    OtherContact,
    /// The former system has handed the buyer over, but the buyer is in shadow here.
    HandedOverThere,
    /// Only one side has the lead open.
    OtherLead,
    /// A known change of rules explains the difference.
    Explained,
}

impl Class {
    /// All classes, in the order in which they are listed.
    pub const ALL: [Self; 8] = [
        Self::OtherStage,
        Self::OtherLead,
        Self::OtherContact,
        Self::MissingHere,
        Self::MissingThere,
        Self::HandedOverThere,
        Self::Lag,
        Self::Explained,
    ];

    /// The name of the class.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lag => "lag",
            Self::MissingHere => "missing-here",
            Self::MissingThere => "missing-there",
            Self::OtherStage => "other-stage",
            Self::OtherContact => "other-contact",
            Self::HandedOverThere => "handed-over-there",
            Self::OtherLead => "other-lead",
            Self::Explained => "explained",
        }
    }

    /// Parses a name written by [`Class::name`].
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    /// Whether a person must examine the difference before buyers go live.
    #[must_use]
    pub const fn is_unexplained(self) -> bool {
        match self {
            Self::Lag | Self::Explained => false,
            Self::MissingHere
            | Self::MissingThere
            | Self::OtherStage
            | Self::OtherContact
            | Self::HandedOverThere
            | Self::OtherLead => true,
        }
    }
}

/// One side of a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// A stage, `held`, `none`, a lead's priority, or the name of a differing field.
    pub word: String,
    /// The offer's version, if the difference is about stages or versions.
    pub version: Option<OfferVersion>,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            Some(version) => write!(f, "{} v{version}", self.word),
            None => f.write_str(&self.word),
        }
    }
}

/// One difference. It contains no personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The class.
    pub class: Class,
    /// The offer; `None` if the difference is about the buyer.
    pub offer: Option<OfferId>,
    /// Leadstream's side.
    pub here: Seen,
    /// The former system's side.
    pub there: Seen,
}

const NONE: &str = "none";

/// Every difference between the recorded state and the former system's answer.
///
/// The leads of a buyer in shadow are compared by computing what a handover would open and close now. If the systems
/// agree, it does neither, because the former system has exactly the leads open that the recorded state calls for.
/// Differing offers imply differing leads, so the leads of a differing offer are not listed again.
#[must_use]
pub fn compare(head: &Head, answer: &Answer) -> Vec<Difference> {
    let (state, theirs) = (&head.state, &answer.known.offers);
    let mut found = Vec::new();
    if answer.is_handed_over && !head.is_live {
        found.push(about_buyer(Class::HandedOverThere, "shadow", "handed-over"));
    }
    let ids: BTreeSet<&OfferId> = state.offers.keys().chain(theirs.keys()).chain(state.held.keys()).collect();
    let is_asked = head.is_live || state.is_asked;
    for id in ids {
        let waiting = state.last_held(id);
        let sides = (state.offers.get(id), theirs.get(id));
        let class = match sides {
            // The contract lets the former system ignore the events of a buyer it has handed over.
            (Some(_), None) if head.is_live => Some((Class::Lag, None)),
            _ => class_of(sides, waiting, is_asked, state.is_erased),
        };
        let Some((class, fields)) = class else { continue };
        let of_stage = |offer: &Offer| seen(stage(offer), Some(offer.version));
        let ours = || match waiting {
            Some(version) => seen("held", Some(version)),
            None => seen(NONE, None),
        };
        let (here, there) = match fields {
            Some(fields) => (seen(fields, None), seen(fields, None)),
            None => (sides.0.map_or_else(ours, of_stage), sides.1.map_or_else(|| seen(NONE, None), of_stage)),
        };
        found.push(Difference { class, offer: Some(id.clone()), here, there });
    }
    if !head.is_live && !state.is_erased {
        let differ: BTreeSet<OfferId> = found
            .iter()
            .filter(|one| one.class != Class::OtherContact)
            .filter_map(|one| one.offer.clone())
            .collect();
        found.extend(other_leads(head, answer, &differ));
    }
    found
}

/// The class of an offer's difference, and the differing fields if stage and version agree.
fn class_of(
    sides: (Option<&Offer>, Option<&Offer>),
    held: Option<OfferVersion>,
    is_asked: bool,
    is_erased: bool,
) -> Option<(Class, Option<&'static str>)> {
    match sides {
        (None, None) => Some((Class::Lag, None)),
        // The buyer has not been looked up yet; its next event does so.
        (None, Some(_)) if held.is_some() || !is_asked => Some((Class::Lag, None)),
        (None, Some(_)) => Some((Class::MissingHere, None)),
        (Some(_), None) => Some((Class::MissingThere, None)),
        (Some(ours), Some(theirs)) if ours.version != theirs.version => Some((Class::Lag, None)),
        (Some(ours), Some(theirs)) if stage(ours) != stage(theirs) => Some((Class::OtherStage, None)),
        (Some(ours), Some(theirs)) => {
            let is_closed = ours.stage == Stage::Closed;
            let car = is_other(ours.car.as_ref(), theirs.car.as_ref(), is_closed);
            let contact = !is_erased && is_other(ours.contact.as_ref(), theirs.contact.as_ref(), is_closed);
            match (car, contact) {
                (true, true) => Some((Class::OtherContact, Some("car, contact"))),
                (true, false) => Some((Class::OtherContact, Some("car"))),
                (false, true) => Some((Class::OtherContact, Some("contact"))),
                (false, false) => held.map(|_| (Class::Lag, None)),
            }
        }
    }
}

/// Whether a car or a contact differs. The former system may omit both; for a closed offer Leadstream may omit them
/// too.
fn is_other<T: PartialEq>(ours: Option<&T>, theirs: Option<&T>, is_closed: bool) -> bool {
    match (ours, theirs) {
        (_, None) => false,
        (None, Some(_)) => !is_closed,
        (Some(ours), Some(theirs)) => ours != theirs,
    }
}

/// The leads that a handover would open or close now, except those of offers that already differ.
fn other_leads(head: &Head, answer: &Answer, differ: &BTreeSet<OfferId>) -> Vec<Difference> {
    let fact = handed_over(&head.state, &answer.known);
    let announced = Announced::before(&fact, &head.state);
    let mut state = head.state.clone();
    state.fold(&fact);
    let mut found = Vec::new();
    let low = |here, there| about_buyer(Class::OtherLead, here, there);
    let high = |id: &OfferId, here, there| Difference {
        offer: Some(id.clone()),
        ..about_buyer(Class::OtherLead, here, there)
    };
    for effect in effects_between(&announced, &state) {
        match effect.kind {
            EffectKind::LeadOpened { lead: LeadId::High { offer, .. }, .. } if !differ.contains(&offer) => {
                found.push(high(&offer, "high", NONE));
            }
            EffectKind::LeadOpened { lead: LeadId::Low { .. }, .. } if differ.is_empty() => {
                found.push(low("low", NONE));
            }
            EffectKind::LeadClosed { lead: lead @ LeadId::Former { .. }, .. } => {
                let is_its = |offer: &Offer| match (&lead, &offer.former_lead) {
                    (LeadId::Former { id, .. }, Some(named)) => id == named,
                    (LeadId::Former { .. } | LeadId::High { .. } | LeadId::Low { .. }, _) => false,
                };
                let of_offer = answer.known.offers.iter().find(|(_, offer)| is_its(offer));
                match (lead.priority(), of_offer) {
                    (domain::Priority::High, Some((id, _))) if !differ.contains(id) => {
                        found.push(high(id, NONE, "high"));
                    }
                    (domain::Priority::Low, _) if differ.is_empty() => found.push(low(NONE, "low")),
                    (domain::Priority::High | domain::Priority::Low, _) => {}
                }
            }
            EffectKind::LeadOpened { .. }
            | EffectKind::LeadClosed { .. }
            | EffectKind::QuoteRequest { .. }
            | EffectKind::AcceptedEmail { .. }
            | EffectKind::QuoteInvitation { .. } => {}
        }
    }
    found
}

fn about_buyer(class: Class, here: &str, there: &str) -> Difference {
    Difference { class, offer: None, here: seen(here, None), there: seen(there, None) }
}

fn seen(word: &str, version: Option<OfferVersion>) -> Seen {
    Seen { word: word.to_owned(), version }
}
