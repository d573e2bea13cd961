//! Lists over all buyers: open leads, dead letters, gaps and e-mails.

use askama::Template;
use domain::Priority;
use jiff::Timestamp;
use leads_store::{LeadLook, LedgerEntry, Open, OpenLead, SeenWork, Status};

use super::around::{Around, quoted, render};
use crate::console::page::buyer_url;
use crate::dead_letters::Letter;
use crate::held::Gap;
use crate::output::{contact_row, count, harmless, moment, or_dash};

/// A number that is perhaps not all.
fn at_least(number: usize, is_cut: bool, one: &str) -> String {
    let number = count(number as u64, one);
    if is_cut { format!("At least {number}") } else { number }
}

/// A buyer with its page.
#[derive(Debug)]
struct Buyer {
    id: String,
    url: String,
}

impl Buyer {
    fn of(id: &str) -> Self {
        Self { id: harmless(id), url: buyer_url(id, 1) }
    }
}

#[derive(Debug, Template)]
#[template(path = "console/leads.html")]
pub(crate) struct LeadsPage {
    around: Around,
    command: String,
    lists: Vec<Leads>,
}

#[derive(Debug)]
struct Leads {
    name: &'static str,
    summary: String,
    rows: Vec<Lead>,
}

#[derive(Debug)]
struct Lead {
    since: String,
    buyer: Buyer,
    name: String,
    offer: String,
    car: String,
    contact: [String; 3],
}

impl LeadsPage {
    pub(crate) fn new(around: Around, looks: &[(Priority, LeadLook)]) -> Self {
        let lists = looks.iter().map(|(priority, look)| Leads {
            name: priority.name(),
            summary: match look.oldest.len() {
                shown if shown < look.seen || look.is_cut => {
                    format!(
                        "{}; the oldest {shown} are listed.",
                        at_least(look.seen, look.is_cut, "open lead")
                    )
                }
                shown => format!("{}.", count(shown as u64, "open lead")),
            },
            rows: look.oldest.iter().map(Lead::of).collect(),
        });
        Self { lists: lists.collect(), command: around.leads("list"), around }
    }

    pub(crate) fn html(&self) -> String {
        render(self)
    }
}

impl Lead {
    fn of(OpenLead { buyer, lead, known }: &OpenLead) -> Self {
        Self {
            since: or_dash(known.opened_at.map(moment)),
            buyer: Buyer::of(buyer.as_str()),
            name: lead.to_string(),
            offer: or_dash(known.offer.as_ref()),
            car: or_dash(known.car.as_ref()),
            contact: contact_row(known.contact.as_ref()),
        }
    }
}

#[derive(Debug, Template)]
#[template(path = "console/letters.html")]
pub(crate) struct LettersPage {
    around: Around,
    summary: String,
    command: String,
    rows: Vec<Dead>,
}

#[derive(Debug)]
struct Dead {
    buyer: Buyer,
    sent: String,
    reason: String,
    detail: String,
    command: String,
}

impl LettersPage {
    /// `about` is the number of letters in the queue, by its own count.
    pub(crate) fn new(around: Around, letters: &[Letter], about: u64) -> Self {
        let shown = letters.len() as u64;
        let summary = match about.max(shown) {
            0 => "The queue of dead letters is empty.".to_owned(),
            all if all > shown => format!("About {}; {shown} are listed.", count(all, "dead letter")),
            all => format!("{}.", count(all, "dead letter")),
        };
        let rows = letters.iter().map(|letter| Dead {
            buyer: Buyer::of(&letter.buyer),
            sent: or_dash(letter.sent_at.map(moment)),
            reason: harmless(&letter.reason),
            detail: or_dash(letter.detail.as_deref().map(harmless)),
            command: around.leads(&format!("dead-letters show {}", quoted(&harmless(&letter.id)))),
        });
        Self { rows: rows.collect(), summary, command: around.leads("dead-letters list"), around }
    }

    pub(crate) fn html(&self) -> String {
        render(self)
    }
}

#[derive(Debug, Template)]
#[template(path = "console/gaps.html")]
pub(crate) struct GapsPage {
    around: Around,
    summary: String,
    command: String,
    rows: Vec<Missing>,
}

#[derive(Debug)]
struct Missing {
    buyer: Buyer,
    offer: String,
    waits_for: String,
    held: String,
    since: String,
}

/// The number of held versions that are listed for a gap.
const HELD: usize = 8;

impl GapsPage {
    /// `seen` is the number of buyers that were found, whether there may be more, and of how many gaps were read.
    pub(crate) fn new(around: Around, gaps: &[Gap], (buyers, is_cut, read): (usize, bool, usize)) -> Self {
        let summary = match buyers {
            0 => "No events are held.".to_owned(),
            _ if is_cut || buyers > read => {
                let all = at_least(buyers, is_cut, "buyer");
                format!("{all} with gaps; the {read} waiting longest are listed.")
            }
            _ => format!("{} with gaps.", count(buyers as u64, "buyer")),
        };
        let rows = gaps.iter().map(|gap| {
            let mut held: Vec<String> = gap.held.iter().take(HELD).map(ToString::to_string).collect();
            let others = gap.held.len().saturating_sub(HELD);
            held.extend((others > 0).then(|| format!("{others} more")));
            Missing {
                buyer: Buyer::of(gap.buyer.as_str()),
                offer: gap.offer.to_string(),
                waits_for: gap.waits_for.to_string(),
                held: held.join(", "),
                since: or_dash(gap.since.map(moment)),
            }
        });
        Self { rows: rows.collect(), summary, command: around.leads("held"), around }
    }

    pub(crate) fn html(&self) -> String {
        render(self)
    }
}

#[derive(Debug, Template)]
#[template(path = "console/emails.html")]
pub(crate) struct EmailsPage {
    around: Around,
    lists: Vec<Emails>,
    ended: String,
}

/// E-mails of one status.
#[derive(Debug)]
struct Emails {
    id: &'static str,
    name: &'static str,
    summary: String,
    command: String,
    rows: Vec<Email>,
}

#[derive(Debug)]
struct Email {
    key: String,
    buyer: Buyer,
    since: String,
    first_tried: String,
    next: String,
    reason: String,
}

impl EmailsPage {
    pub(crate) fn new(around: Around, work: &[SeenWork], is_cut: bool) -> Self {
        let list = |status: Status, name| {
            let emails = work.iter().filter_map(|item| match &item.work.what {
                Open::Email { key, entry } if entry.status == status => Some((item, key, entry.as_ref())),
                Open::Email { .. } | Open::Behind | Open::Held(_) => None,
            });
            let mut emails: Vec<(Timestamp, Email)> =
                emails.map(|(item, key, entry)| (entry.since, Email::of(item, key, entry))).collect();
            emails.sort_by_key(|(since, _)| *since);
            Emails {
                id: status.name(),
                name,
                summary: format!("{}.", at_least(emails.len(), is_cut, "e-mail")),
                command: around.leads(&format!("emails --status {}", status.name())),
                rows: emails.into_iter().map(|(_, email)| email).collect(),
            }
        };
        let lists = vec![list(Status::Unknown, "In doubt"), list(Status::Retry, "To be retried")];
        Self { lists, ended: around.leads("emails --status abandoned"), around }
    }

    pub(crate) fn html(&self) -> String {
        render(self)
    }
}

impl Email {
    fn of(item: &SeenWork, key: &str, entry: &LedgerEntry) -> Self {
        Self {
            key: key.to_owned(),
            buyer: Buyer::of(item.work.buyer.as_str()),
            since: moment(entry.since),
            first_tried: or_dash(entry.first_tried_at.map(moment)),
            next: or_dash(entry.due.map(moment)),
            reason: or_dash(entry.reason.as_deref().map(harmless)),
        }
    }
}
