//! A buyer with everything in memory: the stream, the leads table, SES, the sales team's queue, and a manual clock.

use std::collections::BTreeMap;
use std::rc::Rc;

use contract::stored::Commit;
use domain::{BuyerId, Event, State};
use effects::mail::Letterhead;
use effects::outside::{MemoryOutside, Outside};
use effects::{Advance, Advanced, KnownPauses};
use event_store::{Commits, MemoryStreams, history, load};
use leads_store::{LeadsStore, MemoryLeads, Tables};
use platform::clock::{Clock as _, Deadline};
use testkit::TestClock;
use testkit::leads::{record, tables};

pub(crate) fn letterhead() -> Letterhead {
    Letterhead { site: "Cars & Co".to_owned(), site_url: "https://cars.example".to_owned() }
}

pub(crate) struct World {
    pub(crate) buyer: BuyerId,
    pub(crate) streams: Rc<MemoryStreams>,
    pub(crate) leads: MemoryLeads,
    pub(crate) outside: MemoryOutside,
    pub(crate) clock: TestClock,
    pub(crate) letterhead: Letterhead,
}

impl World {
    pub(crate) fn new() -> Self {
        let (streams, leads) = tables();
        Self {
            buyer: testkit::buyer("buyer-7"),
            streams,
            leads,
            outside: MemoryOutside::default(),
            clock: TestClock::default(),
            letterhead: letterhead(),
        }
    }

    /// A world in which these events are recorded, each in its own commit, and settled.
    pub(crate) async fn given(events: &[Event]) -> Self {
        let world = Self::new();
        for event in events {
            world.record(std::slice::from_ref(event)).await;
            let seen = world.advance().await;
            assert_eq!(seen.behind, None);
        }
        world
    }

    /// The deadline of an invocation that begins now.
    pub(crate) fn deadline(&self) -> Deadline {
        self.clock.deadline_in(15 * 60)
    }

    /// Records events in one commit.
    pub(crate) async fn record(&self, events: &[Event]) -> Commit {
        record(&*self.streams, &self.buyer, events, self.clock.now()).await
    }

    pub(crate) async fn advance(&self) -> Seen {
        // A double reference also tests the implementation of `Outside` for references.
        Seen::of(&self.advance_over(&*self.streams, &self.leads, &&self.outside).await)
    }

    /// Advances the buyer with other adapters, which must allow it to be marked behind.
    pub(crate) async fn advance_over(
        &self,
        streams: &impl Commits,
        leads: &impl LeadsStore,
        outside: &impl Outside,
    ) -> Advanced {
        let (clock, letterhead) = (&self.clock, &self.letterhead);
        let advance = Advance { streams, leads, outside, clock, letterhead, pauses: &KnownPauses::default() };
        advance.advance(&self.buyer, self.deadline()).await.unwrap()
    }

    pub(crate) async fn head(&self) -> State {
        load(&*self.streams, &self.buyer).await.unwrap().state
    }

    /// All effects that were ever decided, as `<sequence> <key>`.
    pub(crate) async fn decided(&self) -> Vec<String> {
        let commits = history(&*self.streams, &self.buyer).await.unwrap();
        let effects = commits.iter().flat_map(|commit| &commit.effects);
        effects.map(|effect| format!("{} {}", effect.sequence, effect.key())).collect()
    }

    /// The keys of the e-mails for which an attempt was made, in order.
    pub(crate) fn emails(&self) -> Vec<String> {
        let emails = self.outside.emails();
        let key = |tags: &[(&str, String)]| tags.iter().find(|tag| tag.0 == "effect").unwrap().1.clone();
        emails.iter().map(|email| key(&email.tags)).collect()
    }

    /// The ids of the sales messages without the buyer prefix, in order, including repeats.
    pub(crate) fn sales(&self) -> Vec<String> {
        let own = format!("{}/", self.buyer);
        let ids = self.outside.sales().into_iter().map(|message| message.effect_id);
        ids.map(|id| id.strip_prefix(&own).unwrap().to_owned()).collect()
    }

    pub(crate) fn tables(&self) -> Tables {
        self.leads.tables()
    }

    /// The statuses in the ledger by effect key.
    pub(crate) fn ledger(&self) -> BTreeMap<String, &'static str> {
        let ledger = self.tables().ledger;
        ledger.into_iter().map(|((_, key), entry)| (key, entry.status.name())).collect()
    }

    /// The recorded outcomes of effects that were not simply sent, as `<sequence> <key> <outcome>`.
    pub(crate) fn settled(&self) -> Vec<String> {
        let settled = self.tables().settled;
        settled.iter().map(|((_, at, key), outcome)| format!("{at} {key} {}", outcome.name())).collect()
    }

    /// The ids of the leads that are open in the leads table.
    pub(crate) fn open_leads(&self) -> Vec<String> {
        let leads = self.tables().leads;
        let open = leads.iter().filter(|(_, lead)| lead.opened.is_some() && lead.closed.is_none());
        open.map(|((_, lead), _)| lead.to_string()).collect()
    }
}

/// The result of an advance in a form that tests compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) through: u64,
    pub(crate) behind: Option<String>,
    /// The performed effects in order, as `<key> <outcome>`.
    pub(crate) performed: Vec<String>,
}

impl Seen {
    pub(crate) fn of(advanced: &Advanced) -> Self {
        let performed = advanced.performed.iter();
        Self {
            through: advanced.through.get(),
            behind: advanced.behind.clone(),
            performed: performed.map(|one| format!("{} {}", one.effect.key(), one.outcome.name())).collect(),
        }
    }
}

/// The result of an advance that settled everything through a sequence number.
pub(crate) fn settled(through: u64, performed: &[&str]) -> Seen {
    Seen { through, behind: None, performed: owned(performed) }
}

/// The result of an advance that left the buyer behind.
pub(crate) fn behind(through: u64, reason: &str, performed: &[&str]) -> Seen {
    Seen { through, behind: Some(reason.to_owned()), performed: owned(performed) }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}
