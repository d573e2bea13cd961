//! Two workers advance one buyer concurrently, with their calls interleaved in many orders. Workers that crash: with
//! faults at every call and at every pair of calls, the result is the same as without, once the sweeper has run.

use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use domain::{Event, LeadId, State};
use effects::{Advance, KnownPauses};
use jiff::SignedDuration;
use leads_store::{LeadChange, LeadsStore as _, Walked};
use platform::clock::Clock as _;
use testkit::hooks::{Call, Fate, Faults, Hook};
use testkit::{Hooked, SplitMix64, acceptance_withdrawn, accepted, made, withdrawn};

use crate::world::World;

/// Yields before and after each call, so that a call's effect and the arrival of its answer are separate steps.
struct Steps;

impl Hook for Steps {
    async fn before(&self, _: &Call<'_>) -> Fate {
        step().await;
        Fate::Passes
    }

    async fn after(&self, _: &Call<'_>) {
        step().await;
    }
}

async fn step() {
    let mut has_yielded = false;
    poll_fn(|_| if std::mem::replace(&mut has_yielded, true) { Poll::Ready(()) } else { Poll::Pending })
        .await;
}

/// The next step of an interleaving.
enum Next {
    First,
    Second,
    /// A fact is recorded.
    Fact,
}

/// Runs two workers to completion with their steps in this order, then advances the buyer until all is settled.
async fn interleave(recorded: &[Vec<Event>], meanwhile: &[Event], mut order: impl FnMut() -> Next) -> World {
    let world = World::new();
    for events in recorded {
        world.record(events).await;
    }
    let streams = Hooked { inner: &*world.streams, hook: &Steps };
    let leads = Hooked { inner: &world.leads, hook: &Steps };
    let outside = Hooked { inner: &world.outside, hook: &Steps };
    let (clock, letterhead) = (&world.clock, &world.letterhead);
    // Each worker is in an execution environment of its own.
    let known = [KnownPauses::default(), KnownPauses::default()];
    let advances = known.each_ref().map(|pauses| Advance {
        streams: &streams,
        leads: &leads,
        outside: &outside,
        clock,
        letterhead,
        pauses,
    });
    let mut workers =
        advances.each_ref().map(|advance| Some(Box::pin(advance.advance(&world.buyer, world.deadline()))));
    let mut facts = meanwhile.iter();
    let mut highest = 0;
    let mut claimed = BTreeSet::new();
    while workers.iter().any(Option::is_some) {
        let which = match order() {
            Next::First => 0,
            Next::Second => 1,
            Next::Fact => {
                if let Some(fact) = facts.next() {
                    world.record(std::slice::from_ref(fact)).await;
                }
                continue;
            }
        };
        let Some(worker) = &mut workers[which] else { continue };
        if let Poll::Ready(ended) = worker.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            ended.unwrap();
            workers[which] = None;
        }
        let through = world.tables().cursors.get(&world.buyer).map_or(0, |cursor| cursor.through.get());
        assert!(through >= highest, "the cursor went back");
        highest = through;
        for (mail, _) in world.ledger() {
            if claimed.insert(mail.clone()) {
                assert!(is_called_for(&mail, &world.head().await), "{mail} was claimed too late");
            }
        }
    }
    drop(workers);
    for fact in facts {
        world.record(std::slice::from_ref(fact)).await;
    }
    settle(&world).await;
    world
}

/// Whether the lead of an e-mail is open.
fn is_called_for(mail: &str, head: &State) -> bool {
    let high = mail.strip_prefix("accepted-email/").map(|acceptance| format!("high/{acceptance}"));
    high.map_or(head.low_lead.is_some(), |high| head.open_leads().any(|lead| lead.to_string() == high))
}

async fn settle(world: &World) {
    for _ in 0..5 {
        world.clock.pass(SignedDuration::from_mins(5));
        if world.advance().await.behind.is_none() && world.tables().cursors[&world.buyer].behind.is_none() {
            return;
        }
    }
    panic!("never settled");
}

/// Asserts that each e-mail was sent once and none is lost or doubtful, that the leads table matches the head, and that
/// every closing was announced.
async fn assert_consistent(world: &World, case: &str) {
    let mut emails = world.emails();
    emails.sort();
    let sent: Vec<String> = world.ledger().into_keys().collect();
    assert_eq!(emails, sent, "{case}");
    assert!(world.ledger().values().all(|status| *status == "sent"), "{case}: {:?}", world.ledger());
    let state = world.head().await;
    let mut open: Vec<String> = state.open_leads().map(|lead| lead.to_string()).collect();
    open.sort();
    let mut in_table = world.open_leads();
    in_table.sort();
    assert_eq!(in_table, open, "{case}: the leads table");
    assert_eq!(world.tables().cursors[&world.buyer].through, state.sequence, "{case}");
    let sales = world.sales();
    let decided = world.decided().await;
    let closings = decided.iter().filter_map(|decided| decided.split_once(' ')).map(|(_, key)| key);
    for key in closings.filter(|key| key.starts_with("closed/")) {
        assert!(sales.iter().any(|id| id == key), "{case}: {key} was never announced");
    }
}

fn recorded() -> [Vec<Event>; 2] {
    [vec![made("car-1")], vec![made("car-2"), accepted("car-1").v(2)]]
}

fn mails(world: &World) -> Vec<String> {
    world.ledger().into_keys().collect()
}

#[tokio::test]
async fn a_worker_frozen_at_any_step_while_another_finishes_does_no_harm() {
    for frozen_after in 0..60 {
        let mut steps = 0;
        let world = interleave(&recorded(), &[], || {
            steps += 1;
            // The first worker is frozen after these steps until the second has finished.
            if steps <= frozen_after || steps > frozen_after + 200 { Next::First } else { Next::Second }
        })
        .await;
        let case = format!("frozen after {frozen_after} steps");
        assert_consistent(&world, &case).await;
        assert_eq!(mails(&world), ["accepted-email/car-1/2"], "{case}");
    }
}

#[tokio::test]
async fn two_workers_in_any_interleaving_claim_each_email_once() {
    for seed in 0..1000 {
        let mut chance = SplitMix64(seed);
        let next = || if chance.below(2) == 0 { Next::First } else { Next::Second };
        let world = interleave(&recorded(), &[], next).await;
        assert_consistent(&world, &format!("seed {seed}")).await;
        assert_eq!(mails(&world), ["accepted-email/car-1/2"], "seed {seed}");
    }
}

#[tokio::test]
async fn two_workers_and_concurrent_facts_never_reopen_a_closed_lead() {
    let meanwhile = [
        acceptance_withdrawn("car-1").v(3),
        accepted("car-2").v(2),
        acceptance_withdrawn("car-2").v(3),
        accepted("car-1").v(4),
    ];
    for seed in 0..600 {
        let mut chance = SplitMix64(seed);
        let world = interleave(&recorded(), &meanwhile, || match chance.below(16) {
            0 => Next::Fact,
            1..9 => Next::First,
            _ => Next::Second,
        })
        .await;
        assert_consistent(&world, &format!("seed {seed}")).await;
    }
}

/// A worker that crashes is one that gets no answer.
const FAULTS: [Fate; 4] = [Fate::Fails, Fate::LosesAnswer, Fate::Hangs, Fate::HangsAfterwards];

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
    let streams = Hooked { inner: &*world.streams, hook: faults };
    let leads = Hooked { inner: &world.leads, hook: faults };
    let outside = Hooked { inner: &world.outside, hook: faults };
    let (clock, letterhead) = (&world.clock, &world.letterhead);
    let advance = Advance {
        streams: &streams,
        leads: &leads,
        outside: &outside,
        clock,
        letterhead,
        pauses: &KnownPauses::default(),
    };
    let mut highest = 0;
    for _ in 0..10 {
        let ended = poll(advance.advance(&world.buyer, world.deadline()));
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
    let faultless = End::of(&drain(events, &Faults::default()).await);
    let world = drain(events, faults).await;
    let happened = faults.happened();
    assert_eq!(End::of(&world), faultless, "{happened:?}");

    let emails = world.emails();
    for (key, status) in world.ledger() {
        let sent = emails.iter().filter(|email| **email == key).count();
        // Only a fault between the claim and its settling may leave the e-mail in doubt.
        let causes_doubt = |(call, fault): &(String, Fate)| {
            // A claim whose answer is lost is repeated, but a second fault can hit the repetition.
            let is_lost =
                *fault == Fate::HangsAfterwards || *fault == Fate::LosesAnswer && happened.len() > 1;
            *call == format!("settle {key}")
                || *call == format!("send {key}") && *fault != Fate::Fails
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
    let faults = Faults::default();
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
                let faults = Faults::at(&[(call, fault)]);
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
                    assert_same_end(&events, &Faults::at(&[(first, one), (second, other)])).await;
                }
            }
        }
    }
}
