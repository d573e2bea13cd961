//! One buyer here beside the same buyer in the former system. Pure.

use std::collections::BTreeSet;
use std::fmt;

use domain::{EffectKind, LeadId, Offer, OfferId, OfferVersion, Stage};
use event_store::{Head, handed_over};
use legacy::Answer;

use crate::show::stage;

/// How the two sides differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// One side knows later versions, or events are held here: they may be on their way.
    Lag,
    /// An offer that only the former system knows.
    MissingHere,
    /// An offer that only we know.
    MissingThere,
    /// The same version of an offer, at another stage.
    OtherStage,
    /// The same version of an offer, with another contact or car.
    OtherContact,
    /// The former system has handed the buyer over, and it is in shadow here.
    HandedOverThere,
    /// A lead that only one side has open.
    OtherLead,
    /// One that a known rule change explains.
    Explained,
}

impl Class {
    /// All, as they are listed.
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

    /// The word for it.
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

    /// Reads what [`Class::name`] writes.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    /// Whether a person must look into it before a cut-over.
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

/// What one side says, in a word: a stage, `held`, `none`, a lead's priority, which field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The word.
    pub word: String,
    /// The offer's version, where it matters.
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

/// One difference. Nothing personal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Of which kind.
    pub class: Class,
    /// Of which offer; `None` if it is about the buyer.
    pub offer: Option<OfferId>,
    /// As it is here.
    pub here: Seen,
    /// As it is there.
    pub there: Seen,
}

const NONE: &str = "none";

/// Every difference between what is recorded here and what the former system answered.
///
/// The leads of a buyer in shadow are compared by what a handover would open and close now: a correct handover does neither, since
/// what the former system has open is what our state calls for. Where offers differ, leads do too; then only the offers are named.
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
        let waiting = state.held.get(id).and_then(|held| held.keys().next_back().copied());
        let sides = (state.offers.get(id), theirs.get(id));
        let Some((class, fields)) = class_of(sides, waiting, is_asked, state.is_erased) else { continue };
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

/// How an offer differs, and in which fields if stage and version agree.
fn class_of(
    sides: (Option<&Offer>, Option<&Offer>),
    held: Option<OfferVersion>,
    is_asked: bool,
    is_erased: bool,
) -> Option<(Class, Option<&'static str>)> {
    match sides {
        (None, None) => Some((Class::Lag, None)),
        // What was not asked about yet comes with the next event.
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

/// Whether a car or a contact differs. The former system may leave both out; of a closed offer, so may we.
fn is_other<T: PartialEq>(ours: Option<&T>, theirs: Option<&T>, is_closed: bool) -> bool {
    match (ours, theirs) {
        (_, None) => false,
        (None, Some(_)) => !is_closed,
        (Some(ours), Some(theirs)) => ours != theirs,
    }
}

/// What a handover would open or close now.
fn other_leads(head: &Head, answer: &Answer, differ: &BTreeSet<OfferId>) -> Vec<Difference> {
    let mut state = head.state.clone();
    let effects = state.fold_fact(&handed_over(&head.state, &answer.known));
    let mut found = Vec::new();
    let low = |here, there| about_buyer(Class::OtherLead, here, there);
    let high = |id: &OfferId, here, there| Difference {
        offer: Some(id.clone()),
        ..about_buyer(Class::OtherLead, here, there)
    };
    for effect in effects {
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
