use std::collections::BTreeMap;

use crate::effect::effects_of;
use crate::{
    CloseReason, Effect, Event, Fact, LowLead, Offer, OfferChange, OfferId, OfferVersion, Stage, State,
};

impl State {
    /// The state after one more recorded fact, with the effects that it calls for. See [`State::fold`].
    ///
    /// A fact that carries all that was known carries its place as well: it is folded onto nothing just as onto what came before.
    pub fn fold_fact(&mut self, fact: &Fact) -> Vec<Effect> {
        match fact {
            Fact::Event(event) => self.fold(event),
            Fact::Migrated(known) => self.fold_migrated(known),
            Fact::Voided { offer, through } => self.fold_voided(offer, *through),
            Fact::Reset(kept) => {
                *self = State { sequence: kept.sequence.next(), is_reset: true, ..State::clone(kept) };
                Vec::new()
            }
            Fact::Erased(kept) => {
                let before = Before::of(self, self.offers.keys());
                *self = State { sequence: kept.sequence.next(), is_reset: false, ..State::clone(kept) };
                effects_of(&before, self, CloseReason::Erased)
            }
        }
    }

    /// The state after one more recorded event, with the effects that its arrival calls for.
    ///
    /// The event takes the next sequence number. If it is its offer's next version it is applied, then every
    /// held successor that now fits (the chain); if it is a later one it is held. Effects are the difference
    /// between before the arrival and after its whole chain, so what a held successor undoes is never decided.
    ///
    /// Total and silent: history is not argued with. An event that is already contained only takes its number.
    /// Nothing is performed here; whoever folds again simply drops the effects.
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
        effects_of(&before, self, CloseReason::of(&last))
    }

    /// What a former system knew takes the place of what is known here. It has announced all of that, so nothing is
    /// announced anew; but after a reset it was us who announced what was known before: then the difference is.
    fn fold_migrated(&mut self, known: &State) -> Vec<Effect> {
        let was_reset = self.is_reset;
        self.begin_fact();
        let before = Before::of(self, self.offers.keys().chain(known.offers.keys()));
        self.offers.clone_from(&known.offers);
        self.held.clear();
        self.was_invited |= known.was_invited;
        self.name_leads(&before, None);
        let effects = effects_of(&before, self, CloseReason::Reset);
        if was_reset { effects } else { Vec::new() }
    }

    /// A gap is closed: held events in it are applied, what is missing is void, and the chain goes on behind it.
    fn fold_voided(&mut self, offer: &OfferId, through: OfferVersion) -> Vec<Effect> {
        self.begin_fact();
        let before = Before::of(self, [offer]);
        let mut last = self.apply_chain(offer);
        while self.next_version_of(offer) <= through && self.version_of(offer) != Some(through) {
            let from = self.next_version_of(offer);
            let next_held = self.held.get(offer).and_then(|held| held.keys().next().copied());
            let to = next_held.and_then(OfferVersion::previous).map_or(through, |to| to.min(through));
            let known = self.offers.entry(offer.clone()).or_insert_with(|| Offer::unknown(to));
            known.version = to;
            known.voided.insert(from, to);
            last = self.apply_chain(offer).or(last);
        }
        self.name_leads(&before, Some(offer));
        effects_of(&before, self, last.as_ref().map_or(CloseReason::OfferWithdrawn, CloseReason::of))
    }

    fn begin_fact(&mut self) {
        self.sequence = self.sequence.next();
        self.is_reset = false;
    }

    fn apply(&mut self, event: &Event) {
        self.offers
            .entry(event.offer.clone())
            .and_modify(|offer| offer.apply(event))
            .or_insert_with(|| Offer::begun_by(event));
    }

    /// Applies the held events that follow the offer's version without a gap; tells the last one's change.
    fn apply_chain(&mut self, offer: &OfferId) -> Option<OfferChange> {
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

    /// A lead open before and after an arrival keeps its name, whatever the chain did in between; a new one gets its own.
    fn name_leads(&mut self, before: &Before, cause: Option<&OfferId>) {
        for (id, was) in &before.offers {
            if let (Some(named), Some(offer)) = (was.accepted_at, self.offers.get_mut(id))
                && let Stage::Accepted { at } = &mut offer.stage
            {
                *at = named;
            }
        }
        let named = self.low_lead.take();
        if self.has_low_lead() {
            let has_contact =
                |id: &&OfferId| self.offers.get(*id).is_some_and(|offer| offer.contact.is_some());
            let pending = || self.offers.iter().find(|(_, offer)| offer.is_pending()).map(|(id, _)| id);
            let opener = named.as_ref().map(|low| &low.offer).or(cause);
            let opened_at = named.as_ref().map_or(self.sequence, |low| low.opened_at);
            let offer = opener.filter(has_contact).or_else(pending).cloned();
            self.low_lead = offer.map(|offer| LowLead { opened_at, offer });
        }
    }
}

/// What effects need to know of the state before an arrival: the offers that it may change, and the low lead.
pub(crate) struct Before {
    pub(crate) offers: BTreeMap<OfferId, OfferBefore>,
    pub(crate) low_lead: Option<LowLead>,
}

pub(crate) struct OfferBefore {
    pub(crate) is_known: bool,
    pub(crate) accepted_at: Option<OfferVersion>,
}

impl Before {
    fn of<'a>(state: &State, offers: impl IntoIterator<Item = &'a OfferId>) -> Self {
        let before = |id: &OfferId| {
            let offer = state.offers.get(id);
            let accepted_at = offer.and_then(Offer::accepted_at);
            (id.clone(), OfferBefore { is_known: offer.is_some(), accepted_at })
        };
        Self { offers: offers.into_iter().map(before).collect(), low_lead: state.low_lead.clone() }
    }
}
