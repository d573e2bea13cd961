use std::collections::BTreeMap;

use crate::{Event, Fact, FormerLeadId, Known, LowLead, Offer, OfferId, OfferVersion, Stage, State};

impl State {
    /// Folds one recorded fact into the state. The fact takes the next sequence number. Effects are not decided here;
    /// see [`crate::effects_between`].
    ///
    /// The fold is total: history is not questioned.
    pub fn fold(&mut self, fact: &Fact) {
        self.sequence = self.sequence.next();
        match fact {
            Fact::Event(event) => self.fold_event(event),
            Fact::Migrated(known) => self.fold_migrated(known),
            Fact::HandedOver(known) => self.fold_handed_over(known),
            Fact::Voided { offer, through } => self.fold_voided(offer, *through),
            Fact::Reset(kept) => {
                let kept = kept.as_deref().cloned().unwrap_or_default();
                *self = Self { sequence: self.sequence, ..kept };
            }
            Fact::Erased(kept) => {
                if let Some(kept) = kept {
                    *self = Self { sequence: self.sequence, ..Self::clone(kept) };
                }
                self.forget_who();
            }
        }
    }

    /// If the event has its offer's next version, it is applied, followed by every held successor that it releases (the
    /// chain). If it has a later version, it is held. An event that the state already contains changes nothing.
    fn fold_event(&mut self, event: &Event) {
        let next = self.next_version_of(&event.offer);
        if event.version > next {
            let held = self.held.entry(event.offer.clone()).or_default();
            held.entry(event.version).or_insert_with(|| event.clone());
        } else if event.version == next {
            let names = self.names_of([&event.offer]);
            self.apply(event);
            self.apply_chain(&event.offer);
            self.keep_names(names, Some(&event.offer));
            self.note_quote(&event.offer);
        }
    }

    /// Merges the former system's answer. The former system announces everything in it.
    fn fold_migrated(&mut self, known: &Known) {
        let names = self.names_of(self.offers.keys());
        self.merge(known, OnSameVersion::Theirs);
        self.was_invited |= known.was_invited;
        self.is_asked = true;
        self.keep_names(names, None);
    }

    /// Takes the buyer over. Leads that the former system announced keep its names.
    ///
    /// Source of the rules: `docs/adr/0021-beside-the-former-system.md`, whose model was searched exhaustively.
    fn fold_handed_over(&mut self, known: &Known) {
        self.merge(known, OnSameVersion::Ours);
        self.was_invited = known.was_invited;
        self.is_asked = true;
        let is_erased = self.is_erased;
        self.offers.change_each(|id, offer| {
            let theirs = known.offers.get(id);
            // A newer acceptance replaces the high lead that the former system opened.
            let kept = theirs.filter(|theirs| {
                !is_erased && matches!(offer.stage, Stage::Accepted { since, .. } if since <= theirs.version)
            });
            offer.former_lead = kept.and_then(|theirs| theirs.former_lead.clone());
            // Our lead is named by the current acceptance; the former system may have opened one for an earlier
            // acceptance.
            if let Stage::Accepted { at, since } = &mut offer.stage {
                *at = *since;
            }
            offer.is_quoted = theirs.is_some() || offer.wants_quote();
        });
        self.low_lead = None;
        self.name_low_lead(known.low_lead.as_ref().filter(|_| !is_erased), None);
    }

    /// Closes a gap: held events inside it are applied, missing versions become void, and the chain behind it follows.
    fn fold_voided(&mut self, offer: &OfferId, through: OfferVersion) {
        let names = self.names_of([offer]);
        self.apply_chain(offer);
        while self.next_version_of(offer) <= through && self.version_of(offer) != Some(through) {
            let from = self.next_version_of(offer);
            let before_held = self.first_held(offer).and_then(OfferVersion::previous);
            let to = before_held.map_or(through, |to| to.min(through));
            let begin = || Offer::unknown(to);
            self.offers.begin_and_change(offer, begin, |known| {
                known.version = to;
                known.voided.insert(from, to);
            });
            self.apply_chain(offer);
        }
        self.keep_names(names, Some(offer));
        self.note_quote(offer);
    }

    fn apply(&mut self, event: &Event) {
        let begin = || Offer::unknown(event.version);
        self.offers.begin_and_change(&event.offer, begin, |offer| offer.apply(event));
    }

    /// Applies the held events that follow the offer's version without a gap.
    fn apply_chain(&mut self, offer: &OfferId) {
        let mut next = self.next_version_of(offer);
        while let Some(event) = self.held.get_mut(offer).and_then(|held| held.remove(&next)) {
            self.apply(&event);
            next = next.next();
        }
        if self.held.get(offer).is_some_and(BTreeMap::is_empty) {
            self.held.remove(offer);
        }
    }

    /// Merges the former system's offers: the newer version of each offer wins, and held events that follow it are
    /// applied. A known contact or car is never lost. Leads are not named here.
    fn merge(&mut self, known: &Known, on_same_version: OnSameVersion) {
        for (id, theirs) in &known.offers {
            let begin = || Offer { former_lead: None, is_quoted: true, ..theirs.clone() };
            let version = self.offers.begin_and_change(id, begin, |ours| {
                let is_theirs_right = match on_same_version {
                    OnSameVersion::Theirs => theirs.version >= ours.version,
                    OnSameVersion::Ours => theirs.version > ours.version,
                };
                ours.is_quoted = true;
                ours.contact = ours.contact.take().or_else(|| theirs.contact.clone());
                ours.car = ours.car.take().or_else(|| theirs.car.clone());
                if is_theirs_right {
                    ours.stage = theirs.stage;
                    ours.version = theirs.version;
                    ours.contact = theirs.contact.clone().or_else(|| ours.contact.take());
                    ours.car = theirs.car.clone().or_else(|| ours.car.take());
                }
                ours.version
            });
            if let Some(held) = self.held.get_mut(id) {
                held.retain(|waiting, _| *waiting > version);
            }
            self.apply_chain(id);
        }
    }

    /// Notes that a quote is requested as soon as the offer is open.
    fn note_quote(&mut self, offer: &OfferId) {
        self.offers.change(offer, |offer| offer.is_quoted |= offer.wants_quote());
    }

    /// The names of these offers' open high leads.
    fn names_of<'a>(&self, offers: impl IntoIterator<Item = &'a OfferId>) -> Vec<Name> {
        let name = |id: &OfferId| {
            let offer = self.offers.get(id)?;
            let (accepted_at, former) = (offer.accepted_at()?, offer.former_lead.clone());
            Some(Name { offer: id.clone(), accepted_at, former })
        };
        offers.into_iter().filter_map(name).collect()
    }

    /// Names the open leads. A lead open both before the fact and after its chain keeps its name; a new lead gets a new
    /// one. The low lead belongs to the offer `cause`, if it opens now.
    fn keep_names(&mut self, names: Vec<Name>, cause: Option<&OfferId>) {
        for Name { offer, accepted_at, former } in names {
            self.offers.change(&offer, |offer| {
                if let Stage::Accepted { at, .. } = &mut offer.stage {
                    *at = accepted_at;
                    offer.former_lead = former.or_else(|| offer.former_lead.take());
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

/// Which side wins when both know an offer at the same version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnSameVersion {
    Theirs,
    Ours,
}

/// What names an offer's open high lead.
struct Name {
    offer: OfferId,
    accepted_at: OfferVersion,
    former: Option<FormerLeadId>,
}
