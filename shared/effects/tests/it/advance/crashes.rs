//! A fault at every single call, and at every pair of calls: the end is the same once the sweeper has been.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use domain::{Event, LeadId};
use effects::Advance;
use jiff::SignedDuration;
use leads_store::{LeadTold, Sweeps as _, Walked};
use platform::clock::Clock as _;
use testkit::{acceptance_withdrawn, accepted, made, withdrawn};

use crate::around::{Around, With};
use crate::world::World;

/// What can go wrong around a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails, and took no effect.
    FailBefore,
    /// It took effect, and its answer is lost.
    FailAfter,
    /// The worker dies before it.
    CrashBefore,
    /// The worker dies after it took effect.
    CrashAfter,
}

const FAULTS: [Fault; 4] = [Fault::FailBefore, Fault::FailAfter, Fault::CrashBefore, Fault::CrashAfter];

/// Faults at these calls, counted from 0 over all adapters that share it; remembers every call.
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

    /// The faults that happened, and at which calls.
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

/// What there is in the end, whatever happened on the way.
#[derive(Debug, PartialEq, Eq)]
struct End {
    through: u64,
    leads: BTreeMap<LeadId, LeadTold>,
    settled: Vec<String>,
    /// Each id once, in the order of their first sending.
    sales: Vec<String>,
    emails: Vec<String>,
}

impl End {
    fn of(world: &World) -> Self {
        let tables = world.tables();
        let cursor = &tables.cursors[&world.buyer];
        assert_eq!(cursor.behind, None, "marked for ever");
        let mut sales = Vec::new();
        for id in world.sales() {
            if !sales.contains(&id) {
                sales.push(id);
            }
        }
        Self {
            through: cursor.through.get(),
            leads: tables.leads.into_iter().map(|((_, lead), told)| (lead, told)).collect(),
            settled: world.settled(),
            sales,
            emails: world.ledger().into_keys().collect(),
        }
    }
}

/// Doorbells until all is settled, then sweeps until no mail is open. A worker that dies stops being polled; the next one
/// comes later.
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

/// What the sweeper makes of the mails that are open.
async fn swept(world: World) -> World {
    world.leads.set_walked(Walked::to(world.clock.now())).await.unwrap();
    for _ in 0..3 {
        world.clock.pass(SignedDuration::from_hours(1));
        world.sweep().await;
    }
    world
}

/// Nothing here waits: what is pending is a worker that died.
fn poll<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

async fn ends_the_same(events: &[&[Event]], faults: &Faults) {
    let faultless = End::of(&drain(events, &Faults::new(&[])).await);
    let world = drain(events, faults).await;
    let happened = faults.happened();
    assert_eq!(End::of(&world), faultless, "{happened:?}");

    let emails = world.emails();
    for (key, status) in world.ledger() {
        let sent = emails.iter().filter(|email| **email == key).count();
        // Between the claim and its settling, a fault leaves a doubt; anywhere else it must not.
        let around = |(call, fault): &(String, Fault)| {
            // A lost answer to a claim is asked for again; with another fault around, perhaps in vain.
            let is_lost = *fault == Fault::CrashAfter || *fault == Fault::FailAfter && happened.len() > 1;
            *call == format!("settle {key}")
                || *call == format!("send {key}") && *fault != Fault::FailBefore
                || *call == format!("claim {key}") && is_lost
        };
        let is_doubtful = happened.iter().any(around);
        match status {
            "sent" => assert_eq!(sent, 1, "{key}: {happened:?}"),
            "abandoned" => assert!(is_doubtful && sent <= 1, "{key}, {sent} sent: {happened:?}"),
            other => panic!("{key} is {other}: {happened:?}"),
        }
    }
}

/// Two mails, and a mail and an opening that were overtaken.
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
async fn a_fault_at_any_call_ends_in_the_same_tables_and_in_no_second_mail() {
    let commits = two_mails();
    for recorded in 1..=commits.len() {
        let events: Vec<&[Event]> = commits[..recorded].iter().map(Vec::as_slice).collect();
        for call in 0..calls(&events).await {
            for fault in FAULTS {
                let faults = Faults::new(&[(call, fault)]);
                ends_the_same(&events, &faults).await;
                assert_eq!(faults.happened().len(), 1, "the fault happened");
            }
        }
    }
}

#[tokio::test]
async fn two_faults_at_any_two_calls_end_in_the_same_tables_and_in_no_second_mail() {
    let commits = [vec![made("car-1")], vec![made("car-2"), accepted("car-1").v(2)]];
    let events: Vec<&[Event]> = commits.iter().map(Vec::as_slice).collect();
    let calls = calls(&events).await;
    for first in 0..calls {
        for second in first + 1..calls + 8 {
            for one in FAULTS {
                for other in FAULTS {
                    ends_the_same(&events, &Faults::new(&[(first, one), (second, other)])).await;
                }
            }
        }
    }
}
