//! Faults at every call and at every pair of calls: once the sweeper has run, the result is the same as without faults.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use domain::{Event, LeadId};
use effects::Advance;
use jiff::SignedDuration;
use leads_store::{LeadChange, Sweeps as _, Walked};
use platform::clock::Clock as _;
use testkit::{acceptance_withdrawn, accepted, made, withdrawn};

use crate::around::{Around, With};
use crate::world::World;

/// A fault around a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The call fails without effect.
    FailBefore,
    /// The call takes effect, but its answer is lost.
    FailAfter,
    /// The worker crashes before the call.
    CrashBefore,
    /// The worker crashes after the call took effect.
    CrashAfter,
}

const FAULTS: [Fault; 4] = [Fault::FailBefore, Fault::FailAfter, Fault::CrashBefore, Fault::CrashAfter];

/// Injects faults at these calls, counted from 0 over all adapters that share it, and records every call.
pub(crate) struct Faults {
    at: Vec<(usize, Fault)>,
    calls: RefCell<Vec<String>>,
}

impl Faults {
    pub(crate) fn new(at: &[(usize, Fault)]) -> Self {
        Self { at: at.to_vec(), calls: RefCell::default() }
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.borrow().clone()
    }

    /// The faults that happened, with the names of their calls.
    fn happened(&self) -> Vec<(String, Fault)> {
        let calls = self.calls.borrow();
        self.at.iter().filter_map(|(call, fault)| Some((calls.get(*call)?.clone(), *fault))).collect()
    }
}

impl Around for Faults {
    async fn around<R>(&self, name: &str, call: impl Future<Output = R>, lost: impl FnOnce(bool) -> R) -> R {
        let count = self.calls.borrow().len();
        self.calls.borrow_mut().push(name.to_owned());
        let fault = self.at.iter().find(|(at, _)| *at == count).map(|(_, fault)| *fault);
        match fault {
            None => call.await,
            Some(Fault::FailBefore) => lost(false),
            Some(Fault::FailAfter) => {
                call.await;
                lost(true)
            }
            Some(Fault::CrashBefore) => pending().await,
            Some(Fault::CrashAfter) => {
                call.await;
                pending().await
            }
        }
    }
}

/// The final state, which must not depend on faults.
#[derive(Debug, PartialEq, Eq)]
struct End {
    through: u64,
    leads: BTreeMap<LeadId, LeadChange>,
    settled: Vec<String>,
    /// The ids of the sales messages, each once, in the order in which they were first sent.
    sales: Vec<String>,
    emails: Vec<String>,
}

impl End {
    fn of(world: &World) -> Self {
        let tables = world.tables();
        let cursor = &tables.cursors[&world.buyer];
        assert_eq!(cursor.behind, None, "the mark was never cleared");
        let mut sales = Vec::new();
        for id in world.sales() {
            if !sales.contains(&id) {
                sales.push(id);
            }
        }
        Self {
            through: cursor.through.get(),
            leads: tables.leads.into_iter().map(|((_, lead), change)| (lead, change)).collect(),
            settled: world.settled(),
            sales,
            emails: world.ledger().into_keys().collect(),
        }
    }
}

/// Rings doorbells until all is settled, then sweeps until no e-mail is open. A worker that crashes is no longer
/// polled; the next one starts five minutes later.
async fn drain(events: &[&[Event]], faults: &Faults) -> World {
    let world = World::new();
    for events in events {
        world.record(events).await;
    }
    let streams = With { inner: &*world.streams, around: faults };
    let leads = With { inner: &world.leads, around: faults };
    let outside = With { inner: &world.outside, around: faults };
    let (clock, letterhead) = (&world.clock, &world.letterhead);
    let advance = Advance { streams: &streams, leads: &leads, outside: &outside, clock, letterhead };
    let mut highest = 0;
    for _ in 0..10 {
        let ended = poll(advance.advance(&world.buyer, world.clock.deadline()));
        let through = world.tables().cursors.get(&world.buyer).map_or(0, |cursor| cursor.through.get());
        assert!(through >= highest, "the cursor went back");
        highest = through;
        if let Poll::Ready(Ok(advanced)) = ended {
            assert!(advanced.through.get() <= through || advanced.behind.is_some());
            if advanced.behind.is_none() && world.tables().cursors[&world.buyer].behind.is_none() {
                return swept(world).await;
            }
        }
        world.clock.pass(SignedDuration::from_mins(5));
    }
    panic!("never settled: {:?}", faults.happened());
}

/// Lets the sweeper close the open e-mails.
async fn swept(world: World) -> World {
    world.leads.set_walked(Walked::to(world.clock.now())).await.unwrap();
    for _ in 0..3 {
        world.clock.pass(SignedDuration::from_hours(1));
        world.sweep().await;
    }
    world
}

/// Polls once. No call waits, so a pending future is a worker that crashed.
fn poll<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

async fn assert_same_end(events: &[&[Event]], faults: &Faults) {
    let faultless = End::of(&drain(events, &Faults::new(&[])).await);
    let world = drain(events, faults).await;
    let happened = faults.happened();
    assert_eq!(End::of(&world), faultless, "{happened:?}");

    let emails = world.emails();
    for (key, status) in world.ledger() {
        let sent = emails.iter().filter(|email| **email == key).count();
        // Only a fault between the claim and its settling may leave the e-mail in doubt.
        let causes_doubt = |(call, fault): &(String, Fault)| {
            // A claim whose answer is lost is repeated, but a second fault can hit the repetition.
            let is_lost = *fault == Fault::CrashAfter || *fault == Fault::FailAfter && happened.len() > 1;
            *call == format!("settle {key}")
                || *call == format!("send {key}") && *fault != Fault::FailBefore
                || *call == format!("claim {key}") && is_lost
        };
        let is_doubtful = happened.iter().any(causes_doubt);
        match status {
            "sent" => assert_eq!(sent, 1, "{key}: {happened:?}"),
            "abandoned" => assert!(is_doubtful && sent <= 1, "{key}, {sent} sent: {happened:?}"),
            other => panic!("{key} is {other}: {happened:?}"),
        }
    }
}

/// Commits with two e-mails that are sent, and with an e-mail and an opening that are overtaken.
fn two_mails() -> Vec<Vec<Event>> {
    vec![
        vec![made("car-1"), made("car-2")],
        vec![accepted("car-1").v(2)],
        vec![accepted("car-2").v(2)],
        vec![acceptance_withdrawn("car-2").v(3), withdrawn("car-2").v(4)],
        vec![acceptance_withdrawn("car-1").v(3)],
        vec![accepted("car-1").v(4), made("car-3")],
    ]
}

async fn calls(events: &[&[Event]]) -> usize {
    let faults = Faults::new(&[]);
    drain(events, &faults).await;
    faults.calls().len()
}

#[tokio::test]
async fn a_fault_at_any_call_leads_to_the_same_tables_and_no_second_email() {
    let commits = two_mails();
    for recorded in 1..=commits.len() {
        let events: Vec<&[Event]> = commits[..recorded].iter().map(Vec::as_slice).collect();
        for call in 0..calls(&events).await {
            for fault in FAULTS {
                let faults = Faults::new(&[(call, fault)]);
                assert_same_end(&events, &faults).await;
                assert_eq!(faults.happened().len(), 1, "the fault happened");
            }
        }
    }
}

#[tokio::test]
async fn two_faults_at_any_calls_lead_to_the_same_tables_and_no_second_email() {
    let commits = [vec![made("car-1")], vec![made("car-2"), accepted("car-1").v(2)]];
    let events: Vec<&[Event]> = commits.iter().map(Vec::as_slice).collect();
    let calls = calls(&events).await;
    for first in 0..calls {
        for second in first + 1..calls + 8 {
            for one in FAULTS {
                for other in FAULTS {
                    assert_same_end(&events, &Faults::new(&[(first, one), (second, other)])).await;
                }
            }
        }
    }
}
