//! The simulated AWS. It implements the rules that the product relies on, quoted from AWS's documentation, and
//! everything that AWS may do within them.

mod former;
mod leads;
mod outside;
mod pauses;
mod queue;
mod requests;
mod streams;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::num::NonZeroU32;

use contract::receipt::Receipt;
use contract::stored::StoredCommit;
use domain::BuyerId;
use effects::MailPace;
use effects::mail::Email;
use effects::outside::SalesMessage;
pub(crate) use former::{AnnouncementsPending, Former};
use jiff::{SignedDuration, Timestamp};
pub(crate) use leads::{Leads, OfBuyer, claimed};
use leads_store::{AddressDigest, Behind, Claim, Lease, LedgerEntry, Progress, Verdict, Walked};
pub(crate) use outside::{Announced, Content, Fate, Mail};
use outside::{Events, Sales, SalesKeys, Ses, content_of};
use pauses::PausesSeen;
use queue::Queue;
pub(crate) use queue::{Received, message_id};
use recorder::dead_letters::DeadLetter;
pub(crate) use streams::{Doorbell, SPOILT};
use streams::{Feed, Index, Streams};

use crate::chance::Chance;
use crate::fault::Site;
use crate::history::Sent;
use crate::logs::is_personal;
use crate::plan::{Operation, Safeguard, Setting, Strategy};
use crate::sight::{Sight, Sights};

/// A message that the recorder dead-lettered, and the last sequence of its buyer's stream at that time.
#[derive(Debug, Clone)]
pub(crate) struct SetAside {
    pub(crate) letter: DeadLetter,
    pub(crate) head: u64,
}

/// A claim that was granted, and the last sequence of the stream at that time.
#[derive(Debug, Clone)]
pub(crate) struct Granted {
    pub(crate) buyer: String,
    pub(crate) key: String,
    pub(crate) head: u64,
    pub(crate) nonce: String,
    /// The time of the claim by its worker's clock, and in milliseconds since the run began.
    pub(crate) at: (Timestamp, i64),
}

/// A doubtful e-mail that was given up, with the times at which it became doubtful and at which it was given up.
#[derive(Debug, Clone)]
pub(crate) struct GivenUp {
    pub(crate) buyer: String,
    pub(crate) key: String,
    pub(crate) doubtful_since: Timestamp,
    /// By its worker's clock, and in milliseconds since the run began.
    pub(crate) at: (Timestamp, i64),
}

/// A write that may take effect when its sender has long continued.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    Append(StoredCommit),
    Letter(DeadLetter),
    MoveCursor(BuyerId, Progress, Option<String>),
    Mark(BuyerId, Behind),
    Claim(Claim),
    Settle(BuyerId, String, Verdict),
    Begin(Lease),
    End(Lease),
    Walked(Walked),
    Email(Email),
    Sales(SalesMessage),
    Stop(BuyerId, AddressDigest, Receipt),
    Receipt(Receipt, Timestamp),
    Clear(StoredCommit),
    HandOver(BuyerId),
}

/// The simulated AWS with everything around it.
#[derive(Debug)]
pub(crate) struct Platform {
    /// Milliseconds since the run began.
    pub(crate) now: i64,
    pub(crate) chance: Chance,
    /// Whether the platform also does what AWS may do but rarely does: delays, repeats, losses.
    pub(crate) is_noisy: bool,
    pub(crate) off: Option<Safeguard>,
    pub(crate) strategy: Option<Strategy>,
    /// The claimed entries by nonce, if strategies are compared.
    claims: BTreeMap<String, LedgerEntry>,
    /// The groups with a redriven message.
    pub(crate) redriven: BTreeSet<String>,
    pub(crate) queue: Queue,
    pub(crate) letters: Vec<SetAside>,
    pub(crate) streams: Streams,
    pub(crate) feed: Feed,
    pub(crate) index: Index,
    pub(crate) leads: Leads,
    /// The former system, if there is one.
    pub(crate) former: Option<Former>,
    /// The operations that operators still have to do.
    pub(crate) operations: Vec<Operation>,
    /// The number of operators that have failed or been cut off.
    pub(crate) operators_cut_off: usize,
    /// The time at which operators try again after a failure.
    pub(crate) operators_back_at: i64,
    /// The current settings of the stack, and the number of their changes.
    pub(crate) setting: Setting,
    pub(crate) epoch: usize,
    /// Whether any buyer was ever to go live.
    pub(crate) may_hand_over: bool,
    /// The step in which each buyer was handed over.
    pub(crate) handed_over_at: BTreeMap<String, u64>,
    /// Whether all buyers with a recorded answer go live at the end.
    pub(crate) all_go_live: bool,
    /// The events of the offer system that are never posted.
    pub(crate) unsent: Vec<Sent>,
    /// The events that only the former system received, if they are planned.
    pub(crate) known: Vec<Sent>,
    /// The announcements of both systems.
    pub(crate) announced: Vec<Announced>,
    sales_keys: SalesKeys,
    /// What operators paused, and when.
    pub(crate) pauses: PausesSeen,
    /// Since when e-mails were doubtful, by the nonces of their claims.
    doubtful: BTreeMap<String, Timestamp>,
    /// The doubtful e-mails that were given up.
    pub(crate) given_up: Vec<GivenUp>,
    /// The violations that were noticed during the run.
    pub(crate) violations: Vec<String>,
    pub(crate) ses: Ses,
    /// The pace at which the sweeper sends e-mails.
    pub(crate) pace: MailPace,
    /// The other address of a mail by nonce, if claims are not made from the head.
    pub(crate) diverted: BTreeMap<String, String>,
    /// The queue of SES events.
    pub(crate) events: Events,
    /// The attempts that SES has reported on, by nonce: whether SES threw the mail away.
    pub(crate) reported: BTreeMap<String, bool>,
    /// The step in which each address of a buyer was stopped.
    pub(crate) stops: BTreeMap<(String, String), u64>,
    /// The mails that were requested although their worker had read that the address is stopped: buyer and address.
    pub(crate) mails_after_stop: Vec<(String, String)>,
    steps: u64,
    pub(crate) sales: Sales,
    pub(crate) late: Vec<(i64, Request)>,
    pub(crate) granted: Vec<Granted>,
    /// The number of e-mails that faults may have left in doubt.
    pub(crate) doubts: usize,
    /// The personal data that were found outside of the facts.
    pub(crate) leaks: Vec<String>,
    pub(crate) sights: Sights,
    /// The number of panics injected into the recorder.
    pub(crate) panics: usize,
    pub(crate) trace: Option<String>,
    pub(crate) calls: [usize; Site::ALL.len()],
    nonces: u64,
}

impl Platform {
    pub(crate) fn new(chance: Chance, is_noisy: bool, off: Option<Safeguard>, has_trace: bool) -> Self {
        Self {
            now: 0,
            chance,
            is_noisy,
            off,
            strategy: None,
            claims: BTreeMap::new(),
            redriven: BTreeSet::new(),
            queue: Queue::default(),
            letters: Vec::new(),
            streams: Streams::default(),
            feed: Feed::default(),
            index: Index::default(),
            leads: Leads::default(),
            former: None,
            operations: Vec::new(),
            operators_cut_off: 0,
            operators_back_at: 0,
            setting: Setting { percent: 100, has_former: false },
            epoch: 0,
            may_hand_over: false,
            handed_over_at: BTreeMap::new(),
            all_go_live: false,
            unsent: Vec::new(),
            known: Vec::new(),
            announced: Vec::new(),
            sales_keys: SalesKeys::new(),
            pauses: PausesSeen::default(),
            doubtful: BTreeMap::new(),
            given_up: Vec::new(),
            violations: Vec::new(),
            ses: Ses::default(),
            pace: MailPace {
                per_second: NonZeroU32::MIN.saturating_add(9),
                tried_for: SignedDuration::from_hours(24),
            },
            diverted: BTreeMap::new(),
            events: Events::default(),
            reported: BTreeMap::new(),
            stops: BTreeMap::new(),
            mails_after_stop: Vec::new(),
            steps: 0,
            sales: Sales::default(),
            late: Vec::new(),
            granted: Vec::new(),
            doubts: 0,
            leaks: Vec::new(),
            sights: Sights::default(),
            panics: 0,
            trace: has_trace.then(String::new),
            calls: [0; Site::ALL.len()],
            nonces: 0,
        }
    }

    pub(crate) fn log(&mut self, words: std::fmt::Arguments<'_>) {
        if let Some(trace) = &mut self.trace {
            // Writing to a String cannot fail.
            let _ = writeln!(
                trace,
                "{:>12.3} {words}",
                std::time::Duration::from_millis(self.now.unsigned_abs()).as_secs_f64()
            );
        }
    }

    pub(crate) fn nonce(&mut self) -> String {
        self.nonces += 1;
        format!("n{}", self.nonces)
    }

    pub(crate) fn is_off(&self, safeguard: Safeguard) -> bool {
        self.off == Some(safeguard)
    }

    /// Redrives a dead letter under a new deduplication id.
    pub(crate) fn redrive(&mut self, at: usize) {
        let letter = self.letters.swap_remove(at).letter;
        let post = letter.message_id.trim_start_matches('m').parse::<usize>().ok();
        let post = post.and_then(|id| self.queue.posts.get(id).copied()).unwrap_or(usize::MAX);
        let dedup = self.nonce();
        self.log(format_args!("redrive of {}", letter.message_id));
        self.queue.send(self.now, &letter.group, &dedup, &letter.body, post);
        self.redriven.insert(letter.group);
        self.sights.add(Sight::Redriven);
    }

    /// The mail with the address to which its claim was diverted; `None` if it was not.
    pub(crate) fn in_place_of(&self, email: &Email) -> Option<Email> {
        let (_, nonce) = email.tags.iter().find(|(tag, _)| *tag == "nonce")?;
        Some(Email { to: self.diverted.get(nonce)?.clone(), ..email.clone() })
    }

    pub(crate) fn has_sweeper(&self) -> bool {
        !self.is_off(Safeguard::Sweeper) && !self.is(Strategy::TrustFeed)
    }

    pub(crate) fn is(&self, strategy: Strategy) -> bool {
        self.strategy == Some(strategy)
    }

    /// The next step number. Steps order events that have the same time.
    pub(crate) const fn step(&mut self) -> u64 {
        self.steps += 1;
        self.steps
    }

    /// Records a leak if the text contains personal data.
    pub(crate) fn check_not_personal(&mut self, text: &str) {
        if is_personal(text) {
            self.leaks.push(text.to_owned());
        }
    }

    /// Changes the settings of the stack. They apply to new execution environments, not to running invocations.
    pub(crate) fn set(&mut self, setting: Setting) {
        if setting.percent < self.setting.percent {
            self.sights.add(Sight::FlippedBack);
        }
        self.log(format_args!("{setting:?}"));
        self.setting = setting;
        self.epoch += 1;
        self.may_hand_over |= setting.percent > 0;
    }

    /// Whether the buyer is live by its newest commit.
    pub(crate) fn is_live(&self, buyer: &str) -> bool {
        let stream = self.streams.buyers.get(buyer);
        stream.and_then(|stream| stream.values().next_back()).is_some_and(|commit| !commit.shadow)
    }

    /// Checks that a buyer does not stay in shadow if it was handed over before this step and all its messages were
    /// received again.
    pub(crate) fn must_be_live(&mut self, buyer: &str, step: u64) {
        let is_over = self.handed_over_at.get(buyer).is_some_and(|at| *at < step);
        if is_over && self.panics == 0 && self.streams.has(buyer, 1) && !self.is_live(buyer) {
            self.violations.push(format!(
                "{buyer}: handed over, but still in shadow after a repeated message was handled"
            ));
        }
    }

    /// Records an announcement of Leadstream. A repeated sales message counts once; a mail that is sent again is
    /// another mail.
    pub(crate) fn announce_ours(&mut self, buyer: &str, key: &str) {
        let Some(content) = content_of(key) else { return };
        let is_mail = matches!(content, Content::Mailed { .. });
        if is_mail || self.sales_keys.insert((buyer.to_owned(), key.to_owned())) {
            self.announced.push(Announced { is_former: false, buyer: buyer.to_owned(), content });
        }
    }

    /// Records announcements of the former system.
    pub(crate) fn announce_theirs(&mut self, announced: impl IntoIterator<Item = Announced>) {
        for announced in announced {
            self.log(format_args!("the former system: {}: {:?}", announced.buyer, announced.content));
            self.announced.push(announced);
        }
    }
}
