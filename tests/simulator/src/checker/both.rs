//! Checks the announcements of both systems together, as if they came from one system.

use std::collections::{BTreeMap, BTreeSet};

use super::story::{Story, Violations};
use crate::history::Sent;
use crate::platform::{Announced, Content, Platform};
use crate::rules::{Offer, offers_of};
use crate::sight::{Sight, Sights};

type SentBySlot<'a> = BTreeMap<(&'a str, &'a str, u32), Vec<&'a Sent>>;

/// The offers of one buyer in the offer system: the kind of event by version.
type Truth<'a> = BTreeMap<&'a str, BTreeMap<u32, &'a str>>;

/// A lead that was announced as open.
#[derive(Debug)]
struct Opened {
    /// The offer, and the version at which the acceptance behind this lead began. `None` for a low lead.
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
    let empty = Story { facts: Vec::new(), after: Vec::new(), dues: Vec::new(), live_from: None };
    for (buyer, announced) in &by_buyer {
        let truth = truth(platform, sent, buyer);
        let story = stories.get(buyer).unwrap_or(&empty);
        let is_consistent = is_consistent(story, sent, buyer);
        let announcements = Announcements { buyer, announced, truth: is_consistent.then_some(&truth) };
        let leads = announcements.check_leads(violations);
        announcements.check_mails_and_quotes(violations);
        if story.live_from.is_none() {
            announcements.check_shadow(&leads, &former.offers(buyer), violations);
            let is_left = former.has_handed_over(buyer);
            violations.must(!is_left, || {
                format!("{buyer}: the former system has handed over, but the buyer is still in shadow")
            });
        } else if is_consistent {
            announcements.check_none_lost(story, violations);
        }
    }
    for (buyer, story) in stories.iter().filter(|(_, story)| story.live_from.is_some()) {
        let truth = truth(platform, sent, buyer);
        if is_consistent(story, sent, buyer) && !story.end().is_erased {
            check_knowledge(buyer, story, &truth, violations);
        }
    }
}

/// The offers of a buyer in the offer system, including events that are never posted to us.
fn truth<'a>(platform: &'a Platform, sent: &SentBySlot<'a>, buyer: &str) -> Truth<'a> {
    let posted = sent.values().flatten().copied();
    let all = posted.chain(platform.unsent.iter()).chain(&platform.known);
    all.filter(|event| event.buyer == buyer && !event.is_odd).fold(Truth::new(), |mut truth, event| {
        truth.entry(event.offer.as_str()).or_default().insert(event.version, event.kind);
        truth
    })
}

/// Whether the recorded events can be judged by the offer system's: none contradicts it, and none was voided.
fn is_consistent(story: &Story, sent: &SentBySlot<'_>, buyer: &str) -> bool {
    story.facts.iter().all(|fact| {
        let sent_events = sent.get(&(buyer, fact.offer.as_str(), fact.version));
        let is_odd = |event: &&&Sent| event.is_odd && event.kind == fact.kind && event.email == fact.email;
        fact.kind != "voided" && sent_events.is_none_or(|events| !events.iter().any(|event| is_odd(&event)))
    })
}

/// The version at which the acceptance that is valid at `version` began; 0 if the offer is not accepted then.
fn acceptance_began(truth: &Truth<'_>, offer: &str, version: u32) -> u32 {
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

/// The announcements about one buyer, in order. `truth` is `None` if they cannot be judged by it.
struct Announcements<'a> {
    buyer: &'a str,
    announced: &'a [&'a Announced],
    truth: Option<&'a Truth<'a>>,
}

impl Announcements<'_> {
    /// An offer and the beginning of its acceptance, for an offer and any version of that acceptance.
    fn about(&self, about: Option<&(String, u32)>) -> Option<(String, u32)> {
        let (offer, version) = about?;
        Some((offer.clone(), self.truth.map_or(0, |truth| acceptance_began(truth, offer, *version))))
    }

    /// Every lead must open once and close once. No two leads may be about the same acceptance, and no two open leads
    /// about the same offer.
    fn check_leads(&self, violations: &mut Violations) -> BTreeMap<String, Opened> {
        let buyer = self.buyer;
        let mut leads: BTreeMap<String, Opened> = BTreeMap::new();
        let mut closed: BTreeSet<&str> = BTreeSet::new();
        for Announced { content, .. } in self.announced {
            match content {
                // An opening that comes after its closing is ignored by the consumer.
                Content::Opened { lead, .. } if closed.contains(lead.as_str()) => {}
                Content::Opened { lead, about } => {
                    let new = Opened { about: self.about(about.as_ref()), is_over: false };
                    let offer = |opened: &Opened| opened.about.clone().map(|(offer, _)| offer);
                    for (name, other) in leads.iter().filter(|(_, other)| offer(other) == offer(&new)) {
                        violations.must(other.is_over, || {
                            format!("{buyer}: {lead} is opened while {name} is open")
                        });
                        let is_same = self.truth.is_some() && new.about.is_some() && new.about == other.about;
                        violations.must(!is_same, || {
                            format!("{buyer}: {lead} is about the same acceptance as {name}: {new:?}")
                        });
                    }
                    violations.must(!leads.contains_key(lead), || format!("{buyer}: {lead} is opened twice"));
                    leads.insert(lead.clone(), new);
                }
                Content::Closed { lead } => {
                    let is_new = closed.insert(lead);
                    violations.must(is_new, || format!("{buyer}: {lead} is closed twice"));
                    let is_known = leads.get_mut(lead).map(|opened| opened.is_over = true).is_some();
                    // Leadstream leaves out an opening that is over before it is announced.
                    violations.must(is_known || lead.contains('/'), || {
                        format!("{buyer}: {lead} is closed, but was never opened")
                    });
                }
                Content::Quoted { .. } | Content::Mailed { .. } => {}
            }
        }
        leads
    }

    /// Mails and quotes must go out at most once over both systems.
    fn check_mails_and_quotes(&self, violations: &mut Violations) {
        let mut announced: BTreeSet<Content> = BTreeSet::new();
        for Announced { content, .. } in self.announced {
            let content = match content {
                Content::Quoted { .. } | Content::Mailed { about: None } => content.clone(),
                Content::Mailed { about } if self.truth.is_some() => {
                    Content::Mailed { about: self.about(about.as_ref()) }
                }
                Content::Mailed { .. } | Content::Opened { .. } | Content::Closed { .. } => continue,
            };
            let is_new = announced.insert(content.clone());
            violations
                .must(is_new, || format!("{}: announced twice over both systems: {content:?}", self.buyer));
        }
    }

    /// In shadow only the former system may announce, and it must have announced everything that its offers call for.
    fn check_shadow(
        &self,
        leads: &BTreeMap<String, Opened>,
        offers: &BTreeMap<String, Offer>,
        violations: &mut Violations,
    ) {
        let ours = self.announced.iter().find(|announced| !announced.is_former);
        violations
            .must(ours.is_none(), || format!("{}: announced by Leadstream in shadow: {ours:?}", self.buyer));
        let open = leads.values().filter(|lead| !lead.is_over);
        let open: BTreeSet<Option<&str>> =
            open.map(|lead| lead.about.as_ref().map(|(offer, _)| offer.as_str())).collect();
        let called_for = called_for(offers);
        violations.must(open == called_for, || {
            format!(
                "{}: the former system has {open:?} open in shadow, called for are {called_for:?}",
                self.buyer
            )
        });
    }

    /// Everything that the final state calls for must be announced by one of the systems. The module `effects` checks
    /// that the effects of Leadstream are performed.
    fn check_none_lost(&self, story: &Story, violations: &mut Violations) {
        let end = story.end();
        let by_former = |wanted: &Content| {
            self.announced.iter().filter(|announced| announced.is_former).any(|announced| {
                match &announced.content {
                    Content::Mailed { about } => {
                        Content::Mailed { about: self.about(about.as_ref()) } == *wanted
                    }
                    content @ (Content::Quoted { .. } | Content::Opened { .. } | Content::Closed { .. }) => {
                        content == wanted
                    }
                }
            })
        };
        let is_due = |key: &str| story.our_dues().any(|due| due.key == key);
        for (id, lead) in &end.high {
            let Some(offer) = end.offers.get(id) else { continue };
            // An acceptance that is withdrawn and renewed within one chain keeps its lead and causes no mail.
            if lead.at != u64::from(offer.accepted_at) {
                continue;
            }
            let mail = Content::Mailed { about: self.about(Some(&(id.clone(), offer.accepted_at))) };
            let is_done = by_former(&mail) || is_due(&format!("accepted-email/{id}/{}", lead.at));
            violations.must(is_done, || format!("{}: mail lost over both systems: {mail:?}", self.buyer));
        }
        if end.low.is_some() {
            let is_done = by_former(&Content::Mailed { about: None }) || is_due("quote-email");
            violations.must(is_done, || format!("{}: invitation lost over both systems", self.buyer));
        }
        for (id, offer) in end.offers.iter().filter(|(_, offer)| offer.stage != 'c') {
            let is_done = by_former(&Content::Quoted { offer: id.clone() }) || is_due(&format!("quote/{id}"));
            violations.must(is_done || offer.email.is_empty(), || {
                format!("{}: quote lost over both systems: {id}", self.buyer)
            });
        }
    }
}

/// The leads that these offers call for: the accepted offers, or `None` for a low lead.
fn called_for(offers: &BTreeMap<String, Offer>) -> BTreeSet<Option<&str>> {
    let accepted = offers.iter().filter(|(_, offer)| offer.stage == 'a');
    let high: BTreeSet<Option<&str>> = accepted.map(|(id, _)| Some(id.as_str())).collect();
    let is_low = high.is_empty() && offers.values().any(|offer| offer.stage == 'p');
    if is_low { BTreeSet::from([None]) } else { high }
}

/// The recorded offers must be those of the offer system, no matter which system reported them.
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
        violations.must(real.stage == offer.stage, || {
            format!("{buyer}: {id} is {real:?} in the offer system, but {offer:?} is recorded")
        });
    }
}

/// Records the sights of a history beside a former system.
pub(super) fn note_sights(story: &Story, sights: &mut Sights) {
    let none = story.after.first().filter(|_| false);
    for (at, fact) in story.facts.iter().enumerate() {
        let Some(answer) = &fact.answer else { continue };
        let before = at.checked_sub(1).and_then(|at| story.after.get(at)).or(none);
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
            sights.add(Sight::LowLeadKept);
        }
        if after.high.values().any(|lead| lead.is_former) {
            sights.add(Sight::HighLeadKept);
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
