use std::collections::BTreeMap;

use crate::{
    BuyerId, CloseReason, Event, Fact, FormerLeadId, LeadId, LowLead, Offer, OfferId, OfferVersion, Priority,
    Sequence, Stage, State,
};

/// Something to do in an outside system, as a value.
///
/// An effect names the offer, not the person. The contact is looked up in the buyer's state when the effect is
/// performed, so a stored effect holds no personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// The sequence of the fact that called for the effect.
    pub sequence: Sequence,
    /// What to do.
    pub kind: EffectKind,
}

/// The kinds of effects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EffectKind {
    /// The sales message `quote.requested.v1`, once per offer.
    QuoteRequest {
        /// The offer that needs a quote.
        offer: OfferId,
    },
    /// The sales message `lead.opened.v1`.
    LeadOpened {
        /// The lead that opened.
        lead: LeadId,
        /// The offer whose contact becomes the lead's contact.
        offer: OfferId,
    },
    /// The sales message `lead.closed.v1`.
    LeadClosed {
        /// The lead that closed.
        lead: LeadId,
        /// Why it closed.
        reason: CloseReason,
    },
    /// The e-mail that informs the buyer of an accepted offer.
    AcceptedEmail {
        /// The accepted offer.
        offer: OfferId,
        /// The version of the acceptance.
        accepted_at: OfferVersion,
    },
    /// The e-mail that invites the buyer to ask for a quote. Each buyer gets at most one, over all offers and all time.
    QuoteInvitation {
        /// The offer whose contact receives it.
        offer: OfferId,
    },
}

impl EffectKind {
    /// Whether the effect is an e-mail. All others are messages to the sales team.
    #[must_use]
    pub const fn is_email(&self) -> bool {
        match self {
            Self::AcceptedEmail { .. } | Self::QuoteInvitation { .. } => true,
            Self::QuoteRequest { .. } | Self::LeadOpened { .. } | Self::LeadClosed { .. } => false,
        }
    }

    /// The name of this kind in metrics and logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::QuoteRequest { .. } => "quote-request",
            Self::LeadOpened { .. } => "lead-opened",
            Self::LeadClosed { .. } => "lead-closed",
            Self::AcceptedEmail { .. } => "accepted-email",
            Self::QuoteInvitation { .. } => "quote-invitation",
        }
    }
}

impl Effect {
    /// The effect key: among all effects of one buyer, each key happens at most once.
    #[must_use]
    pub fn key(&self) -> String {
        self.kind.key()
    }

    /// `<buyer>/<key>`: the effect's globally unique id.
    #[must_use]
    pub fn id(&self, buyer: &BuyerId) -> String {
        format!("{buyer}/{}", self.key())
    }
}

impl State {
    /// Whether this state still calls for an effect.
    ///
    /// A closing is always called for: an earlier attempt may have announced the opening and crashed before recording
    /// it.
    #[must_use]
    pub fn still_calls_for(&self, effect: &EffectKind) -> bool {
        match effect {
            EffectKind::QuoteRequest { offer } => self.offers.get(offer).is_some_and(Offer::wants_quote),
            EffectKind::LeadOpened { lead, .. } => self.is_open(lead),
            EffectKind::LeadClosed { .. } => true,
            EffectKind::AcceptedEmail { offer, accepted_at } => {
                self.offers.get(offer).and_then(Offer::accepted_at) == Some(*accepted_at)
            }
            EffectKind::QuoteInvitation { .. } => self.low_lead.is_some(),
        }
    }

    /// The effect that this state calls for under the same key, or `None` if it no longer calls for one.
    ///
    /// An invitation is rewritten to the low lead that is open in this state: it takes that lead's offer and the
    /// sequence of that lead's opening, even if an earlier opening caused the effect. All other effects are returned
    /// unchanged.
    #[must_use]
    pub fn calls_for(&self, effect: &Effect) -> Option<Effect> {
        if !self.still_calls_for(&effect.kind) {
            return None;
        }
        Some(match (&effect.kind, &self.low_lead) {
            (EffectKind::QuoteInvitation { .. }, Some(LowLead { opened_at, offer, .. })) => {
                Effect { sequence: *opened_at, kind: EffectKind::QuoteInvitation { offer: offer.clone() } }
            }
            (_, _) => effect.clone(),
        })
    }
}

/// Effect keys, and what is stored beside them. This is the only place that writes or reads their grammar.
impl EffectKind {
    /// The effect key: among all effects of one buyer, each key happens at most once.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::QuoteRequest { offer } => format!("quote/{offer}"),
            Self::LeadOpened { lead, .. } => format!("opened/{lead}"),
            Self::LeadClosed { lead, .. } => format!("closed/{lead}"),
            Self::AcceptedEmail { offer, accepted_at } => format!("accepted-email/{offer}/{accepted_at}"),
            Self::QuoteInvitation { .. } => "quote-email".to_owned(),
        }
    }

    /// The details that the key does not contain: the offer that opened a low lead or is invited, the reason of a
    /// closing, and the priority of a former lead.
    #[must_use]
    pub fn details(&self) -> Vec<&str> {
        match self {
            Self::QuoteInvitation { offer } | Self::LeadOpened { lead: LeadId::Low { .. }, offer } => {
                vec![offer.as_str()]
            }
            Self::LeadClosed { lead: LeadId::Former { priority, .. }, reason } => {
                vec![reason.name(), priority.name()]
            }
            Self::LeadClosed { reason, .. } => vec![reason.name()],
            // Leadstream never opens a former lead.
            Self::LeadOpened { lead: LeadId::High { .. } | LeadId::Former { .. }, .. }
            | Self::QuoteRequest { .. }
            | Self::AcceptedEmail { .. } => Vec::new(),
        }
    }

    /// Parses the output of [`EffectKind::key`] and [`EffectKind::details`].
    #[must_use]
    pub fn parse(key: &str, details: &[&str]) -> Option<Self> {
        let offer = |text: &str| OfferId::parse(text).ok();
        let (kind, name) = key.split_once('/').unwrap_or((key, ""));
        Some(match (kind, details) {
            ("quote", []) => Self::QuoteRequest { offer: offer(name)? },
            ("opened", details) => match (LeadId::parse(name)?, details) {
                (lead @ LeadId::Low { .. }, [of]) => Self::LeadOpened { lead, offer: offer(of)? },
                (LeadId::High { offer, accepted_at }, []) => {
                    Self::LeadOpened { lead: LeadId::High { offer: offer.clone(), accepted_at }, offer }
                }
                (LeadId::Low { .. } | LeadId::High { .. } | LeadId::Former { .. }, _) => return None,
            },
            ("closed", [reason]) => {
                Self::LeadClosed { lead: LeadId::parse(name)?, reason: CloseReason::parse(reason)? }
            }
            ("closed", [reason, priority]) => {
                let id = FormerLeadId::parse(name).ok()?;
                let lead = LeadId::Former { id, priority: Priority::parse(priority)? };
                Self::LeadClosed { lead, reason: CloseReason::parse(reason)? }
            }
            ("accepted-email", []) => {
                let (of, version) = name.split_once('/')?;
                let accepted_at = OfferVersion::new(version.parse().ok()?)?;
                Self::AcceptedEmail { offer: offer(of)?, accepted_at }
            }
            ("quote-email", [of]) if name.is_empty() => Self::QuoteInvitation { offer: offer(of)? },
            _ => return None,
        })
    }
}

/// What was announced about a buyer before a fact, as far as the fact can change it: by Leadstream, or at a handover by
/// the former system. The effects of the fact are the difference between this and the state after the fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    offers: BTreeMap<OfferId, AnnouncedOffer>,
    low_lead: Option<LeadId>,
    cause: Cause,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct AnnouncedOffer {
    high_lead: Option<LeadId>,
    is_quoted: bool,
}

/// The kind of fact, which determines the reasons for which leads close.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Cause {
    /// The former system announces the buyer's leads, so the fact has no effects.
    Silent,
    /// Changes of one offer. The last one applied gives the reason: a held event that the fact released, by version, or
    /// else `change`.
    Changes { offer: OfferId, held: BTreeMap<OfferVersion, CloseReason>, change: CloseReason },
    /// The buyer was handed over.
    Handover,
    /// The buyer was erased.
    Erasure,
}

impl Announced {
    /// What was announced in this state, before the fact is folded into it.
    #[must_use]
    pub fn before(fact: &Fact, state: &State) -> Self {
        match fact {
            Fact::Event(Event { offer, change, .. }) => Self::about(offer, CloseReason::of(change), state),
            Fact::Voided { offer, .. } => Self::about(offer, CloseReason::OfferWithdrawn, state),
            Fact::Migrated(_) | Fact::Reset(_) => {
                Self { offers: BTreeMap::new(), low_lead: None, cause: Cause::Silent }
            }
            Fact::HandedOver(known) => {
                let offers = state.offers.keys().chain(known.offers.keys()).map(|id| {
                    let theirs = known.offers.get(id);
                    let named = theirs.and_then(|offer| offer.former_lead.clone());
                    let high_lead = named.map(|id| LeadId::Former { id, priority: Priority::High });
                    (id.clone(), AnnouncedOffer { high_lead, is_quoted: theirs.is_some() })
                });
                let low_lead =
                    known.low_lead.clone().map(|id| LeadId::Former { id, priority: Priority::Low });
                Self { offers: offers.collect(), low_lead, cause: Cause::Handover }
            }
            Fact::Erased(_) => Self::of(state.offers.keys(), Cause::Erasure, state),
        }
    }

    fn about(offer: &OfferId, change: CloseReason, state: &State) -> Self {
        let held = state.held.get(offer).into_iter().flatten();
        let held = held.map(|(version, event)| (*version, CloseReason::of(&event.change))).collect();
        Self::of([offer], Cause::Changes { offer: offer.clone(), held, change }, state)
    }

    fn of<'a>(offers: impl IntoIterator<Item = &'a OfferId>, cause: Cause, state: &State) -> Self {
        let announced = |id: &OfferId| {
            let offer = state.offers.get(id);
            let high_lead = offer.and_then(|offer| offer.high_lead(id));
            let is_quoted = offer.is_some_and(|offer| offer.is_quoted);
            (id.clone(), AnnouncedOffer { high_lead, is_quoted })
        };
        let low_lead = state.low_lead.as_ref().map(LowLead::id);
        Self { offers: offers.into_iter().map(announced).collect(), low_lead, cause }
    }

    /// Why the high lead of this offer closed, or, without an offer, why the low lead closed.
    fn reason(&self, after: &State, closed: Option<&OfferId>) -> CloseReason {
        match &self.cause {
            Cause::Changes { offer, held, change } => {
                let applied = after.version_of(offer).and_then(|version| held.range(..=version).next_back());
                applied.map_or(*change, |(_, reason)| *reason)
            }
            Cause::Handover if !after.is_erased => reason_at_handover(after, closed),
            Cause::Handover | Cause::Erasure | Cause::Silent => CloseReason::Erased,
        }
    }
}

/// Why a former lead closes when its buyer is handed over: the high lead of `offer`, or the low lead without one.
///
/// A closed offer does not record whether the seller rejected it or the buyer withdrew it, hence `HandedOver`.
fn reason_at_handover(after: &State, offer: Option<&OfferId>) -> CloseReason {
    match offer.map(|id| after.offers.get(id).map(|offer| offer.stage)) {
        None if after.has_high_lead() => CloseReason::OfferAccepted,
        Some(Some(Stage::Pending | Stage::Accepted { .. })) => CloseReason::AcceptanceWithdrawn,
        None | Some(Some(Stage::Closed) | None) => CloseReason::HandedOver,
    }
}

/// The effects of one fact: the difference between the leads announced before it and those that are open after the
/// whole chain it releases, plus quotes for offers that are open for the first time. A change that a held successor
/// reverts has no effects.
///
/// Closings precede openings, so a consumer that reads in order never sees a low lead beside a high one.
///
/// Call it where the fact is appended; a replay only folds, and performs nothing.
#[must_use]
pub fn effects_between(announced: &Announced, after: &State) -> Vec<Effect> {
    if announced.cause == Cause::Silent {
        return Vec::new();
    }
    let mut kinds = Vec::new();
    for (id, was) in &announced.offers {
        if !was.is_quoted && after.offers.get(id).is_some_and(Offer::wants_quote) {
            kinds.push(EffectKind::QuoteRequest { offer: id.clone() });
        }
    }
    let high_lead = |id| after.offers.get(id).and_then(|offer: &Offer| offer.high_lead(id));
    for (id, was) in &announced.offers {
        if let Some(lead) = was.high_lead.clone().filter(|lead| high_lead(id).as_ref() != Some(lead)) {
            kinds.push(EffectKind::LeadClosed { lead, reason: announced.reason(after, Some(id)) });
        }
    }
    let low_lead = after.low_lead.as_ref().map(LowLead::id);
    if let Some(lead) = announced.low_lead.clone().filter(|lead| low_lead.as_ref() != Some(lead)) {
        kinds.push(EffectKind::LeadClosed { lead, reason: announced.reason(after, None) });
    }
    for (id, was) in &announced.offers {
        if let Some(lead) = high_lead(id).filter(|lead| was.high_lead.as_ref() != Some(lead)) {
            kinds.push(EffectKind::LeadOpened { lead, offer: id.clone() });
            if let Some(accepted_at) = after.offers.get(id).and_then(Offer::accepted_at) {
                kinds.push(EffectKind::AcceptedEmail { offer: id.clone(), accepted_at });
            }
        }
    }
    if let (Some(lead), Some(LowLead { offer, .. })) = (low_lead, after.low_lead.as_ref())
        && announced.low_lead.as_ref() != Some(&lead)
    {
        kinds.push(EffectKind::LeadOpened { lead, offer: offer.clone() });
        if !after.was_invited {
            kinds.push(EffectKind::QuoteInvitation { offer: offer.clone() });
        }
    }
    kinds.into_iter().map(|kind| Effect { sequence: after.sequence, kind }).collect()
}
