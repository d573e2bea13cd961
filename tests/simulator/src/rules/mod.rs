//! The rules once more, from the design's text: which offers, which leads, which effects follow from a set of events. It
//! shares no code with the product, and is built the other way round: not an event after the other, but the whole set at
//! once, so that order cannot matter.

mod facts;
mod offers;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use facts::{Answer, Fact, effects_of, facts_of, offer_in};
pub(crate) use offers::{Offer, counting, offers_of};

/// An open lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lead {
    pub(crate) name: String,
    /// Of a high lead, the version of the acceptance that names it; of a low one, the sequence number at which it opened.
    pub(crate) at: u64,
    /// Whether a former system opened it.
    pub(crate) is_former: bool,
}

/// A buyer after some facts, with the open leads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Buyer {
    pub(crate) offers: BTreeMap<String, Offer>,
    pub(crate) low: Option<Lead>,
    /// By offer.
    pub(crate) high: BTreeMap<String, Lead>,
    /// Offers that a quote was requested for.
    pub(crate) quoted: BTreeSet<String>,
    pub(crate) held: usize,
    pub(crate) is_erased: bool,
    /// Whether an answer of the former system is recorded.
    pub(crate) is_asked: bool,
    /// Whether the former system has invited it to a quote.
    pub(crate) was_invited: bool,
}

/// An effect that must be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due {
    pub(crate) sequence: u64,
    pub(crate) key: String,
    /// The address of a mail.
    pub(crate) email: String,
    /// Whether another system performs it.
    pub(crate) is_shadow: bool,
}

const fn can_be_reached(offer: &Offer) -> bool {
    !offer.email.is_empty()
}

impl Buyer {
    /// The buyer once the last of these facts is there too, and what must be done because of it.
    pub(crate) fn after(&self, facts: &[Fact]) -> (Self, Vec<Due>) {
        let Some(last) = counting(facts).last() else { return (Self::default(), Vec::new()) };
        let (offers, held) = offers_of(facts);
        let answer = last.answer.as_ref();
        let handed_over = answer.filter(|_| last.kind == "handed-over");
        let mut after = Self {
            offers,
            low: None,
            high: BTreeMap::new(),
            quoted: BTreeSet::new(),
            held,
            is_erased: self.is_erased || last.kind == "erased",
            is_asked: self.is_asked || answer.is_some(),
            was_invited: match (handed_over, answer) {
                (Some(answer), _) => answer.was_invited,
                (None, Some(answer)) => self.was_invited || answer.was_invited,
                (None, None) => self.was_invited,
            },
        };
        // What was announced, and by whom: at a handover exactly what the former system names.
        let announced = handed_over.map_or_else(|| self.clone(), |answer| announced(answer, last.sequence));
        after.high = after.high_leads(&announced, handed_over);
        after.low = after.low_lead(&announced, last.sequence);
        let mut dues = Vec::new();
        let mut due = |(key, email)| {
            dues.push(Due { sequence: last.sequence, key, email, is_shadow: false });
        };
        after.quoted = announced.quoted;
        if let Some(answer) = answer {
            after.quoted.extend(answer.offers.keys().cloned());
        }
        if last.kind == "erased" {
            after.quoted.extend(after.offers.keys().cloned());
        }
        if last.kind != "migrated" {
            for id in after.wants_quotes() {
                due((format!("quote/{id}"), String::new()));
                after.quoted.insert(id);
            }
            after.difference(&announced.high, announced.low.as_ref(), &last.offer).into_iter().for_each(due);
        }
        (after, dues)
    }

    /// A high lead for each accepted offer: the one that was open, or a new one where somebody can be reached. At a handover one of
    /// the former system stands while no newer acceptance took its place.
    fn high_leads(&self, announced: &Self, handed_over: Option<&Answer>) -> BTreeMap<String, Lead> {
        let lead = |(id, offer): (&String, &Offer)| {
            let own = || Lead {
                name: format!("high/{id}/{}", offer.accepted_at),
                at: offer.accepted_at.into(),
                is_former: false,
            };
            let stands = announced.high.get(id).filter(|lead| !(lead.is_former && self.is_erased));
            let stands = match handed_over {
                Some(answer) => stands
                    .filter(|_| {
                        answer.offers.get(id).is_some_and(|theirs| offer.accepted_at <= theirs.version)
                    })
                    .map(|lead| Lead { at: offer.accepted_at.into(), ..lead.clone() }),
                None => stands.filter(|lead| lead.is_former || can_be_reached(offer)).cloned(),
            };
            Some((id.clone(), stands.or_else(|| can_be_reached(offer).then(own))?))
        };
        self.offers.iter().filter(|(_, offer)| offer.stage == 'a').filter_map(lead).collect()
    }

    /// The low lead while an offer is pending and none accepted: the one that was open, or a new one if somebody can be reached.
    fn low_lead(&self, announced: &Self, sequence: u64) -> Option<Lead> {
        let stands = announced.low.as_ref().filter(|lead| !(lead.is_former && self.is_erased));
        let is_former = stands.is_some_and(|lead| lead.is_former);
        let calls = |offer: &Offer| offer.stage == 'p' && (is_former || can_be_reached(offer));
        let is_low = self.high.is_empty() && self.offers.values().any(calls);
        let new = || Lead { name: format!("low/{sequence}"), at: sequence, is_former: false };
        is_low.then(|| stands.cloned().unwrap_or_else(new))
    }

    fn wants_quotes(&self) -> Vec<String> {
        let wants = |(id, offer): &(&String, &Offer)| {
            offer.stage != 'c' && can_be_reached(offer) && !self.quoted.contains(*id)
        };
        self.offers.iter().filter(wants).map(|(id, _)| id.clone()).collect()
    }

    /// What leads from the leads that were announced to those that are open now: keys, and addresses of mails.
    fn difference(
        &self,
        high: &BTreeMap<String, Lead>,
        low: Option<&Lead>,
        cause: &str,
    ) -> Vec<(String, String)> {
        let mut keys = Vec::new();
        let mut key = |key: String, email: &str| keys.push((key, email.to_owned()));
        let is_same = |one: Option<&Lead>, other: &Lead| one.is_some_and(|lead| lead.name == other.name);
        let over = high.iter().filter(|(id, lead)| !is_same(self.high.get(*id), lead));
        for lead in over.map(|(_, lead)| lead).chain(low.filter(|lead| !is_same(self.low.as_ref(), lead))) {
            key(format!("closed/{}", lead.name), "");
        }
        let address = |id: &str| self.offers.get(id).map_or("", |offer| offer.email.as_str());
        for (id, lead) in self.high.iter().filter(|(id, lead)| !is_same(high.get(*id), lead)) {
            key(format!("opened/{}", lead.name), "");
            key(format!("accepted-email/{id}/{}", lead.at), address(id));
        }
        if let Some(lead) = self.low.as_ref().filter(|lead| !is_same(low, lead)) {
            key(format!("opened/{}", lead.name), "");
            let is_pending = |offer: &&Offer| offer.stage == 'p' && can_be_reached(offer);
            let pending = self.offers.values().find(is_pending).map_or("", |offer| offer.email.as_str());
            let email = if address(cause).is_empty() { pending } else { address(cause) };
            if !self.was_invited {
                key("quote-email".to_owned(), email);
            }
        }
        keys
    }

    /// The names of the open leads.
    pub(crate) fn open(&self) -> BTreeSet<String> {
        self.low.iter().chain(self.high.values()).map(|lead| lead.name.clone()).collect()
    }

    /// The names of those that we have opened.
    pub(crate) fn open_of_ours(&self) -> BTreeSet<String> {
        let leads = self.low.iter().chain(self.high.values());
        leads.filter(|lead| !lead.is_former).map(|lead| lead.name.clone()).collect()
    }

    /// Whether the reason for a mail still holds.
    pub(crate) fn calls_for(&self, key: &str) -> bool {
        match key.strip_prefix("accepted-email/") {
            Some(acceptance) => self.high.iter().any(|(id, lead)| acceptance == format!("{id}/{}", lead.at)),
            None => self.low.is_some(),
        }
    }
}

/// A buyer of whom only this is announced.
fn announced(answer: &Answer, sequence: u64) -> Buyer {
    let lead = |name: &String, at| Lead { name: name.clone(), at, is_former: true };
    Buyer {
        low: answer.low.as_ref().map(|name| lead(name, sequence)),
        high: answer.high.iter().map(|(id, name)| (id.clone(), lead(name, 0))).collect(),
        ..Buyer::default()
    }
}
