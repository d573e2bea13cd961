//! The former system, as the contract describes it. It receives every event that is not a contradiction, in order per
//! offer, some time after it was posted. It makes one announcement after the other, under its own lead names, until it
//! hands a buyer over.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::outside::{Announced, Content};
use crate::chance::Chance;
use crate::history::Sent;
use crate::plan::Safeguard;
use crate::rules::{Fact, Offer, offers_of};

/// The former system.
#[derive(Debug, Default)]
pub(crate) struct Former {
    buyers: BTreeMap<String, OfBuyer>,
    /// The longest time until it receives an event, and between two announcements, in milliseconds.
    pub(crate) receives_within: i64,
    pub(crate) announces_within: i64,
    /// Whether its answers omit the version of an acceptance.
    pub(crate) leaves_out_acceptances: bool,
    /// The offer whose contact its answers omit.
    pub(crate) leaves_out_contact: Option<String>,
}

/// An announcement that is still to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pending {
    Close(String),
    CloseLow,
    Open(String),
    Mail(String),
    OpenLow,
    Invite,
}

/// The refusal of a handover because announcements are pending.
#[derive(Debug)]
pub(crate) struct AnnouncementsPending;

#[derive(Debug, Default)]
struct OfBuyer {
    /// The events to receive by offer and version, each with its earliest time.
    incoming: BTreeMap<(String, u32), (i64, Sent)>,
    received: Vec<Fact>,
    offers: BTreeMap<String, Offer>,
    high: BTreeMap<String, High>,
    low: Option<String>,
    is_invited: bool,
    names: usize,
    busy_until: i64,
    final_answer: Option<FinalAnswer>,
}

/// The answer to a handover, which never changes; `None` in it means that the buyer was not known.
#[derive(Debug, Clone)]
struct FinalAnswer(Option<String>);

#[derive(Debug)]
struct High {
    name: String,
    acceptance: u32,
    is_mailed: bool,
}

impl OfBuyer {
    /// An event that can be received now. The versions of an offer are received in order.
    fn next_ready(&self, now: i64) -> Option<(String, u32)> {
        let ready = self.next_incoming().find(|(_, at)| *at <= now);
        ready.map(|(slot, _)| slot.clone())
    }

    fn next_incoming(&self) -> impl Iterator<Item = (&(String, u32), i64)> {
        let is_next = |(id, version): &(String, u32)| {
            self.offers.get(id).map_or(0, |offer| offer.version) + 1 == *version
        };
        self.incoming.iter().filter(move |(slot, _)| is_next(slot)).map(|(slot, (at, _))| (slot, *at))
    }

    /// The announcements to make, in order: closings first, and a lead before its mail.
    fn pending(&self) -> Vec<Pending> {
        let accepted =
            |id: &str| self.offers.get(id).filter(|offer| offer.stage == 'a').map(|offer| offer.accepted_at);
        let has_accepted = self.offers.values().any(|offer| offer.stage == 'a');
        let wants_low = !has_accepted && self.offers.values().any(|offer| offer.stage == 'p');
        let over = self.high.iter().filter(|(id, high)| accepted(id) != Some(high.acceptance));
        let mut pending: Vec<Pending> = over.map(|(id, _)| Pending::Close(id.clone())).collect();
        pending.extend((self.low.is_some() && !wants_low).then_some(Pending::CloseLow));
        let new = self.offers.keys().filter(|id| accepted(id).is_some() && !self.high.contains_key(*id));
        pending.extend(new.map(|id| Pending::Open(id.clone())));
        let unmailed =
            self.high.iter().filter(|(id, high)| accepted(id) == Some(high.acceptance) && !high.is_mailed);
        pending.extend(unmailed.map(|(id, _)| Pending::Mail(id.clone())));
        pending.extend((wants_low && self.low.is_none()).then_some(Pending::OpenLow));
        pending.extend((wants_low && self.low.is_some() && !self.is_invited).then_some(Pending::Invite));
        pending
    }

    fn new_name(&mut self) -> String {
        self.names += 1;
        format!("F{}", self.names)
    }

    /// Makes the first pending announcement. Returns its content.
    fn announce(&mut self) -> Option<Content> {
        Some(match self.pending().into_iter().next()? {
            Pending::Close(id) => Content::Closed { lead: self.high.remove(&id)?.name },
            Pending::CloseLow => Content::Closed { lead: self.low.take()? },
            Pending::Open(offer) => {
                let (name, acceptance) = (self.new_name(), self.offers.get(&offer)?.accepted_at);
                let high = High { name: name.clone(), acceptance, is_mailed: false };
                self.high.insert(offer.clone(), high);
                Content::Opened { lead: name, about: Some((offer, acceptance)) }
            }
            Pending::Mail(offer) => {
                let high = self.high.get_mut(&offer)?;
                high.is_mailed = true;
                Content::Mailed { about: Some((offer, high.acceptance)) }
            }
            Pending::OpenLow => {
                let name = self.new_name();
                self.low = Some(name.clone());
                Content::Opened { lead: name, about: None }
            }
            Pending::Invite => {
                self.is_invited = true;
                Content::Mailed { about: None }
            }
        })
    }

    /// Receives an event. The first event of an offer requests a quote at once.
    fn receive(&mut self, slot: &(String, u32)) -> Option<Content> {
        let (_, event) = self.incoming.remove(slot)?;
        let is_first = !self.offers.contains_key(&event.offer);
        self.received.push(fact(&event));
        self.offers = offers_of(&self.received).0;
        (is_first && self.final_answer.is_none()).then_some(Content::Quoted { offer: event.offer })
    }
}

impl Former {
    /// Schedules the receipt of an event.
    pub(crate) fn schedule(&mut self, now: i64, event: &Sent, chance: &mut Chance) {
        let of_buyer = self.buyers.entry(event.buyer.clone()).or_default();
        let seen = of_buyer.offers.get(&event.offer).map_or(0, |offer| offer.version);
        if event.is_odd || event.version <= seen {
            return; // It ignores contradictions and versions that it has received.
        }
        let at = now + chance.up_to(self.receives_within);
        of_buyer.incoming.entry((event.offer.clone(), event.version)).or_insert((at, event.clone()));
    }

    /// Receives all scheduled events and makes all announcements, before the run begins.
    pub(crate) fn finish_all(&mut self) -> Vec<Announced> {
        let mut announced = Vec::new();
        for (name, buyer) in &mut self.buyers {
            loop {
                let content = match buyer.next_ready(i64::MAX) {
                    Some(slot) => buyer.receive(&slot),
                    None if buyer.pending().is_empty() => break,
                    None => buyer.announce(),
                };
                announced.extend(content.map(|content| Announced::by_former(name, content)));
            }
        }
        announced
    }

    /// The next time at which it can do something.
    pub(crate) fn next_at(&self) -> Option<i64> {
        let of_buyer = |buyer: &OfBuyer| {
            let receives = buyer.next_incoming().map(|(_, at)| at).min();
            let announces = buyer.final_answer.is_none() && !buyer.pending().is_empty();
            [receives, announces.then_some(buyer.busy_until)].into_iter().flatten().min()
        };
        self.buyers.values().filter_map(of_buyer).min()
    }

    /// Receives one event or makes one announcement, if it is time. Returns `false` if there is nothing to do.
    pub(crate) fn act(&mut self, now: i64, chance: &mut Chance, announced: &mut Vec<Announced>) -> bool {
        let (first, count) = (chance.below(self.buyers.len().max(1)), self.buyers.len());
        for at in 0..count {
            let Some((name, buyer)) = self.buyers.iter_mut().nth((first + at) % count) else { continue };
            let can_announce =
                buyer.final_answer.is_none() && buyer.busy_until <= now && !buyer.pending().is_empty();
            let content = match buyer.next_ready(now) {
                Some(slot) if !can_announce || chance.per_mille(500) => buyer.receive(&slot),
                _ if can_announce => buyer.announce(),
                _ => continue,
            };
            buyer.busy_until = now + chance.up_to(self.announces_within);
            announced.extend(content.map(|content| Announced::by_former(name, content)));
            return true;
        }
        false
    }

    /// The answer to a look-up, which changes nothing. A buyer that was handed over without being known has an answer
    /// too.
    pub(crate) fn look_up(&self, buyer: &str) -> Option<String> {
        let known = self.buyers.get(buyer)?;
        let is_known = !known.offers.is_empty() || known.final_answer.is_some();
        is_known.then(|| self.answer(buyer, known))
    }

    /// The answer to a handover. The first answer is final, even if the buyer is not known. The handover is refused
    /// while announcements are pending.
    pub(crate) fn hand_over(
        &mut self,
        buyer: &str,
        off: Option<Safeguard>,
    ) -> Result<Option<String>, AnnouncementsPending> {
        self.buyers.entry(buyer.to_owned()).or_default();
        let Some(known) = self.buyers.get(buyer) else { return Ok(None) };
        if let Some(FinalAnswer(final_answer)) = &known.final_answer
            && off != Some(Safeguard::SameAnswer)
        {
            return Ok(final_answer.clone());
        }
        if known.final_answer.is_none()
            && !known.pending().is_empty()
            && off != Some(Safeguard::NothingPending)
        {
            return Err(AnnouncementsPending);
        }
        let answer = (!known.offers.is_empty()).then(|| self.answer(buyer, known));
        let binds = answer.is_some() || off != Some(Safeguard::Unbound404);
        if let Some(known) = self.buyers.get_mut(buyer).filter(|_| binds) {
            known.final_answer = Some(FinalAnswer(answer.clone()));
        }
        Ok(answer)
    }

    /// Whether it has handed over the buyer and announces nothing more about it.
    pub(crate) fn has_handed_over(&self, buyer: &str) -> bool {
        self.buyers.get(buyer).is_some_and(|known| known.final_answer.is_some())
    }

    /// The buyers that it knows, will know, or was asked to hand over.
    pub(crate) fn buyers(&self) -> impl Iterator<Item = &str> {
        self.buyers.keys().map(String::as_str)
    }

    /// The buyer's offers as it knows them.
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
            "handedOver": known.final_answer.is_some(),
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
        let has_acceptance = offer.stage == 'a' && !self.leaves_out_acceptances;
        let has_contact = self.leaves_out_contact.as_deref() != Some(id);
        json!({
            "offerId": id,
            "offerVersion": offer.version,
            "stage": stage,
            "acceptedVersion": has_acceptance.then_some(offer.accepted_at),
            "leadId": lead,
            "carId": format!("car-{id}"),
            "buyer": has_contact.then(|| json!({ "name": "Ada Canary", "email": offer.email })),
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
