//! The number of DynamoDB requests of an advance, counted on the wire, and the effect of a lost answer, which is none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::Sequence;
use effects::outside::Delivery;
use effects::{Advance, KnownPauses};
use event_store::{Appended, Appending, DynamoStreams, EventStore as _, load};
use jiff::SignedDuration;
use leads_store::{DynamoLeads, LeadsStore as _, Outcome, Progress, Status};
use platform::clock::Clock as _;
use testkit::hooks::Faults;
use testkit::leads::record;
use testkit::wire::{Answer, Wire};
use testkit::{Hooked, accepted, at, made, withdrawn};

use crate::world::{Seen, World, settled};
use testkit::engine::{Engine, leads_at, streams_at};

/// The requests of an advance that sends one e-mail.
const MAIL: [&str; 5] = ["GetItem", "Query", "TransactWriteItems", "UpdateItem", "TransactWriteItems"];

/// The same with the read of the pauses, which an execution environment makes once in ten seconds.
const MAIL_WITH_PAUSES: [&str; 6] =
    ["GetItem", "Query", "GetItem", "TransactWriteItems", "UpdateItem", "TransactWriteItems"];

/// A world whose tables are in a DynamoDB engine behind a wire, which can lose the answer to one request.
struct Counted {
    world: World,
    engine: Engine,
    wire: Wire,
    streams: DynamoStreams,
    leads: DynamoLeads,
    pauses: KnownPauses,
    /// How many more requests pass before an answer is lost; [`NONE`] if none is to be lost.
    lost: Arc<AtomicUsize>,
}

const NONE: usize = usize::MAX;

impl Counted {
    async fn start() -> Self {
        let engine = Engine::start().await;
        let lost = Arc::new(AtomicUsize::new(NONE));
        let (url, left) = (engine.url.clone(), Arc::clone(&lost));
        let wire = Wire::start(move |_| match left.load(Ordering::SeqCst) {
            NONE => Answer::Forward(url.clone()),
            0 => {
                left.store(NONE, Ordering::SeqCst);
                Answer::ForwardThenReset(url.clone())
            }
            more => {
                left.store(more - 1, Ordering::SeqCst);
                Answer::Forward(url.clone())
            }
        })
        .await;
        let (streams, leads) = (streams_at(wire.url()), leads_at(wire.url()));
        Self { world: World::new(), engine, wire, streams, leads, pauses: KnownPauses::default(), lost }
    }

    /// Records an event without going through the wire.
    async fn record(&self, event: domain::Event) {
        let World { buyer, clock, .. } = &self.world;
        let now = clock.now();
        record(&streams_at(&self.engine.url), buyer, &[event], now).await;
    }

    /// Advances the buyer and returns the result and the requests.
    async fn advance(&self) -> (Seen, Vec<String>) {
        let World { buyer, outside, clock, letterhead, .. } = &self.world;
        let (streams, leads) = (&self.streams, &self.leads);
        let pauses = &self.pauses;
        let advance = Advance { streams, leads, outside, clock, letterhead, pauses };
        let before = self.wire.operations().len();
        let advanced = advance.advance(buyer, self.world.deadline()).await.unwrap();
        (Seen::of(&advanced), self.wire.operations().split_off(before))
    }
}

#[tokio::test]
async fn a_commit_costs_three_requests_and_five_with_an_e_mail() {
    let counted = Counted::start().await;
    let empty = counted.advance().await;
    assert_eq!(empty, (settled(0, &[]), vec!["GetItem".to_owned(), "Query".to_owned()]));

    counted.record(made("car-1")).await;
    let (seen, requests) = counted.advance().await;
    assert_eq!(seen, settled(1, &["quote/car-1 sent", "opened/low/1 sent", "quote-email sent"]));
    assert_eq!(requests, MAIL_WITH_PAUSES);

    counted.record(made("car-2")).await;
    let (seen, requests) = counted.advance().await;
    assert_eq!(seen, settled(2, &["quote/car-2 sent"]));
    assert_eq!(requests, ["GetItem", "Query", "UpdateItem"], "only the cursor to write");

    counted.record(withdrawn("car-1").v(2)).await;
    counted.record(withdrawn("car-2").v(2)).await;
    let (seen, requests) = counted.advance().await;
    assert_eq!(seen, settled(4, &["closed/low/1 sent"]));
    assert_eq!(requests, ["GetItem", "Query", "TransactWriteItems"], "a lead to close");

    counted.world.clock.pass(SignedDuration::from_secs(10));
    counted.record(made("car-3")).await;
    let (_, requests) = counted.advance().await;
    assert_eq!(requests.iter().filter(|name| *name == "GetItem").count(), 2, "the pauses are read again");
}

#[tokio::test]
async fn a_rejected_email_costs_as_many_requests_as_a_sent_one() {
    let counted = Counted::start().await;
    counted.record(made("car-1")).await;
    counted.world.outside.deliver_as([Delivery::Refused { reason: "MessageRejected".to_owned() }]);
    let (seen, requests) = counted.advance().await;
    assert_eq!(seen.performed.last().unwrap(), "quote-email rejected");
    assert_eq!(requests[..3], MAIL_WITH_PAUSES[..3]);
    assert_eq!(requests[3..], ["TransactWriteItems"; 3]);
}

#[tokio::test]
async fn a_walk_makes_at_most_one_request_per_fifty_settled_commits() {
    const COMMITS: u32 = 5000;
    let world = World::new();
    world.sweep().await;
    let progress = Progress { through: Sequence::new(1), ..Progress::default() };
    for number in 0..COMMITS {
        // The worst case: every commit has a buyer of its own.
        let buyer = testkit::buyer(&format!("buyer-{number}"));
        record(&*world.streams, &buyer, &[made("car-1")], world.clock.now()).await;
        world.leads.move_cursor(&buyer, &progress, None).await.unwrap();
        world.clock.pass(SignedDuration::from_millis(50));
    }
    world.clock.pass(SignedDuration::from_mins(3));
    let calls = Faults::default();
    let streams = Hooked { inner: &*world.streams, hook: &calls };
    let leads = Hooked { inner: &world.leads, hook: &calls };
    let swept = world.sweep_over(&streams, &leads, &world.outside).await;
    assert_eq!((swept.advanced.len(), swept.left.len()), (0, 0), "all commits are settled");
    assert!(world.tables().walked.unwrap().through >= at("10:04:10"), "walked past the last commit");

    let calls = calls.calls();
    let count = |name: &str| u32::try_from(calls.iter().filter(|call| *call == name).count()).unwrap();
    let of_one = calls.iter().filter(|call| *call == "cursor" || call.starts_with("page"));
    assert_eq!(of_one.count(), 0, "no buyer is read individually");
    let requests = count("recorded") + count("cursors") + count("set_walked") * 3;
    assert!(count("cursors") >= 50 && requests * 50 <= COMMITS, "{requests} requests for {COMMITS} commits");
}

#[tokio::test]
async fn opening_or_having_a_gap_costs_no_additional_request() {
    let counted = Counted::start().await;
    for (event, last) in [
        (accepted("car-1").v(3), "TransactWriteItems"),
        (accepted("car-2").v(3), "UpdateItem"),
        (withdrawn("car-1").v(2), "UpdateItem"),
    ] {
        counted.record(event).await;
        let (seen, requests) = counted.advance().await;
        assert_eq!((seen.behind, requests), (None, ["GetItem", "Query", last].map(str::to_owned).to_vec()));
    }
    assert!(counted.leads.about(&counted.world.buyer).await.unwrap().held.is_some());
}

#[tokio::test]
async fn clearing_a_mark_costs_no_request() {
    let counted = Counted::start().await;
    counted.record(made("car-1")).await;
    counted.world.outside.refuse_sales(1);
    let (seen, requests) = counted.advance().await;
    assert!(seen.behind.is_some());
    assert_eq!(requests, ["GetItem", "Query", "GetItem", "UpdateItem"], "marked");

    let (seen, requests) = counted.advance().await;
    assert_eq!((seen.through, seen.behind), (1, None));
    assert_eq!(requests, MAIL);
    let about = counted.leads.about(&counted.world.buyer).await.unwrap();
    assert_eq!(about.cursor.behind, None);
}

#[tokio::test]
async fn a_request_whose_answer_is_lost_is_repeated_without_harm() {
    for (request, operation) in MAIL.into_iter().enumerate() {
        let counted = Counted::start().await;
        counted.record(made("car-1")).await;
        counted.advance().await;
        counted.record(accepted("car-1").v(2)).await;

        counted.lost.store(request, Ordering::SeqCst);
        let (seen, requests) = counted.advance().await;
        let performed = ["closed/low/1 sent", "opened/high/car-1/2 sent", "accepted-email/car-1/2 sent"];
        assert_eq!(seen, settled(2, &performed), "{request}");
        let mut expected = MAIL.to_vec();
        expected.insert(request, operation);
        assert_eq!(requests, expected, "{request}");
        assert_eq!(counted.world.emails(), ["quote-email", "accepted-email/car-1/2"], "{request}");

        let about = counted.leads.about(&counted.world.buyer).await.unwrap();
        assert_eq!((about.cursor.through, about.cursor.behind), (Sequence::new(2), None), "{request}");
        let statuses: Vec<Status> = about.ledger.values().map(|entry| entry.status).collect();
        assert_eq!(statuses, [Status::Sent, Status::Sent], "{request}");
        let open: Vec<bool> = about.leads.values().map(|lead| lead.closed.is_none()).collect();
        assert_eq!(open, [false, true], "{request}: low, high");
        let outcomes: Vec<Outcome> =
            about.settled.into_values().flat_map(std::collections::BTreeMap::into_values).collect();
        assert_eq!(outcomes, [], "{request}");
    }
}

#[tokio::test]
async fn a_long_tail_is_settled_in_transactions_within_dynamodbs_limit() {
    let counted = Counted::start().await;
    for number in 0..40 {
        let name = format!("car-{number}");
        let events = [made(&name), accepted(&name).v(2), withdrawn(&name).v(3)];
        record(&streams_at(&counted.engine.url), &counted.world.buyer, &events, at("10:00:00")).await;
    }
    let (seen, requests) = counted.advance().await;
    assert_eq!((seen.through, seen.behind), (120, None));
    // For each offer, a closed low and a closed high lead and the outcomes of two sequence numbers; and the cursor.
    assert_eq!(counted.engine.items().len(), 40 * (2 + 2) + 1);
    let moves = requests.iter().filter(|request| *request == "TransactWriteItems").count();
    assert_eq!(moves, 4);
}

/// Records one commit per offer that is made and withdrawn. With an acceptance in between, it leads to two leads and
/// the outcomes of two sequence numbers; without, to one of each.
async fn record_short_lived_offers(counted: &Counted, are_accepted: &[bool]) {
    for (number, is_accepted) in are_accepted.iter().enumerate() {
        let name = format!("car-{number}");
        let mut events = vec![made(&name)];
        events.extend(is_accepted.then(|| accepted(&name).v(2)));
        events.push(withdrawn(&name).v(if *is_accepted { 3 } else { 2 }));
        record(&streams_at(&counted.engine.url), &counted.world.buyer, &events, at("10:00:00")).await;
    }
}

/// The number of write requests; the reads of the cursor and the pauses, also a `…Item`, are subtracted.
fn moves(requests: &[String]) -> usize {
    requests.iter().filter(|request| request.ends_with("Items") || request.ends_with("Item")).count() - 2
}

#[tokio::test]
async fn fifty_items_still_share_a_transaction_with_the_next_commit() {
    let counted = Counted::start().await;
    record_short_lived_offers(&counted, &[[true; 12].as_slice(), &[false, true]].concat()).await;
    let (_, requests) = counted.advance().await;
    assert_eq!(counted.engine.items().len(), 12 * 4 + 2 + 4 + 1);
    assert_eq!(moves(&requests), 1, "{requests:?}");
}

#[tokio::test]
async fn a_transaction_that_settles_the_last_commit_is_the_last_request() {
    let counted = Counted::start().await;
    record_short_lived_offers(&counted, &[true; 13]).await;
    let (_, requests) = counted.advance().await;
    assert_eq!(counted.engine.items().len(), 13 * 4 + 1);
    assert_eq!(moves(&requests), 1, "{requests:?}");
}

#[tokio::test]
async fn a_gap_after_a_long_tail_is_recorded() {
    let counted = Counted::start().await;
    record_short_lived_offers(&counted, &[true; 12]).await;
    let events = [made("car-a"), accepted("car-a").v(2), withdrawn("car-a").v(3), accepted("car-b").v(2)];
    record(&streams_at(&counted.engine.url), &counted.world.buyer, &events, at("10:00:00")).await;
    counted.advance().await;
    let about = counted.leads.about(&counted.world.buyer).await.unwrap();
    assert_eq!(about.held.map(|held| held.sequence), Some(Sequence::new(40)));
}

#[tokio::test]
async fn a_buyer_with_more_leads_than_a_transaction_allows_can_be_erased() {
    let counted = Counted::start().await;
    for car in 1..=120 {
        let offer = format!("car-{car}");
        record(
            &streams_at(&counted.engine.url),
            &counted.world.buyer,
            &[made(&offer), accepted(&offer).v(2)],
            at("10:00:00"),
        )
        .await;
    }
    counted.advance().await;
    let buyer = &counted.world.buyer;
    let streams = streams_at(&counted.engine.url);
    let head = load(&streams, buyer).await.unwrap();
    let mut appending = Appending::onto(head).live();
    appending.take(domain::Fact::Erased(None));
    let (commit, after) = appending.commit(buyer, at("10:00:00")).unwrap();
    assert_eq!(streams.append(&commit).await.unwrap(), Appended::Written);

    let (seen, requests) = counted.advance().await;
    assert_eq!((seen.through, seen.behind), (after.state.sequence.get(), None));
    assert_eq!(seen.performed.len(), 120, "all closings");
    assert_eq!(requests, ["GetItem", "Query", "TransactWriteItems", "TransactWriteItems"]);
    let about = leads_at(&counted.engine.url).about(buyer).await.unwrap();
    assert!(about.leads.values().all(|lead| lead.closed.is_some()) && about.leads.len() >= 120);
}
