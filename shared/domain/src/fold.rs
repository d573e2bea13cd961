use std::collections::BTreeMap;

use crate::effect::effects_of;
use crate::known::OnSameVersion;
use crate::{
    CloseReason, Effect, Event, Fact, FormerLeadId, Known, LeadId, LowLead, Offer, OfferChange, OfferId,
    OfferVersion, Priority, Stage, State,
};

impl State {
    /// Folds one recorded fact into the state and returns the effects it calls for. See [`State::fold`].
    pub fn fold_fact(&mut self, fact: &Fact) -> Vec<Effect> {
        match fact {
            Fact::Event(event) => self.fold(event),
            Fact::Migrated(known) => {
                self.fold_migrated(known);
                Vec::new()
            }
            Fact::HandedOver(known) => self.fold_handed_over(known),
            Fact::Voided { offer, through } => self.fold_voided(offer, *through),
            Fact::Reset(kept) => {
                let sequence = self.sequence.next();
                *self = kept.as_deref().cloned().unwrap_or_default();
                self.sequence = sequence;
                Vec::new()
            }
            Fact::Erased(kept) => {
                self.begin_fact();
                let before = Before::of(self, self.offers.keys());
                if let Some(kept) = kept {
                    *self = State { sequence: self.sequence, ..State::clone(kept) };
                }
                self.forget_who();
                effects_of(&before, self, |_, _| CloseReason::Erased)
            }
        }
    }

    /// Folds one recorded event into the state and returns the effects that its arrival calls for.
    ///
    /// The event takes the next sequence number. If it has its offer's next version, it is applied, followed by every
    /// held successor that it releases (the chain). If it has a later version, it is held. Effects are the difference
    /// between the state before the arrival and the state after the whole chain, so a change that a held successor
    /// reverts has no effects.
    ///
    /// The fold is total: history is not questioned. An event that the state already contains only takes its sequence
    /// number. Nothing is performed here; a replay discards the returned effects.
    pub fn fold(&mut self, event: &Event) -> Vec<Effect> {
        self.begin_fact();
        let next = self.next_version_of(&event.offer);
        if event.version < next {
            return Vec::new();
        }
        if event.version > next {
            self.held
                .entry(event.offer.clone())
                .or_default()
                .entry(event.version)
                .or_insert_with(|| event.clone());
            return Vec::new();
        }
        let before = Before::of(self, [&event.offer]);
        self.apply(event);
        let last = self.apply_chain(&event.offer).unwrap_or_else(|| event.change.clone());
        self.name_leads(&before, Some(&event.offer));
        effects_of(&before, self, |_, _| CloseReason::of(&last))
    }

    /// Merges the former system's answer. The former system announces everything in it, so it has no effects here.
    fn fold_migrated(&mut self, known: &Known) {
        self.begin_fact();
        let before = Before::of(self, self.offers.keys().chain(known.offers.keys()));
        self.merge(known, OnSameVersion::Theirs);
        self.was_invited |= known.was_invited;
        self.is_asked = true;
        self.name_leads(&before, None);
    }

    /// Takes the buyer over. Leads that the former system announced keep its names; the effects are the difference
    /// between those leads and the leads that this state calls for.
    ///
    /// Source of the rules: `docs/adr/0021-beside-the-former-system.md`, whose model was searched exhaustively.
    fn fold_handed_over(&mut self, known: &Known) -> Vec<Effect> {
        self.begin_fact();
        self.merge(known, OnSameVersion::Ours);
        self.was_invited = known.was_invited;
        self.is_asked = true;
        let announced = self.offers.keys().chain(known.offers.keys()).map(|id| {
            let named = known.offers.get(id).and_then(|offer| offer.former_lead.clone());
            let lead = named.map(|id| LeadId::Former { id, priority: Priority::High });
            (id.clone(), OfferBefore { lead, accepted_at: None })
        });
        let low_there = known.low_lead.as_ref();
        let low_lead = low_there.map(|id| LeadId::Former { id: id.clone(), priority: Priority::Low });
        let before = Before { offers: announced.collect(), low_lead };
        for id in before.offers.keys() {
            let theirs = known.offers.get(id);
            let kept = theirs.filter(|theirs| self.keeps_former_lead(id, theirs));
            self.offers.change(id, |offer| {
                offer.is_quoted = theirs.is_some();
                offer.former_lead = kept.and_then(|theirs| theirs.former_lead.clone());
                // Our lead is named by the current acceptance; the former system may have opened one for an earlier
                // acceptance.
                if let Stage::Accepted { at, since } = &mut offer.stage {
                    *at = *since;
                }
            });
        }
        self.low_lead = None;
        self.name_low_lead(low_there.filter(|_| !self.is_erased), None);
        effects_of(&before, self, CloseReason::at_handover)
    }

    /// Closes a gap: held events inside it are applied, missing versions become void, and the chain behind it follows.
    fn fold_voided(&mut self, offer: &OfferId, through: OfferVersion) -> Vec<Effect> {
        self.begin_fact();
        let before = Before::of(self, [offer]);
        let mut last = self.apply_chain(offer);
        while self.next_version_of(offer) <= through && self.version_of(offer) != Some(through) {
            let from = self.next_version_of(offer);
            let next_held = self.held.get(offer).and_then(|held| held.keys().next().copied());
            let to = next_held.and_then(OfferVersion::previous).map_or(through, |to| to.min(through));
            let begin = || Offer::unknown(to);
            self.offers.begin_and_change(offer, begin, |known| {
                known.version = to;
                known.voided.insert(from, to);
            });
            last = self.apply_chain(offer).or(last);
        }
        self.name_leads(&before, Some(offer));
        let reason = last.as_ref().map_or(CloseReason::OfferWithdrawn, CloseReason::of);
        effects_of(&before, self, |_, _| reason)
    }

    fn begin_fact(&mut self) {
        self.sequence = self.sequence.next();
    }

    fn apply(&mut self, event: &Event) {
        let begin = || Offer::unknown(event.version);
        self.offers.begin_and_change(&event.offer, begin, |offer| offer.apply(event));
    }

    /// Applies the held events that follow the offer's version without a gap, and returns the change of the last one.
    pub(crate) fn apply_chain(&mut self, offer: &OfferId) -> Option<OfferChange> {
        let mut last = None;
        let mut next = self.next_version_of(offer);
        while let Some(event) = self.held.get_mut(offer).and_then(|held| held.remove(&next)) {
            self.apply(&event);
            next = next.next();
            last = Some(event.change);
        }
        if self.held.get(offer).is_some_and(BTreeMap::is_empty) {
            self.held.remove(offer);
        }
        last
    }

    /// Names the open leads. A lead open both before the fact and after its chain keeps its name; a new lead gets a new
    /// one.
    fn name_leads(&mut self, before: &Before, cause: Option<&OfferId>) {
        for (id, was) in &before.offers {
            let Some(named) = was.accepted_at else { continue };
            self.offers.change(id, |offer| {
                if let Stage::Accepted { at, .. } = &mut offer.stage {
                    *at = named;
                    if let Some(LeadId::Former { id, .. }) = &was.lead {
                        offer.former_lead = Some(id.clone());
                    }
                }
            });
        }
        self.name_low_lead(None, cause);
    }

    /// Opens, keeps or closes the low lead. An open one keeps its name, or takes the name `there` that the former
    /// system gave to its own open low lead.
    fn name_low_lead(&mut self, there: Option<&FormerLeadId>, cause: Option<&OfferId>) {
        let named = self.low_lead.take();
        let former = named.as_ref().and_then(|low| low.former.as_ref()).or(there).cloned();
        if !self.calls_for_low_lead(former.is_some()) {
            return;
        }
        let has_contact = |id: &&OfferId| self.offers.get(*id).is_some_and(|offer| offer.contact.is_some());
        let first =
            |is: fn(&Offer) -> bool| self.offers.iter().find(|(_, offer)| is(offer)).map(|(id, _)| id);
        let opener = named.as_ref().map(|low| &low.offer).or(cause);
        let offer = opener
            .filter(has_contact)
            .or_else(|| first(Offer::is_pending))
            .or_else(|| first(|offer| offer.stage == Stage::Pending))
            .cloned();
        let opened_at = named.map_or(self.sequence, |low| low.opened_at);
        self.low_lead = offer.map(|offer| LowLead { opened_at, offer, former });
    }
}

/// The part of the state before a fact that effects are computed from: the offers that may change, and the low lead.
pub(crate) struct Before {
    pub(crate) offers: BTreeMap<OfferId, OfferBefore>,
    pub(crate) low_lead: Option<LeadId>,
}

pub(crate) struct OfferBefore {
    pub(crate) lead: Option<LeadId>,
    accepted_at: Option<OfferVersion>,
}

impl Before {
    fn of<'a>(state: &State, offers: impl IntoIterator<Item = &'a OfferId>) -> Self {
        let before = |id: &OfferId| {
            let offer = state.offers.get(id);
            let lead = offer.and_then(|offer| offer.high_lead(id));
            (id.clone(), OfferBefore { lead, accepted_at: offer.and_then(Offer::accepted_at) })
        };
        let low_lead = state.low_lead.as_ref().map(LowLead::id);
        Self { offers: offers.into_iter().map(before).collect(), low_lead }
    }
}
