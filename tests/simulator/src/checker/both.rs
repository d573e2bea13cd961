//! What both systems announced together: as if there had been one.

use std::collections::{BTreeMap, BTreeSet};

use super::{Story, Violations};
use crate::history::Sent;
use crate::platform::{Announced, Platform, What};
use crate::rules::{Offer, offers_of};
use crate::sight::{Sight, Sights};

type SentBySlot<'a> = BTreeMap<(&'a str, &'a str, u32), Vec<&'a Sent>>;

/// The offers of one buyer as the offer system has them: kinds by version.
type Truth<'a> = BTreeMap<&'a str, BTreeMap<u32, &'a str>>;

/// A lead that was opened.
#[derive(Debug)]
struct Opened {
    /// The offer, and the version at which the acceptance that it is about really began; nothing of a low lead.
    about: Option<(String, u32)>,
    is_over: bool,
}

pub(super) fn check(
    platform: &Platform,
    sent: &SentBySlot<'_>,
    stories: &BTreeMap<&str, Story>,
    violations: &mut Violations,
) {
    let Some(former) = &platform.former else { return };
    let mut by_buyer: BTreeMap<&str, Vec<&Announced>> = BTreeMap::new();
    for announced in &platform.announced {
        by_buyer.entry(&announced.buyer).or_default().push(announced);
    }
    let nobody = Story { facts: Vec::new(), after: Vec::new(), dues: Vec::new(), live_from: None };
    for (buyer, announced) in &by_buyer {
        let truth = truth(platform, sent, buyer);
        let story = stories.get(buyer).unwrap_or(&nobody);
        let is_straight = is_straight(story, sent, buyer);
        let heard = Heard { buyer, announced, truth: is_straight.then_some(&truth) };
        let leads = heard.leads(violations);
        heard.mails_and_quotes(violations);
        if story.live_from.is_none() {
            heard.check_shadow(&leads, &former.offers(buyer), violations);
            let is_left = former.has_handed_over(buyer);
            violations.must(!is_left, || format!("{buyer}: handed over there, in shadow here"));
        } else if is_straight {
            heard.none_lost(story, violations);
        }
    }
    for (buyer, story) in stories.iter().filter(|(_, story)| story.live_from.is_some()) {
        let truth = truth(platform, sent, buyer);
        if is_straight(story, sent, buyer) && !story.end().is_erased {
            check_knowledge(buyer, story, &truth, violations);
        }
    }
}

/// What the offer system has of a buyer, also what never comes to us.
fn truth<'a>(platform: &'a Platform, sent: &SentBySlot<'a>, buyer: &str) -> Truth<'a> {
    let posted = sent.values().flatten().copied();
    let all = posted.chain(platform.unsent.iter()).chain(&platform.known);
    all.filter(|event| event.buyer == buyer && !event.is_odd).fold(Truth::new(), |mut truth, event| {
        truth.entry(event.offer.as_str()).or_default().insert(event.version, event.kind);
        truth
    })
}

/// Whether nothing was recorded with which its sender contradicts itself, and nothing is void that was sent.
fn is_straight(story: &Story, sent: &SentBySlot<'_>, buyer: &str) -> bool {
    story.facts.iter().all(|fact| {
        let said = sent.get(&(buyer, fact.offer.as_str(), fact.version));
        let is_odd = |event: &&&Sent| event.is_odd && event.kind == fact.kind && event.email == fact.email;
        fact.kind != "voided" && said.is_none_or(|said| !said.iter().any(|event| is_odd(&event)))
    })
}

/// The version at which the acceptance began that holds at this one.
fn run(truth: &Truth<'_>, offer: &str, version: u32) -> u32 {
    let mut began = 0;
    for (at, kind) in truth.get(offer).into_iter().flatten().filter(|(at, _)| **at <= version) {
        began = match (*kind, began) {
            ("accepted", 0) => *at,
            ("accepted", began) => began,
            _ => 0,
        };
    }
    began
}

/// What was announced of one buyer, in order. `truth` only where it can be judged by that.
struct Heard<'a> {
    buyer: &'a str,
    announced: &'a [&'a Announced],
    truth: Option<&'a Truth<'a>>,
}

impl Heard<'_> {
    fn about(&self, about: Option<&(String, u32)>) -> Option<(String, u32)> {
        let (offer, version) = about?;
        Some((offer.clone(), self.truth.map_or(0, |truth| run(truth, offer, *version))))
    }

    /// Every lead opens once, is about what no other one was about, and not beside another one about the same offer; it is closed once.
    fn leads(&self, violations: &mut Violations) -> BTreeMap<String, Opened> {
        let buyer = self.buyer;
        let mut leads: BTreeMap<String, Opened> = BTreeMap::new();
        let mut closed: BTreeSet<&str> = BTreeSet::new();
        for Announced { what, .. } in self.announced {
            match what {
                // What comes after its closing never opens.
                What::Opened { lead, .. } if closed.contains(lead.as_str()) => {}
                What::Opened { lead, about } => {
                    let new = Opened { about: self.about(about.as_ref()), is_over: false };
                    let offer = |opened: &Opened| opened.about.clone().map(|(offer, _)| offer);
                    for (name, other) in leads.iter().filter(|(_, other)| offer(other) == offer(&new)) {
                        violations.must(other.is_over, || format!("{buyer}: {lead} is opened beside {name}"));
                        let is_same = self.truth.is_some() && new.about.is_some() && new.about == other.about;
                        violations.must(!is_same, || {
                            format!("{buyer}: {lead} is opened, and {name} was about the same: {new:?}")
                        });
                    }
                    violations.must(!leads.contains_key(lead), || format!("{buyer}: {lead} is opened twice"));
                    leads.insert(lead.clone(), new);
                }
                What::Closed { lead } => {
                    let is_new = closed.insert(lead);
                    violations.must(is_new, || format!("{buyer}: {lead} is closed twice"));
                    let is_known = leads.get_mut(lead).map(|opened| opened.is_over = true).is_some();
                    // An opening of ours that is over before it is announced is left out.
                    violations.must(is_known || lead.contains('/'), || {
                        format!("{buyer}: {lead} is closed, and was never open")
                    });
                }
                What::Quoted { .. } | What::Mailed { .. } => {}
            }
        }
        leads
    }

    /// At most once over both systems.
    fn mails_and_quotes(&self, violations: &mut Violations) {
        let mut said: BTreeSet<What> = BTreeSet::new();
        for Announced { what, .. } in self.announced {
            let what = match what {
                What::Quoted { .. } | What::Mailed { about: None } => what.clone(),
                What::Mailed { about } if self.truth.is_some() => {
                    What::Mailed { about: self.about(about.as_ref()) }
                }
                What::Mailed { .. } | What::Opened { .. } | What::Closed { .. } => continue,
            };
            let is_new = said.insert(what.clone());
            violations.must(is_new, || format!("{}: twice over both systems: {what:?}", self.buyer));
        }
    }

    /// In shadow the former system announces alone, and all that its offers call for.
    fn check_shadow(
        &self,
        leads: &BTreeMap<String, Opened>,
        offers: &BTreeMap<String, Offer>,
        violations: &mut Violations,
    ) {
        let ours = self.announced.iter().find(|announced| !announced.is_former);
        violations.must(ours.is_none(), || format!("{}: in shadow, and we announced {ours:?}", self.buyer));
        let open = leads.values().filter(|lead| !lead.is_over);
        let open: BTreeSet<Option<&str>> =
            open.map(|lead| lead.about.as_ref().map(|(offer, _)| offer.as_str())).collect();
        let called_for = called_for(offers);
        violations.must(open == called_for, || {
            format!("{}: in shadow, open are {open:?}, called for {called_for:?}", self.buyer)
        });
    }

    /// What the end calls for was announced by one of the two; of what is ours to do `told` sees to it that it is done.
    fn none_lost(&self, story: &Story, violations: &mut Violations) {
        let end = story.end();
        let by_former = |wanted: &What| {
            self.announced.iter().filter(|announced| announced.is_former).any(|announced| {
                match &announced.what {
                    What::Mailed { about } => What::Mailed { about: self.about(about.as_ref()) } == *wanted,
                    what @ (What::Quoted { .. } | What::Opened { .. } | What::Closed { .. }) => {
                        what == wanted
                    }
                }
            })
        };
        let is_due = |key: &str| story.our_dues().any(|due| due.key == key);
        for (id, lead) in &end.high {
            let Some(offer) = end.offers.get(id) else { continue };
            // Taken back and given again within one chain, an acceptance keeps its lead, and has no mail.
            if lead.at != u64::from(offer.accepted_at) {
                continue;
            }
            let mail = What::Mailed { about: self.about(Some(&(id.clone(), offer.accepted_at))) };
            let is_done = by_former(&mail) || is_due(&format!("accepted-email/{id}/{}", lead.at));
            violations.must(is_done, || format!("{}: mail lost over both systems: {mail:?}", self.buyer));
        }
        if end.low.is_some() {
            let is_done = by_former(&What::Mailed { about: None }) || is_due("quote-email");
            violations.must(is_done, || format!("{}: invitation lost over both systems", self.buyer));
        }
        for (id, offer) in end.offers.iter().filter(|(_, offer)| offer.stage != 'c') {
            let is_done = by_former(&What::Quoted { offer: id.clone() }) || is_due(&format!("quote/{id}"));
            violations.must(is_done || offer.email.is_empty(), || {
                format!("{}: quote lost over both systems: {id}", self.buyer)
            });
        }
    }
}

/// Offers with a high lead, or nothing for a low one.
fn called_for(offers: &BTreeMap<String, Offer>) -> BTreeSet<Option<&str>> {
    let accepted = offers.iter().filter(|(_, offer)| offer.stage == 'a');
    let high: BTreeSet<Option<&str>> = accepted.map(|(id, _)| Some(id.as_str())).collect();
    let is_low = high.is_empty() && offers.values().any(|offer| offer.stage == 'p');
    if is_low { BTreeSet::from([None]) } else { high }
}

/// Where all is recorded, the offers are what the offer system says, whoever told of it.
fn check_knowledge(buyer: &str, story: &Story, truth: &Truth<'_>, violations: &mut Violations) {
    for (id, offer) in &story.end().offers {
        let Some(kinds) = truth.get(id.as_str()) else { continue };
        let facts: Vec<_> = kinds
            .range(..=offer.version)
            .map(|(version, kind)| crate::rules::Fact {
                offer: id.clone(),
                version: *version,
                kind: (*kind).to_owned(),
                email: String::new(),
                sequence: 0,
                answer: None,
            })
            .collect();
        let offers = offers_of(&facts).0;
        let Some(real) = offers.get(id).filter(|real| real.version == offer.version) else { continue };
        violations
            .must(real.stage == offer.stage, || format!("{buyer}: {id} is {real:?}, we have {offer:?}"));
    }
}

/// What runs meet beside a former system.
pub(super) fn show(story: &Story, sights: &mut Sights) {
    let nobody = story.after.first().filter(|_| false);
    for (at, fact) in story.facts.iter().enumerate() {
        let Some(answer) = &fact.answer else { continue };
        let before = at.checked_sub(1).and_then(|at| story.after.get(at)).or(nobody);
        let known = |id: &str| before.and_then(|buyer| buyer.offers.get(id)).map_or(0, |offer| offer.version);
        for (id, offer) in &answer.offers {
            match offer.version.cmp(&known(id)) {
                std::cmp::Ordering::Less => sights.add(Sight::AnswerBehind),
                std::cmp::Ordering::Greater if known(id) > 0 => sights.add(Sight::AnswerAhead),
                std::cmp::Ordering::Equal | std::cmp::Ordering::Greater => {}
            }
        }
        if fact.kind == "migrated" {
            if at > 0 && story.facts.get(at - 1).is_some_and(|fact| fact.kind != "reset") {
                sights.add(Sight::AskedLater);
            }
            continue;
        }
        let Some(after) = story.after.get(at) else { continue };
        let is_former = |lead: &&crate::rules::Lead| lead.is_former;
        if after.low.as_ref().is_some_and(|lead| lead.is_former) {
            sights.add(Sight::LowStands);
        }
        if after.high.values().any(|lead| lead.is_former) {
            sights.add(Sight::HighStands);
        }
        let stood: Vec<String> = after
            .low
            .iter()
            .chain(after.high.values())
            .filter(is_former)
            .map(|lead| format!("closed/{}", lead.name))
            .collect();
        for due in story.our_dues() {
            let is_now = due.sequence == fact.sequence;
            if is_now && due.key.starts_with("closed/") {
                sights.add(Sight::ClosedAtHandover);
            } else if is_now && due.key.starts_with("opened/") {
                sights.add(Sight::OpenedAtHandover);
            } else if stood.contains(&due.key) {
                sights.add(Sight::AdoptedClosed);
            }
        }
    }
}
