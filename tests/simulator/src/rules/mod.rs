//! An independent implementation of the rules, from the text of the design: the offers, leads and effects that follow
//! from a set of events. It shares no code with the product, and works differently: it evaluates the whole set at once
//! instead of one event after the other, so that order cannot matter.

mod facts;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use facts::{Answer, Fact, Offer, counting, effects_of, facts_of, offer_in, offers_of};

/// An open lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lead {
    pub(crate) name: String,
    /// For a high lead, the version of the acceptance that names it; for a low lead, the sequence at which it opened.
    pub(crate) at: u64,
    /// Whether the former system opened it.
    pub(crate) is_former: bool,
}

/// The state of a buyer after some facts, with the open leads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Buyer {
    pub(crate) offers: BTreeMap<String, Offer>,
    pub(crate) low: Option<Lead>,
    /// The high leads by offer.
    pub(crate) high: BTreeMap<String, Lead>,
    /// The offers for which a quote was requested.
    pub(crate) quoted: BTreeSet<String>,
    pub(crate) held: usize,
    pub(crate) is_erased: bool,
    /// Whether an answer of the former system is recorded.
    pub(crate) is_asked: bool,
    /// Whether the former system has sent the quote e-mail.
    pub(crate) was_invited: bool,
}

/// An effect that the rules call for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due {
    pub(crate) sequence: u64,
    pub(crate) key: String,
    /// The address, for a mail.
    pub(crate) email: String,
    /// Whether the former system performs it, because the commit is in shadow.
    pub(crate) is_shadow: bool,
}

const fn has_contact(offer: &Offer) -> bool {
    !offer.email.is_empty()
}

impl Buyer {
    /// The state after the last of these facts, and the effects that this fact calls for.
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
        // The announced leads. At a handover they are exactly those that the former system names.
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

    /// The high lead of each accepted offer: the open one, or a new one if the offer has a contact. At a handover, a
    /// lead of the former system stays open unless a newer acceptance replaced the one that it knows.
    fn high_leads(&self, announced: &Self, handed_over: Option<&Answer>) -> BTreeMap<String, Lead> {
        let lead = |(id, offer): (&String, &Offer)| {
            let own = || Lead {
                name: format!("high/{id}/{}", offer.accepted_at),
                at: offer.accepted_at.into(),
                is_former: false,
            };
            let kept = announced.high.get(id).filter(|lead| !(lead.is_former && self.is_erased));
            let kept = match handed_over {
                Some(answer) => kept
                    .filter(|_| {
                        answer.offers.get(id).is_some_and(|theirs| offer.accepted_at <= theirs.version)
                    })
                    .map(|lead| Lead { at: offer.accepted_at.into(), ..lead.clone() }),
                None => kept.filter(|lead| lead.is_former || has_contact(offer)).cloned(),
            };
            Some((id.clone(), kept.or_else(|| has_contact(offer).then(own))?))
        };
        self.offers.iter().filter(|(_, offer)| offer.stage == 'a').filter_map(lead).collect()
    }

    /// The low lead, while an offer is pending and none is accepted: the open one, or a new one if an offer has a
    /// contact.
    fn low_lead(&self, announced: &Self, sequence: u64) -> Option<Lead> {
        let kept = announced.low.as_ref().filter(|lead| !(lead.is_former && self.is_erased));
        let is_former = kept.is_some_and(|lead| lead.is_former);
        let calls = |offer: &Offer| offer.stage == 'p' && (is_former || has_contact(offer));
        let is_low = self.high.is_empty() && self.offers.values().any(calls);
        let new = || Lead { name: format!("low/{sequence}"), at: sequence, is_former: false };
        is_low.then(|| kept.cloned().unwrap_or_else(new))
    }

    fn wants_quotes(&self) -> Vec<String> {
        let wants = |(id, offer): &(&String, &Offer)| {
            offer.stage != 'c' && has_contact(offer) && !self.quoted.contains(*id)
        };
        self.offers.iter().filter(wants).map(|(id, _)| id.clone()).collect()
    }

    /// The effects that lead from the announced leads to the leads open now, each as key and address (for mails).
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
            let is_pending = |offer: &&Offer| offer.stage == 'p' && has_contact(offer);
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

    /// The names of the open leads that Leadstream opened.
    pub(crate) fn open_of_ours(&self) -> BTreeSet<String> {
        let leads = self.low.iter().chain(self.high.values());
        leads.filter(|lead| !lead.is_former).map(|lead| lead.name.clone()).collect()
    }

    /// Whether the state still calls for the mail with this key.
    pub(crate) fn calls_for(&self, key: &str) -> bool {
        match key.strip_prefix("accepted-email/") {
            Some(acceptance) => self.high.iter().any(|(id, lead)| acceptance == format!("{id}/{}", lead.at)),
            None => self.low.is_some(),
        }
    }
}

/// A buyer whose announced leads are exactly those of an answer.
fn announced(answer: &Answer, sequence: u64) -> Buyer {
    let lead = |name: &String, at| Lead { name: name.clone(), at, is_former: true };
    Buyer {
        low: answer.low.as_ref().map(|name| lead(name, sequence)),
        high: answer.high.iter().map(|(id, name)| (id.clone(), lead(name, 0))).collect(),
        ..Buyer::default()
    }
}
