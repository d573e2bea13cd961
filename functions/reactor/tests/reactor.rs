//! Tests of the reactor with everything in memory: whatever the doorbells, each effect is performed once.
#![expect(clippy::unwrap_used, reason = "test code")]

use std::cell::Cell;
use std::collections::BTreeMap;

use aws_lambda_events::event::dynamodb::Event as StreamEvent;
use contract::stored::StoredCommit;
use domain::{BuyerId, Event, Sequence};
use effects::mail::Letterhead;
use effects::outside::MemoryOutside;
use event_store::{
    Appended, Appending, Commits, EventStore as _, Head, MemoryStreams, Page, StoreError, load,
};
use futures::executor::block_on;
use jiff::{SignedDuration, Timestamp};
use leads_store::{
    Behind, Claim, Claimed, Cursor, Cursors, LeadsUnavailable, Ledger, MemoryLeads, Moved, Progress, Settled,
    Verdict,
};
use platform::clock::{Clock, Deadline};
use reactor::Reactor;
use serde_json::json;
use testkit::{acceptance_withdrawn, accepted, buyer, doorbell, made};

/// A clock that stands still.
#[derive(Debug, Clone, Copy)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        "2026-11-23T10:00:00Z".parse().unwrap()
    }

    fn nonce(&self) -> String {
        "nonce".to_owned()
    }
}

/// Streams that count requests and panic for one buyer.
#[derive(Debug, Default)]
struct Streams {
    memory: MemoryStreams,
    requests: Cell<usize>,
    panics_for: Option<BuyerId>,
}

impl Commits for &Streams {
    async fn page(
        &self,
        buyer: &BuyerId,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.requests.set(self.requests.get() + 1);
        assert!(self.panics_for.as_ref() != Some(buyer), "an injected fault");
        self.memory.page(buyer, before, limit).await
    }
}

/// A leads table that counts requests and can be made unavailable.
struct Leads {
    memory: MemoryLeads,
    requests: Cell<usize>,
    is_unavailable: Cell<bool>,
}

impl Leads {
    fn request(&self, operation: &'static str) -> Result<(), LeadsUnavailable> {
        self.requests.set(self.requests.get() + 1);
        if self.is_unavailable.get() {
            return Err(LeadsUnavailable {
                operation,
                buyer: "ada".to_owned(),
                source: "an injected fault".into(),
            });
        }
        Ok(())
    }
}

impl Cursors for &Leads {
    async fn cursor(&self, buyer: &BuyerId) -> Result<Cursor, LeadsUnavailable> {
        self.request("cursor")?;
        self.memory.cursor(buyer).await
    }

    async fn cursors(&self, buyers: &[BuyerId]) -> Result<BTreeMap<BuyerId, Cursor>, LeadsUnavailable> {
        self.request("cursors")?;
        self.memory.cursors(buyers).await
    }

    async fn move_cursor(
        &self,
        buyer: &BuyerId,
        progress: &Progress,
        mark: Option<&str>,
    ) -> Result<Moved, LeadsUnavailable> {
        self.request("move")?;
        self.memory.move_cursor(buyer, progress, mark).await
    }

    async fn mark_behind(&self, buyer: &BuyerId, behind: &Behind) -> Result<(), LeadsUnavailable> {
        self.request("mark")?;
        self.memory.mark_behind(buyer, behind).await
    }
}

impl Ledger for &Leads {
    async fn claim(&self, claim: &Claim) -> Result<Claimed, LeadsUnavailable> {
        self.request("claim")?;
        self.memory.claim(claim).await
    }

    async fn settle(
        &self,
        buyer: &BuyerId,
        key: &str,
        verdict: &Verdict,
    ) -> Result<Settled, LeadsUnavailable> {
        self.request("settle")?;
        self.memory.settle(buyer, key, verdict).await
    }
}

type TestReactor = Reactor<&'static Streams, &'static Leads, &'static MemoryOutside, Still>;

/// A reactor and its stores.
struct Stage {
    streams: &'static Streams,
    leads: &'static Leads,
    outside: &'static MemoryOutside,
    reactor: TestReactor,
}

fn stage(panics_for: Option<&str>) -> Stage {
    // Leaked, so that several reactors can share them; each test runs in its own process.
    let streams: &Streams =
        Box::leak(Box::new(Streams { panics_for: panics_for.map(buyer), ..Streams::default() }));
    let has_commit = |buyer: &BuyerId, sequence: Sequence| {
        let at = |commit: &StoredCommit| commit.buyer == buyer.as_str() && commit.sequence == sequence.get();
        streams.memory.commits().iter().any(at)
    };
    let leads: &Leads = Box::leak(Box::new(Leads {
        memory: MemoryLeads::beside(has_commit),
        requests: Cell::new(0),
        is_unavailable: Cell::new(false),
    }));
    let outside: &MemoryOutside = Box::leak(Box::default());
    Stage { streams, leads, outside, reactor: cold_reactor(streams, leads, outside) }
}

/// A reactor that remembers nothing.
fn cold_reactor(
    streams: &'static Streams,
    leads: &'static Leads,
    outside: &'static MemoryOutside,
) -> TestReactor {
    let letterhead = Letterhead { site: "cars".to_owned(), site_url: "https://cars.example.com".to_owned() };
    Reactor::new(streams, leads, outside, Still, letterhead)
}

fn deadline() -> Deadline {
    Deadline::at(Still.now() + SignedDuration::from_secs(60))
}

/// A doorbell: buyer and sequence number of a commit.
type Bell = (&'static str, u64);

fn batch(bells: &[Bell]) -> StreamEvent {
    let records: Vec<_> =
        bells.iter().map(|(buyer, sequence)| doorbell(buyer, &sequence.to_string())).collect();
    serde_json::from_value(json!({ "Records": records })).unwrap()
}

impl Stage {
    /// Records each event in a commit of its own.
    fn record(&self, name: &str, events: &[Event]) {
        for event in events {
            let head: Head = block_on(load(&self.streams, &buyer(name))).unwrap();
            let mut appending = Appending::onto(head).live();
            appending.take(event.clone().into());
            let (commit, _) = appending.commit(&buyer(name), Still.now()).unwrap();
            assert_eq!(block_on(self.streams.memory.append(&commit)).unwrap(), Appended::Written);
        }
        self.requests();
    }

    fn ring(&self, bells: &[Bell]) {
        block_on(self.reactor.handle(batch(bells), deadline())).unwrap();
    }

    /// The number of requests to the streams and the leads table since the last call.
    fn requests(&self) -> usize {
        self.streams.requests.take() + self.leads.requests.take()
    }

    /// How often each effect was performed, by its id.
    fn performed(&self) -> BTreeMap<String, usize> {
        let mut count = BTreeMap::new();
        for message in self.outside.sales() {
            *count.entry(message.effect_id).or_default() += 1;
        }
        for email in self.outside.emails() {
            *count.entry(format!("{}/{}", email.tags[0].1, email.tags[1].1)).or_default() += 1;
        }
        count
    }
}

#[test]
fn repeated_and_reordered_doorbells_perform_each_effect_once() {
    let bells: Vec<Bell> =
        ["ada", "bob", "cem"].into_iter().flat_map(|name| (1..=3).map(move |at| (name, at))).collect();
    let mut expected = None;
    for turn in 0..bells.len() {
        let stage = stage(None);
        for name in ["ada", "bob", "cem"] {
            stage.record(name, &[made("car-1"), accepted("car-1").v(2), made("car-2")]);
        }
        let mut shuffled = bells.clone();
        shuffled.rotate_left(turn);
        shuffled.extend(bells.iter().rev());
        for batch in shuffled.chunks(1 + turn % 4) {
            stage.ring(batch);
            stage.ring(batch);
        }
        // A new execution environment remembers nothing, but repeats nothing either.
        let cold = cold_reactor(stage.streams, stage.leads, stage.outside);
        block_on(cold.handle(batch(&bells), deadline())).unwrap();
        let performed = stage.performed();
        assert!(performed.values().all(|count| *count == 1), "{performed:?}");
        assert_eq!(*expected.get_or_insert_with(|| performed.clone()), performed, "in any order");
    }
    let sent: Vec<String> = expected.unwrap().into_keys().filter(|id| id.starts_with("ada/")).collect();
    assert_eq!(
        sent,
        [
            "ada/accepted-email/car-1/2",
            "ada/closed/low/1",
            "ada/opened/high/car-1/2",
            "ada/quote/car-1",
            "ada/quote/car-2"
        ]
    );
}

#[test]
fn a_doorbell_for_work_known_to_be_settled_costs_no_request() {
    let stage = stage(None);
    stage.record("ada", &[made("car-1")]);
    stage.ring(&[("ada", 1)]);
    assert_eq!(stage.requests(), 5, "cursor, query, claim, settle, move");
    stage.ring(&[("ada", 1)]);
    assert_eq!(stage.requests(), 0);
    stage.ring(&[("ada", 1)]);
    assert_eq!(stage.requests(), 0, "the cursor is still remembered");
}

#[test]
fn a_commit_without_an_email_costs_three_requests() {
    let stage = stage(None);
    stage.record("ada", &[made("car-1")]);
    stage.ring(&[("ada", 1)]);
    stage.record("ada", &[made("car-2")]);
    stage.ring(&[("ada", 2)]);
    assert_eq!(stage.requests(), 3, "cursor, query, move");
}

#[test]
fn one_doorbell_settles_all_pending_commits() {
    let stage = stage(None);
    stage.record("ada", &[made("car-1"), accepted("car-1").v(2), acceptance_withdrawn("car-1").v(3)]);
    stage.ring(&[("ada", 1)]);
    let cursor = block_on(stage.leads.memory.cursor(&buyer("ada"))).unwrap();
    assert_eq!(cursor, Cursor { through: Sequence::new(3), behind: None, ..Cursor::default() });
}

#[test]
fn a_panic_marks_its_buyer_behind_and_delays_no_other() {
    let stage = stage(Some("bob"));
    for name in ["ada", "bob", "cem"] {
        let head = Head::default();
        let mut appending = Appending::onto(head).live();
        appending.take(made("car-1").into());
        let (commit, _) = appending.commit(&buyer(name), Still.now()).unwrap();
        block_on(stage.streams.memory.append(&commit)).unwrap();
    }
    stage.ring(&[("ada", 1), ("bob", 1), ("cem", 1)]);
    let cursor = |name: &str| block_on(stage.leads.memory.cursor(&buyer(name))).unwrap();
    assert_eq!((cursor("ada").through, cursor("cem").through), (Sequence::new(1), Sequence::new(1)));
    assert_eq!(cursor("bob").behind.unwrap().reason, "a panic");
}

#[test]
fn the_invocation_fails_only_if_a_buyer_cannot_be_marked_behind() {
    let stage = stage(None);
    stage.record("ada", &[made("car-1")]);
    stage.leads.is_unavailable.set(true);
    let error = block_on(stage.reactor.handle(batch(&[("ada", 1)]), deadline())).unwrap_err();
    assert!(error.to_string().contains("cannot mark"), "{error}");
    stage.leads.is_unavailable.set(false);
    stage.ring(&[("ada", 1)]);
    assert_eq!(stage.performed().len(), 3, "the retried batch is done");
}

#[test]
fn without_time_buyers_are_marked_behind_and_nothing_is_started() {
    let stage = stage(None);
    stage.record("ada", &[made("car-1")]);
    let soon = Deadline::at(Still.now() + SignedDuration::from_secs(3));
    block_on(stage.reactor.handle(batch(&[("ada", 1)]), soon)).unwrap();
    assert_eq!(stage.performed(), BTreeMap::new());
    let cursor = block_on(stage.leads.memory.cursor(&buyer("ada"))).unwrap();
    assert_eq!(cursor.behind.unwrap().reason, "the invocation's time is up");
}

#[test]
fn a_record_of_another_table_is_ignored() {
    let stage = stage(None);
    let mut event = batch(&[("ada", 1)]);
    event.records[0].change.keys = serde_json::from_value(json!({"id": {"S": "x"}})).unwrap();
    block_on(stage.reactor.handle(event, deadline())).unwrap();
    assert_eq!(stage.requests(), 0);
}
