//! Tests of the reactor with everything in memory: whatever the doorbells, each effect is performed once.
#![expect(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeMap;

use aws_lambda_events::event::dynamodb::Event as StreamEvent;
use domain::{Event, Sequence};
use effects::mail::Letterhead;
use effects::outside::MemoryOutside;
use event_store::MemoryStreams;
use futures::executor::block_on;
use leads_store::{Cursor, LeadsStore as _, MemoryLeads};
use platform::clock::{Clock as _, Deadline};
use reactor::Reactor;
use serde_json::json;
use testkit::hooks::{Fate, Faults, Which};
use testkit::leads::{record, tables};
use testkit::{Hooked, TestClock, acceptance_withdrawn, accepted, at, buyer, doorbell, made};

type Streams = Hooked<'static, MemoryStreams, Faults>;
type Leads = Hooked<'static, MemoryLeads, Faults>;
type TestReactor = Reactor<Streams, Leads, &'static MemoryOutside, TestClock>;

/// A reactor and its stores.
struct Stage {
    streams: Streams,
    leads: Leads,
    outside: &'static MemoryOutside,
    clock: TestClock,
    reactor: TestReactor,
}

fn leaked<T>(value: T) -> &'static T {
    // Leaked, so that several reactors can share it; each test runs in its own process.
    Box::leak(Box::new(value))
}

fn stage() -> Stage {
    let (streams, leads) = tables();
    let streams = Hooked { inner: &**leaked(streams), hook: leaked(Faults::default()) };
    let leads = Hooked { inner: leaked(leads), hook: leaked(Faults::default()) };
    let (outside, clock) = (leaked(MemoryOutside::default()), TestClock::default());
    let reactor = Reactor::new(streams, leads, outside, clock.clone(), letterhead());
    Stage { streams, leads, outside, clock, reactor }
}

fn letterhead() -> Letterhead {
    Letterhead { site: "cars".to_owned(), site_url: "https://cars.example.com".to_owned() }
}

/// A doorbell: buyer and sequence number of a commit.
type Bell = (&'static str, u64);

fn batch(bells: &[Bell]) -> StreamEvent {
    let records: Vec<_> =
        bells.iter().map(|(buyer, sequence)| doorbell(buyer, &sequence.to_string())).collect();
    serde_json::from_value(json!({ "Records": records })).unwrap()
}

impl Stage {
    /// A reactor over the same stores that remembers nothing.
    fn cold(&self) -> TestReactor {
        Reactor::new(self.streams, self.leads, self.outside, self.clock.clone(), letterhead())
    }

    fn deadline(&self) -> Deadline {
        self.clock.deadline_in(60)
    }

    /// Records each event in a commit of its own, and forgets the requests so far.
    fn record(&self, name: &str, events: &[Event]) {
        for event in events {
            block_on(record(self.streams.inner, &buyer(name), std::slice::from_ref(event), self.clock.now()));
        }
        self.requests();
    }

    fn ring(&self, bells: &[Bell]) {
        block_on(self.reactor.handle(batch(bells), self.deadline())).unwrap();
    }

    fn cursor(&self, name: &str) -> Cursor {
        block_on(self.leads.inner.cursor(&buyer(name))).unwrap()
    }

    /// The number of requests to the streams and the leads table since the last call.
    fn requests(&self) -> usize {
        self.streams.hook.take().len() + self.leads.hook.take().len()
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
        let stage = stage();
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
        block_on(stage.cold().handle(batch(&bells), stage.deadline())).unwrap();
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
    let stage = stage();
    stage.record("ada", &[made("car-1")]);
    stage.ring(&[("ada", 1)]);
    assert_eq!(stage.requests(), 6, "cursor, query, pauses, claim, settle, move");
    stage.ring(&[("ada", 1)]);
    assert_eq!(stage.requests(), 0);
    stage.record("bob", &[made("car-1")]);
    stage.ring(&[("bob", 1)]);
    stage.requests();
    stage.ring(&[("ada", 1), ("bob", 1)]);
    assert_eq!(stage.requests(), 0, "both cursors are remembered");
}

#[test]
fn a_commit_without_an_email_costs_three_requests() {
    let stage = stage();
    stage.record("ada", &[made("car-1")]);
    stage.ring(&[("ada", 1)]);
    stage.record("ada", &[made("car-2")]);
    stage.ring(&[("ada", 2)]);
    assert_eq!(stage.requests(), 3, "cursor, query, move");
}

#[test]
fn one_doorbell_settles_all_pending_commits() {
    let stage = stage();
    stage.record("ada", &[made("car-1"), accepted("car-1").v(2), acceptance_withdrawn("car-1").v(3)]);
    stage.ring(&[("ada", 1)]);
    assert_eq!(stage.cursor("ada"), Cursor { through: Sequence::new(3), behind: None, ..Cursor::default() });
}

#[test]
fn a_panic_marks_its_buyer_behind_and_delays_no_other() {
    let stage = stage();
    stage.streams.hook.set(Which::Of("page", buyer("bob")), Fate::Panics);
    for name in ["ada", "bob", "cem"] {
        stage.record(name, &[made("car-1")]);
    }
    stage.ring(&[("ada", 1), ("bob", 1), ("cem", 1)]);
    let cursor = |name| stage.cursor(name);
    assert_eq!((cursor("ada").through, cursor("cem").through), (Sequence::new(1), Sequence::new(1)));
    assert_eq!(cursor("bob").behind.unwrap().reason, "a panic");
}

#[test]
fn the_invocation_fails_only_if_a_buyer_cannot_be_marked_behind() {
    let stage = stage();
    stage.record("ada", &[made("car-1")]);
    stage.leads.hook.set(Which::Every, Fate::Fails);
    let error = block_on(stage.reactor.handle(batch(&[("ada", 1)]), stage.deadline())).unwrap_err();
    assert!(error.to_string().contains("cannot mark"), "{error}");
    stage.leads.hook.end();
    stage.ring(&[("ada", 1)]);
    assert_eq!(stage.performed().len(), 3, "the retried batch is done");
}

#[test]
fn without_time_buyers_are_marked_behind_and_nothing_is_started() {
    let stage = stage();
    stage.record("ada", &[made("car-1")]);
    let soon = stage.clock.deadline_in(3);
    block_on(stage.reactor.handle(batch(&[("ada", 1)]), soon)).unwrap();
    assert_eq!(stage.performed(), BTreeMap::new());
    assert_eq!(stage.cursor("ada").behind.unwrap().reason, "the invocation's time is up");
}

#[test]
fn a_record_of_another_table_is_ignored() {
    let stage = stage();
    let mut event = batch(&[("ada", 1)]);
    event.records[0].change.keys = serde_json::from_value(json!({"id": {"S": "x"}})).unwrap();
    block_on(stage.reactor.handle(event, stage.deadline())).unwrap();
    assert_eq!(stage.requests(), 0);
}

#[test]
fn the_pauses_are_read_once_in_ten_seconds() {
    let stage = stage();
    let read = |names: [&'static str; 2]| {
        for name in names {
            stage.record(name, &[made("car-1")]);
        }
        stage.ring(&names.map(|name| (name, 1)));
        stage.leads.hook.take().iter().filter(|call| *call == "pauses").count()
    };
    assert_eq!(read(["ada", "bob"]), 1);
    stage.clock.set(at("10:00:09.999"));
    assert_eq!(read(["cem", "dan"]), 0);
    stage.clock.set(at("10:00:10"));
    assert_eq!(read(["eve", "fay"]), 1);
    stage.clock.set(at("09:59:50"));
    assert_eq!(read(["gil", "hal"]), 1, "a clock that went back says nothing");
}
