use crate::effect::effects_of;
use crate::{Effect, Event, LowLead, Offer, OfferId, OfferVersion, Stage, State};

impl State {
    /// The state after one more recorded event, with the effects that its arrival calls for.
    ///
    /// The event takes the next sequence number. If it is its offer's next version it is applied, then every
    /// held successor that now fits (the chain); if it is a later one it is held. Effects are the difference
    /// between before the arrival and after its whole chain, so what a held successor undoes is never decided.
    ///
    /// Total and silent: history is not argued with. An event that is already contained only takes its number.
    /// Nothing is performed here; whoever folds again simply drops the effects.
    pub fn fold(&mut self, event: &Event) -> Vec<Effect> {
        self.sequence = self.sequence.next();
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
        let was_known = self.offers.contains_key(&event.offer);
        let was_accepted_at = self.offers.get(&event.offer).and_then(Offer::accepted_at);
        let low_before = self.low_lead.clone();

        self.apply(event);
        let chain = self.take_chain(&event.offer);
        for successor in &chain {
            self.apply(successor);
        }
        let last = chain.last().unwrap_or(event);

        self.keep_open_leads_named(&event.offer, was_accepted_at);
        self.name_low_lead(&event.offer);
        effects_of(&Before { was_known, was_accepted_at, low_lead: low_before }, self, last)
    }

    fn apply(&mut self, event: &Event) {
        self.offers
            .entry(event.offer.clone())
            .and_modify(|offer| offer.apply(event))
            .or_insert_with(|| Offer::begun_by(event));
    }

    /// Takes out of the held events those that follow the offer's version without a gap.
    fn take_chain(&mut self, offer: &OfferId) -> Vec<Event> {
        let mut next = self.next_version_of(offer);
        let mut chain = Vec::new();
        let Some(held) = self.held.get_mut(offer) else {
            return chain;
        };
        while let Some(event) = held.remove(&next) {
            chain.push(event);
            next = next.next();
        }
        if held.is_empty() {
            self.held.remove(offer);
        }
        chain
    }

    /// A lead open before and after an arrival keeps its name, whatever the chain did in between.
    fn keep_open_leads_named(&mut self, offer: &OfferId, was_accepted_at: Option<OfferVersion>) {
        if let (Some(named), Some(offer)) = (was_accepted_at, self.offers.get_mut(offer))
            && let Stage::Accepted { at } = &mut offer.stage
        {
            *at = named;
        }
    }

    fn name_low_lead(&mut self, cause: &OfferId) {
        if !self.has_low_lead() {
            self.low_lead = None;
        } else if self.low_lead.is_none() {
            self.low_lead = Some(LowLead { opened_at: self.sequence, offer: cause.clone() });
        }
    }
}

/// What effects need to know of the state before an arrival. An arrival changes one offer and the low lead, no more.
pub(crate) struct Before {
    pub(crate) was_known: bool,
    pub(crate) was_accepted_at: Option<OfferVersion>,
    pub(crate) low_lead: Option<LowLead>,
}
