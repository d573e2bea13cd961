//! Two workers advance one buyer concurrently, with their calls interleaved in many orders.

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::task::{Context, Poll, Waker};

use domain::{Event, State};
use effects::Advance;
use jiff::SignedDuration;
use testkit::{SplitMix64, acceptance_withdrawn, accepted, made};

use crate::around::{Around, With};
use crate::world::World;

/// Yields before and after each call, so that a call's effect and the arrival of its answer are separate steps.
struct Steps;

impl Around for Steps {
    async fn around<R>(&self, _: &str, call: impl Future<Output = R>, _: impl FnOnce(bool) -> R) -> R {
        step().await;
        let answer = call.await;
        step().await;
        answer
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
    let streams = With { inner: &*world.streams, around: &Steps };
    let leads = With { inner: &world.leads, around: &Steps };
    let outside = With { inner: &world.outside, around: &Steps };
    let (clock, letterhead) = (&world.clock, &world.letterhead);
    let advance = Advance { streams: &streams, leads: &leads, outside: &outside, clock, letterhead };
    let worker = || Box::pin(advance.advance(&world.buyer, world.clock.deadline()));
    let mut workers = [Some(worker()), Some(worker())];
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
