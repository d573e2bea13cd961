//! The system that recorded buyers before, as the contract has it: it hears of every honest event, in order per offer, some time
//! after it was posted, and announces one thing after the other, under names of its own, until it hands a buyer over.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::announced::{Announced, What};
use crate::chance::Chance;
use crate::history::Sent;
use crate::rules::{Fact, Offer, offers_of};
use crate::safeguard::Safeguard;

/// It.
#[derive(Debug, Default)]
pub(crate) struct Former {
    buyers: BTreeMap<String, OfBuyer>,
    /// How long it takes at most until it hears of an event, and until it announces one more thing, in milliseconds.
    pub(crate) hears_within: i64,
    pub(crate) announces_within: i64,
    /// Whether its answers leave out the version of an acceptance.
    pub(crate) leaves_out_acceptances: bool,
    /// The offer whose contact they leave out.
    pub(crate) leaves_out_contact: Option<String>,
}

/// What it has left to announce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owed {
    Close(String),
    CloseLow,
    Open(String),
    Mail(String),
    OpenLow,
    Invite,
}

/// It has something left to announce, and hands nobody over meanwhile.
#[derive(Debug)]
pub(crate) struct StillOwes;

#[derive(Debug, Default)]
struct OfBuyer {
    /// What it will hear, and from when on it can.
    to_hear: BTreeMap<(String, u32), (i64, Sent)>,
    heard: Vec<Fact>,
    offers: BTreeMap<String, Offer>,
    high: BTreeMap<String, High>,
    low: Option<String>,
    is_invited: bool,
    names: usize,
    busy_until: i64,
    last_word: Option<LastWord>,
}

/// What it answered when it handed the buyer over; nothing if it had never heard of that one.
#[derive(Debug, Clone)]
struct LastWord(Option<String>);

#[derive(Debug)]
struct High {
    name: String,
    acceptance: u32,
    is_mailed: bool,
}

impl OfBuyer {
    /// The next thing that it can hear: of each offer one version after the other.
    fn audible(&self, now: i64) -> Option<(String, u32)> {
        let ready = self.next_to_hear().find(|(_, at)| *at <= now);
        ready.map(|(slot, _)| slot.clone())
    }

    fn next_to_hear(&self) -> impl Iterator<Item = (&(String, u32), i64)> {
        let is_next = |(id, version): &(String, u32)| {
            self.offers.get(id).map_or(0, |offer| offer.version) + 1 == *version
        };
        self.to_hear.iter().filter(move |(slot, _)| is_next(slot)).map(|(slot, (at, _))| (slot, *at))
    }

    /// Closings come first, a lead before its mail.
    fn owed(&self) -> Vec<Owed> {
        let accepted =
            |id: &str| self.offers.get(id).filter(|offer| offer.stage == 'a').map(|offer| offer.accepted_at);
        let has_accepted = self.offers.values().any(|offer| offer.stage == 'a');
        let wants_low = !has_accepted && self.offers.values().any(|offer| offer.stage == 'p');
        let over = self.high.iter().filter(|(id, high)| accepted(id) != Some(high.acceptance));
        let mut owed: Vec<Owed> = over.map(|(id, _)| Owed::Close(id.clone())).collect();
        owed.extend((self.low.is_some() && !wants_low).then_some(Owed::CloseLow));
        let new = self.offers.keys().filter(|id| accepted(id).is_some() && !self.high.contains_key(*id));
        owed.extend(new.map(|id| Owed::Open(id.clone())));
        let unmailed =
            self.high.iter().filter(|(id, high)| accepted(id) == Some(high.acceptance) && !high.is_mailed);
        owed.extend(unmailed.map(|(id, _)| Owed::Mail(id.clone())));
        owed.extend((wants_low && self.low.is_none()).then_some(Owed::OpenLow));
        owed.extend((wants_low && self.low.is_some() && !self.is_invited).then_some(Owed::Invite));
        owed
    }

    fn new_name(&mut self) -> String {
        self.names += 1;
        format!("F{}", self.names)
    }

    /// Does the first thing that it owes, and says what that was.
    fn announce(&mut self) -> Option<What> {
        Some(match self.owed().into_iter().next()? {
            Owed::Close(id) => What::Closed { lead: self.high.remove(&id)?.name },
            Owed::CloseLow => What::Closed { lead: self.low.take()? },
            Owed::Open(offer) => {
                let (name, acceptance) = (self.new_name(), self.offers.get(&offer)?.accepted_at);
                let high = High { name: name.clone(), acceptance, is_mailed: false };
                self.high.insert(offer.clone(), high);
                What::Opened { lead: name, about: Some((offer, acceptance)) }
            }
            Owed::Mail(offer) => {
                let high = self.high.get_mut(&offer)?;
                high.is_mailed = true;
                What::Mailed { about: Some((offer, high.acceptance)) }
            }
            Owed::OpenLow => {
                let name = self.new_name();
                self.low = Some(name.clone());
                What::Opened { lead: name, about: None }
            }
            Owed::Invite => {
                self.is_invited = true;
                What::Mailed { about: None }
            }
        })
    }

    /// Hears of one event; of an offer's first one it has the sales team quote at once.
    fn hear(&mut self, slot: &(String, u32)) -> Option<What> {
        let (_, event) = self.to_hear.remove(slot)?;
        let is_first = !self.offers.contains_key(&event.offer);
        self.heard.push(fact(&event));
        self.offers = offers_of(&self.heard).0;
        (is_first && self.last_word.is_none()).then_some(What::Quoted { offer: event.offer })
    }
}

impl Former {
    /// It will hear of an honest event.
    pub(crate) fn will_hear(&mut self, now: i64, event: &Sent, chance: &mut Chance) {
        let of_buyer = self.buyers.entry(event.buyer.clone()).or_default();
        let seen = of_buyer.offers.get(&event.offer).map_or(0, |offer| offer.version);
        if event.is_odd || event.version <= seen {
            return; // It heeds no contradictions.
        }
        let at = now + chance.up_to(self.hears_within);
        of_buyer.to_hear.entry((event.offer.clone(), event.version)).or_insert((at, event.clone()));
    }

    /// It hears of all that it can and announces all of it: before anybody else was there.
    pub(crate) fn did_all(&mut self) -> Vec<Announced> {
        let mut announced = Vec::new();
        for (name, buyer) in &mut self.buyers {
            loop {
                let what = match buyer.audible(i64::MAX) {
                    Some(slot) => buyer.hear(&slot),
                    None if buyer.owed().is_empty() => break,
                    None => buyer.announce(),
                };
                announced.extend(what.map(|what| Announced::by_former(name, what)));
            }
        }
        announced
    }

    /// When there is next something for it to do.
    pub(crate) fn next_at(&self) -> Option<i64> {
        let of_buyer = |buyer: &OfBuyer| {
            let hears = buyer.next_to_hear().map(|(_, at)| at).min();
            let owes = buyer.last_word.is_none() && !buyer.owed().is_empty();
            [hears, owes.then_some(buyer.busy_until)].into_iter().flatten().min()
        };
        self.buyers.values().filter_map(of_buyer).min()
    }

    /// It does one thing, if its time has come, and puts down what it announces. `false`: there is nothing to do.
    pub(crate) fn act(&mut self, now: i64, chance: &mut Chance, announced: &mut Vec<Announced>) -> bool {
        let (first, count) = (chance.below(self.buyers.len().max(1)), self.buyers.len());
        for at in 0..count {
            let Some((name, buyer)) = self.buyers.iter_mut().nth((first + at) % count) else { continue };
            let can_announce =
                buyer.last_word.is_none() && buyer.busy_until <= now && !buyer.owed().is_empty();
            let what = match buyer.audible(now) {
                Some(slot) if !can_announce || chance.per_mille(500) => buyer.hear(&slot),
                _ if can_announce => buyer.announce(),
                _ => continue,
            };
            buyer.busy_until = now + chance.up_to(self.announces_within);
            announced.extend(what.map(|what| Announced::by_former(name, what)));
            return true;
        }
        false
    }

    /// What it knows now, without any consequence. Of a buyer whom it handed over unheard of it says so.
    pub(crate) fn look(&self, buyer: &str) -> Option<String> {
        let known = self.buyers.get(buyer)?;
        let is_known = !known.offers.is_empty() || known.last_word.is_some();
        is_known.then(|| self.answer(buyer, known))
    }

    /// Its first answer is its last word, also that it never heard of the buyer. Until all is announced it does not answer.
    pub(crate) fn hand_over(
        &mut self,
        buyer: &str,
        off: Option<Safeguard>,
    ) -> Result<Option<String>, StillOwes> {
        self.buyers.entry(buyer.to_owned()).or_default();
        let Some(known) = self.buyers.get(buyer) else { return Ok(None) };
        if let Some(LastWord(last_word)) = &known.last_word
            && off != Some(Safeguard::SameAnswer)
        {
            return Ok(last_word.clone());
        }
        if known.last_word.is_none() && !known.owed().is_empty() && off != Some(Safeguard::NothingOwed) {
            return Err(StillOwes);
        }
        let answer = (!known.offers.is_empty()).then(|| self.answer(buyer, known));
        let binds = answer.is_some() || off != Some(Safeguard::Unbound404);
        if let Some(known) = self.buyers.get_mut(buyer).filter(|_| binds) {
            known.last_word = Some(LastWord(answer.clone()));
        }
        Ok(answer)
    }

    /// Whether it announces nothing of this buyer any more.
    pub(crate) fn has_handed_over(&self, buyer: &str) -> bool {
        self.buyers.get(buyer).is_some_and(|known| known.last_word.is_some())
    }

    /// Whom it has heard of, or will, or was asked to hand over.
    pub(crate) fn buyers(&self) -> impl Iterator<Item = &str> {
        self.buyers.keys().map(String::as_str)
    }

    /// What it knows of this buyer's offers.
    pub(crate) fn offers(&self, buyer: &str) -> BTreeMap<String, Offer> {
        self.buyers.get(buyer).map(|known| known.offers.clone()).unwrap_or_default()
    }

    fn answer(&self, buyer: &str, known: &OfBuyer) -> String {
        let offers: Vec<Value> = known
            .offers
            .iter()
            .map(|(id, offer)| {
                let lead = known.high.get(id).map(|high| high.name.as_str());
                self.offer(id, offer, lead)
            })
            .collect();
        json!({
            "buyerId": buyer,
            "wasInvited": known.is_invited,
            "handedOver": known.last_word.is_some(),
            "lowLeadId": known.low,
            "offers": offers,
        })
        .to_string()
    }

    fn offer(&self, id: &str, offer: &Offer, lead: Option<&str>) -> Value {
        let stage = match offer.stage {
            'a' => "accepted",
            'p' => "pending",
            _ => "closed",
        };
        let tells_acceptance = offer.stage == 'a' && !self.leaves_out_acceptances;
        let tells_contact = self.leaves_out_contact.as_deref() != Some(id);
        json!({
            "offerId": id,
            "offerVersion": offer.version,
            "stage": stage,
            "acceptedVersion": tells_acceptance.then_some(offer.accepted_at),
            "leadId": lead,
            "carId": format!("car-{id}"),
            "buyer": tells_contact.then(|| json!({ "name": "Ada Canary", "email": offer.email })),
        })
    }
}

fn fact(event: &Sent) -> Fact {
    Fact {
        offer: event.offer.clone(),
        version: event.version,
        kind: event.kind.to_owned(),
        email: event.email.to_owned(),
        sequence: 0,
        answer: None,
    }
}
