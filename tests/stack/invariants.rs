//! What must hold for each of many buyers at the end, whatever the order and timing of the messages.

use std::collections::BTreeSet;

use domain::LeadId;

use crate::play::high_offer;
use crate::{Guest, Observed};

/// How one invariant holds, for one guest or for several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The invariant, as a sentence without its full stop.
    pub invariant: &'static str,
    /// The number of things that it is about.
    pub expected: usize,
    /// The number of these things found on the stack.
    pub found: usize,
    /// Every difference from the expected outcome. Each begins with the buyer's id.
    pub differences: Vec<String>,
}

impl Finding {
    /// One finding for each invariant, from the findings about each guest.
    #[must_use]
    pub fn summed(findings: &[Vec<Self>]) -> Vec<Self> {
        let mut sums = findings.first().cloned().unwrap_or_default();
        for guest in findings.iter().skip(1) {
            for (sum, more) in sums.iter_mut().zip(guest) {
                sum.expected += more.expected;
                sum.found += more.found;
                sum.differences.extend(more.differences.iter().cloned());
            }
        }
        sums
    }
}

impl Guest {
    /// How each invariant holds for this guest, always in the same order.
    #[must_use]
    pub fn findings(&self, observed: &Observed) -> Vec<Finding> {
        vec![
            self.recorded_once(observed),
            self.repeats_dropped(observed),
            self.bad_messages_set_aside(observed),
            self.leads_follow(observed),
            self.leads_announced_once(observed),
            self.quotes_requested_once(observed),
            self.emails_sent_once(observed),
        ]
    }

    /// A finding with the differences for which `holds` is false.
    fn finding(
        &self,
        invariant: &'static str,
        (expected, found): (usize, usize),
        checks: impl IntoIterator<Item = (bool, String)>,
    ) -> Finding {
        let failed = checks.into_iter().filter(|(holds, _)| !holds);
        let differences =
            failed.map(|(_, difference)| format!("{}: {difference}", self.person.buyer)).collect();
        Finding { invariant, expected, found, differences }
    }

    fn recorded_once(&self, observed: &Observed) -> Finding {
        let distinct = observed.distinct();
        let expected: BTreeSet<(String, u64)> = self.events.keys().cloned().collect();
        let check = (distinct == expected, format!("recorded are {distinct:?}, expected {expected:?}"));
        self.finding("every good event is recorded", (expected.len(), distinct.len()), [check])
    }

    fn repeats_dropped(&self, observed: &Observed) -> Finding {
        let again = observed.recorded.len() - observed.distinct().len();
        let check = (again == 0, format!("{again} events are recorded twice"));
        let found = self.repeats.saturating_sub(again);
        self.finding("every repeat is dropped", (self.repeats, found), [check])
    }

    fn bad_messages_set_aside(&self, observed: &Observed) -> Finding {
        let mut reasons = observed.dead.clone();
        reasons.sort();
        let check =
            (reasons == self.bad, format!("the dead letters are {reasons:?}, expected {:?}", self.bad));
        let counts = (self.bad.len(), reasons.len());
        self.finding("every bad message is a dead letter with its reason", counts, [check])
    }

    fn leads_follow(&self, observed: &Observed) -> Finding {
        let (low, high) = self.expected_leads();
        let open = &observed.open;
        let open_high: BTreeSet<String> = open.iter().filter_map(high_offer).collect();
        let is_low_open = open.iter().any(|lead| matches!(lead, LeadId::Low { .. }));
        self.finding(
            "the open leads follow from the events, in any order",
            (high.len() + usize::from(low), open.len()),
            [
                (open_high == high, format!("the open high leads are {open_high:?}, expected {high:?}")),
                (is_low_open == low, format!("a low lead is open: {is_low_open}, expected {low}")),
            ],
        )
    }

    fn leads_announced_once(&self, observed: &Observed) -> Finding {
        let open: BTreeSet<String> = observed.open.iter().map(ToString::to_string).collect();
        let closed: BTreeSet<&str> = observed.leads("lead.closed.v1").collect();
        let opened: Vec<&str> = observed.leads("lead.opened.v1").collect();
        let still: Vec<&str> = opened.into_iter().filter(|lead| !closed.contains(lead)).collect();
        let known: BTreeSet<String> = still.iter().map(ToString::to_string).collect();
        self.finding(
            "each open lead is announced once to the sales team",
            (open.len(), still.len()),
            [
                (known == open, format!("the sales team has {known:?} open, the stream {open:?}")),
                (known.len() == still.len(), format!("a lead was announced twice: {still:?}")),
            ],
        )
    }

    fn quotes_requested_once(&self, observed: &Observed) -> Finding {
        let of_kind = observed.sales.iter().filter(|message| message["type"] == "quote.requested.v1");
        let quotes: Vec<&str> = of_kind.filter_map(|message| message["data"]["offerId"].as_str()).collect();
        let distinct: BTreeSet<&str> = quotes.iter().copied().collect();
        let made: BTreeSet<&str> = self.events.keys().map(|(offer, _)| offer.as_str()).collect();
        self.finding(
            "no quote is requested twice",
            (distinct.len(), quotes.len()),
            [
                (distinct.len() == quotes.len(), format!("a quote was requested twice: {quotes:?}")),
                (
                    distinct.is_subset(&made),
                    format!("quotes were requested for {quotes:?}, made are {made:?}"),
                ),
            ],
        )
    }

    fn emails_sent_once(&self, observed: &Observed) -> Finding {
        let Observed { mails, ledger, open, .. } = observed;
        let mut checks = vec![(
            mails.len() == ledger.len(),
            format!("SES took {} e-mails, the ledger lists {ledger:?} as sent", mails.len()),
        )];
        for key in ledger {
            checks.push((mails.iter().any(|mail| mail.is_for(key)), format!("SES took no e-mail for {key}")));
        }
        let invitations = mails.iter().filter(|mail| mail.is_for("quote-email")).count();
        let is_low_expected = self.expected_leads().0;
        checks.push((invitations <= 1, format!("{invitations} invitations were sent")));
        checks.push((
            !is_low_expected || invitations == 1,
            "no invitation was sent although the low lead is open".to_owned(),
        ));
        for lead in open {
            if let LeadId::High { offer, accepted_at } = lead {
                let key = format!("accepted-email/{offer}/{accepted_at}");
                checks.push((ledger.contains(&key), format!("the ledger has no sent e-mail for {key}")));
            }
        }
        self.finding("each e-mail is sent once", (ledger.len(), mails.len()), checks)
    }
}

impl Observed {
    /// The offer and the version of the recorded events, each once.
    fn distinct(&self) -> BTreeSet<(String, u64)> {
        self.recorded.iter().map(|event| (event.offer.clone(), event.version)).collect()
    }

    /// The leads in the sales messages of a type, in order.
    fn leads(&self, kind: &str) -> impl Iterator<Item = &str> {
        let of_kind = self.sales.iter().filter(move |message| message["type"] == kind);
        of_kind.filter_map(|message| message["data"]["leadId"].as_str())
    }
}

#[cfg(test)]
mod tests {
    use domain::{OfferId, OfferVersion, Sequence};
    use serde_json::json;

    use super::*;
    use crate::{Mail, Outcome, Recorded, crowd};

    /// What a stack contains about a guest if everything is as expected.
    fn expected(guest: &Guest) -> Observed {
        let recorded = guest.events.iter().map(|((offer, version), kind)| Recorded {
            kind: (*kind).to_owned(),
            offer: offer.clone(),
            version: *version,
            outcome: Outcome { low: false, high: Vec::new(), held: Vec::new(), effects: Vec::new() },
        });
        let (low, high) = guest.expected_leads();
        let low = low.then(|| LeadId::Low { opened_at: Sequence::new(1) });
        let high = high.iter().map(|offer| LeadId::High {
            offer: OfferId::parse(offer).unwrap(),
            accepted_at: OfferVersion::new(2).unwrap(),
        });
        let open: BTreeSet<LeadId> = low.into_iter().chain(high).collect();
        let sales =
            open.iter().map(|lead| json!({"type": "lead.opened.v1", "data": {"leadId": lead.to_string()}}));
        let quote = json!({"type": "quote.requested.v1", "data": {"offerId": "car-0"}});
        let ledger = open.iter().map(|lead| match lead {
            LeadId::High { offer, accepted_at } => format!("accepted-email/{offer}/{accepted_at}"),
            LeadId::Low { .. } | LeadId::Former { .. } => "quote-email".to_owned(),
        });
        let ledger: Vec<String> = ledger.collect();
        let mails = ledger.iter().map(|key| {
            let offer = key.strip_prefix("accepted-email/").and_then(|rest| rest.split('/').next());
            let subject = if offer.is_some() { "Your offer was accepted" } else { "An insurance quote" };
            let text = format!("/offers/{}\n", offer.unwrap_or_default());
            Mail { subject: subject.to_owned(), text, html: String::new() }
        });
        Observed {
            recorded: recorded.collect(),
            dead: guest.bad.clone(),
            open: open.clone(),
            sales: sales.chain([quote]).collect(),
            mails: mails.collect(),
            ledger,
        }
    }

    /// The invariants that do not hold.
    fn broken(guest: &Guest, observed: &Observed) -> Vec<&'static str> {
        let findings = guest.findings(observed).into_iter();
        findings.filter(|finding| !finding.differences.is_empty()).map(|finding| finding.invariant).collect()
    }

    #[test]
    fn expected_outcomes_break_no_invariant_and_their_numbers_agree() {
        for guest in crowd("guest").unwrap() {
            for finding in guest.findings(&expected(&guest)) {
                assert_eq!(finding.differences, [""; 0]);
                assert_eq!(finding.found, finding.expected, "{}", finding.invariant);
            }
        }
    }

    #[test]
    fn each_fault_breaks_its_invariant() {
        let guests = crowd("guest").unwrap();
        let has_all =
            |guest: &&Guest| guest.repeats > 0 && !guest.bad.is_empty() && !expected(guest).open.is_empty();
        let guest = guests.iter().find(has_all).unwrap();
        let with = |change: fn(&mut Observed)| {
            let mut observed = expected(guest);
            change(&mut observed);
            broken(guest, &observed)
        };
        let repeat_first = |seen: &mut Observed| seen.recorded.push(seen.recorded[0].clone());
        assert_eq!(with(|seen| drop(seen.recorded.pop())), ["every good event is recorded"]);
        assert_eq!(with(repeat_first), ["every repeat is dropped"]);
        assert_eq!(
            with(|seen| drop(seen.dead.pop())),
            ["every bad message is a dead letter with its reason"]
        );
        assert_eq!(
            with(|seen| seen.open.clear()),
            [
                "the open leads follow from the events, in any order",
                "each open lead is announced once to the sales team"
            ]
        );
        assert_eq!(
            with(|seen| seen.sales.push(seen.sales[0].clone())),
            ["each open lead is announced once to the sales team"]
        );
        assert_eq!(
            with(|seen| seen.sales.push(seen.sales[seen.sales.len() - 1].clone())),
            ["no quote is requested twice"]
        );
        assert_eq!(with(|seen| seen.mails.push(seen.mails[0].clone())), ["each e-mail is sent once"]);
        assert_eq!(with(|seen| seen.mails.clear()), ["each e-mail is sent once"]);
    }

    #[test]
    fn sums_add_numbers_and_collect_differences() {
        let finding = |found, differences: &[&str]| Finding {
            invariant: "one rule",
            expected: 2,
            found,
            differences: differences.iter().map(ToString::to_string).collect(),
        };
        let sums = Finding::summed(&[vec![finding(2, &[])], vec![finding(1, &["buyer-2: one is missing"])]]);
        assert_eq!(sums, [Finding { expected: 4, ..finding(3, &["buyer-2: one is missing"]) }]);
    }
}
