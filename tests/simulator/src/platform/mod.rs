//! The AWS that the product runs on here: every rule that it relies on, in AWS's words and with the page they are from, and
//! everything that AWS is free to do within them.

mod announced;
mod events;
mod feed;
mod former;
mod index;
mod leads;
mod outside;
mod queue;
mod requests;
mod streams;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::num::NonZeroU32;

use announced::Said;
pub(crate) use announced::{Announced, What};
use effects::MailPace;
use effects::mail::Email;
use events::Events;
pub(crate) use feed::Doorbell;
use feed::Feed;
pub(crate) use former::{Former, StillOwes};
use index::Index;
use jiff::SignedDuration;
pub(crate) use leads::{Leads, OfBuyer, claimed};
use leads_store::LedgerEntry;
pub(crate) use outside::{Fate, Mail};
use outside::{Sales, Ses};
use queue::Queue;
pub(crate) use queue::{Received, message_id};
use recorder::dead_letters::DeadLetter;
pub(crate) use requests::Request;
pub(crate) use streams::SPOILT;
use streams::Streams;

use crate::chance::Chance;
use crate::fault::Site;
use crate::history::Sent;
use crate::logs::is_personal;
use crate::operator::Operation;
use crate::safeguard::Safeguard;
use crate::sight::{Sight, Sights};
use crate::strategy::Strategy;
use crate::takeover::Setting;

/// A message that the recorder set aside, and how long its buyer's stream was then.
#[derive(Debug, Clone)]
pub(crate) struct SetAside {
    pub(crate) letter: DeadLetter,
    pub(crate) head: u64,
}

/// A claim that was granted, and how long the stream was then.
#[derive(Debug, Clone)]
pub(crate) struct Granted {
    pub(crate) buyer: String,
    pub(crate) key: String,
    pub(crate) head: u64,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Platform {
    /// Milliseconds since the run began.
    pub(crate) now: i64,
    pub(crate) chance: Chance,
    /// Whether it makes use of what it is free to do.
    pub(crate) is_noisy: bool,
    pub(crate) off: Option<Safeguard>,
    pub(crate) strategy: Option<Strategy>,
    /// What was claimed, by nonce, where strategies are compared.
    claims: BTreeMap<String, LedgerEntry>,
    /// Groups with a message that was redriven.
    pub(crate) redriven: BTreeSet<String>,
    pub(crate) queue: Queue,
    pub(crate) letters: Vec<SetAside>,
    pub(crate) streams: Streams,
    pub(crate) feed: Feed,
    pub(crate) index: Index,
    pub(crate) leads: Leads,
    /// The system that recorded buyers before, if there was one.
    pub(crate) former: Option<Former>,
    /// What people have decided and is not done yet.
    pub(crate) operations: Vec<Operation>,
    /// How many operators have failed or been cut off.
    pub(crate) operators_cut_off: usize,
    /// When they try again what broke off.
    pub(crate) operators_back_at: i64,
    /// How the stack is set now, and how often that was changed.
    pub(crate) setting: Setting,
    pub(crate) epoch: usize,
    /// Whether anybody was ever to go live.
    pub(crate) may_hand_over: bool,
    /// In which step each buyer was handed over.
    pub(crate) handed_over_at: BTreeMap<String, u64>,
    /// Whether in the end everybody goes live who was asked about.
    pub(crate) all_go_live: bool,
    /// What the offer system has of events that are never posted.
    pub(crate) unsent: Vec<Sent>,
    /// What only the former system heard of, where that is planned.
    pub(crate) known: Vec<Sent>,
    /// What both systems announced.
    pub(crate) announced: Vec<Announced>,
    said: Said,
    /// What must not be and was noticed at once.
    pub(crate) wrongs: Vec<String>,
    pub(crate) ses: Ses,
    /// How the sweeper sends e-mails.
    pub(crate) pace: MailPace,
    /// Where mails go instead, by nonce, where claims are not made from the head.
    pub(crate) diverted: BTreeMap<String, String>,
    /// What SES tells of mails.
    pub(crate) events: Events,
    /// What was learned of each attempt: whether SES threw it away.
    pub(crate) heard: BTreeMap<String, bool>,
    /// When each address of a buyer was stopped, in steps.
    pub(crate) stops: BTreeMap<(String, String), u64>,
    /// Mails that were asked for although their worker could have known better.
    pub(crate) asked_in_spite: Vec<(String, String)>,
    steps: u64,
    pub(crate) sales: Sales,
    pub(crate) late: Vec<(i64, Request)>,
    pub(crate) granted: Vec<Granted>,
    /// How many e-mails faults may have left in doubt.
    pub(crate) doubts: usize,
    /// Whether something personal stood where nothing personal may.
    pub(crate) leaks: Vec<String>,
    pub(crate) sights: Sights,
    /// How often the recorder panicked by a fault.
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
            said: Said::new(),
            wrongs: Vec::new(),
            ses: Ses::default(),
            pace: MailPace {
                per_second: NonZeroU32::MIN.saturating_add(9),
                tried_for: SignedDuration::from_hours(24),
            },
            diverted: BTreeMap::new(),
            events: Events::default(),
            heard: BTreeMap::new(),
            stops: BTreeMap::new(),
            asked_in_spite: Vec::new(),
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

    /// A dead letter gets another try, under a new deduplication id.
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

    /// The same mail to the address that its claim was diverted to, if it was.
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

    /// Steps count what comes before what, which time does not.
    pub(crate) const fn step(&mut self) -> u64 {
        self.steps += 1;
        self.steps
    }

    pub(crate) fn nothing_personal(&mut self, text: &str) {
        if is_personal(text) {
            self.leaks.push(text.to_owned());
        }
    }
}
