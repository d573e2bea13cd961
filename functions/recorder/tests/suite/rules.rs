use contract::stored::{StoredCommit, encode_snapshot};
use domain::{BuyerId, HELD_LIMIT, Sequence, State};
use event_store::{Appended, Appending, Commits, EventStore, Head, Page, StoreError};
use futures::executor::block_on;
use recorder::dead_letters::MemoryDeadLetters;
use recorder::{NotFromAFifoQueue, Recorder};
use serde_json::json;
use testkit::{
    TestClock, acceptance_withdrawn, accepted, at, body, buyer, contact, made, made_by, memory, rejected,
    withdrawn,
};

use crate::given::{Sent, batch, deliver, held_limit, returned, sent, world};

/// The messages of these events of one buyer, with ids `<buyer>-<index>`.
fn messages(name: &str, events: &[domain::Event]) -> Vec<Sent> {
    let buyer = buyer(name);
    let number = |(index, event)| sent(&format!("{name}-{index}"), &buyer, body(&buyer, event));
    events.iter().enumerate().map(number).collect()
}

#[test]
fn a_buyers_events_in_one_batch_are_one_commit_in_order() {
    let world = world();
    let back = world.deliver(&messages("ada", &[made("car-1"), accepted("car-1").v(2), made("car-2")]));
    assert_eq!(back, [""; 0]);
    assert_eq!(
        world.recorded(&buyer("ada")),
        [("car-1".to_owned(), 1), ("car-1".to_owned(), 2), ("car-2".to_owned(), 1)]
    );
    assert_eq!((world.commits(), world.requests()), (1, (1, 1)), "one query, one put");
}

#[test]
fn a_remembered_head_saves_the_query() {
    let world = world();
    world.deliver(&messages("ada", &[made("car-1")]));
    world.requests();
    world.deliver(&messages("ada", &[accepted("car-1").v(2)]));
    assert_eq!(world.requests(), (1, 0));
}

#[test]
fn a_redelivered_batch_costs_no_write_and_no_read_if_remembered() {
    let world = world();
    let messages = messages("ada", &[made("car-1"), accepted("car-1").v(2)]);
    world.deliver(&messages);
    world.requests();
    assert_eq!(world.deliver(&messages), [""; 0]);
    assert_eq!(world.requests(), (0, 0), "warm");
    assert_eq!(deliver(&world.cold(), &messages), [""; 0]);
    assert_eq!(world.requests(), (0, 1), "cold");
    assert_eq!(world.commits(), 1);
}

#[test]
fn an_event_twice_in_one_batch_is_recorded_once() {
    let world = world();
    world.deliver(&messages("ada", &[made("car-1"), made("car-1")]));
    assert_eq!(world.recorded(&buyer("ada")).len(), 1);
}

#[test]
fn an_early_event_is_held_until_its_gap_is_filled() {
    let world = world();
    world.deliver(&messages("ada", &[made("car-1"), acceptance_withdrawn("car-1").v(3)]));
    world.deliver(&messages("ada", &[accepted("car-1").v(2)]));
    let head = block_on(event_store::load(&world.streams, &buyer("ada"))).unwrap();
    assert_eq!((head.state.held_count(), head.state.has_low_lead()), (0, true));
}

#[test]
fn each_kind_of_bad_message_is_dead_lettered_at_once_with_its_reason() {
    let world = world();
    let ada = buyer("ada");
    let bob = buyer("bob");
    let back = world.deliver(&[
        sent("1", &ada, body(&ada, &made("car-1"))),
        sent("2", &ada, "not json"),
        sent("3", &bob, body(&bob, &made("car-1"))),
        sent("4", &ada, format!("{{\"x\":\"{}\"}}", "x".repeat(70_000))),
        sent("5", &ada, "[".repeat(5000)),
        sent("6", &ada, body(&bob, &made("car-9"))),
        sent("7", &bob, r#"{"specversion":"1.0","id":"1","source":"/o","type":"offer.made.v2","data":{}}"#),
        sent("8", &ada, r#"{"specversion":"1.0"}"#),
        sent("9", &ada, body(&ada, &accepted("car-1").v(2))),
    ]);
    assert_eq!(back, [""; 0]);
    let mut dead = world.dead();
    dead.sort();
    let reason = |id: &str, reason| (id.to_owned(), reason);
    assert_eq!(
        dead,
        [
            reason("2", "not-json"),
            reason("4", "too-large"),
            reason("5", "not-json"),
            reason("6", "wrong-group"),
            reason("7", "unknown-type"),
            reason("8", "not-an-offer-event"),
        ]
    );
    assert_eq!(world.recorded(&ada).len(), 2);
    assert_eq!(world.recorded(&bob).len(), 1);
}

#[test]
fn a_dead_letter_has_the_body_the_detail_and_the_source() {
    let world = world();
    world.deliver(&[sent("7", &buyer("ada"), r#"{"specversion":"1.0"}"#)]);
    let letters = world.letters.letters();
    let letter = letters.first().unwrap();
    assert_eq!((letter.body.as_str(), letter.group.as_str()), (r#"{"specversion":"1.0"}"#, "ada"));
    assert!(letter.detail.contains("data.buyerId"), "{}", letter.detail);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&letter.source).unwrap(),
        json!({"messageId": "7", "groupId": "ada", "deduplicationId": "dedup-7", "sentAt": "1764000000000"})
    );
}

#[test]
fn a_contradiction_of_a_recorded_version_is_dead_lettered() {
    let world = world();
    let ada = buyer("ada");
    world.deliver(&messages("ada", &[made("car-1"), accepted("car-1").v(2), withdrawn("car-1").v(4)]));
    let mut other = contact();
    other.phone = None;
    for (id, event) in [
        ("made", made_by("car-1", other)),
        ("applied", rejected("car-1").v(2)),
        ("held", rejected("car-1").v(4)),
    ] {
        assert_eq!(world.deliver(&[sent(id, &ada, body(&ada, &event))]), [""; 0]);
        assert_eq!(world.dead().pop(), Some((id.to_owned(), "contradiction")));
    }
    assert_eq!((world.recorded(&ada).len(), world.commits()), (3, 1));
}

#[test]
fn an_old_version_is_a_duplicate_whatever_its_content_without_a_read() {
    let world = world();
    let ada = buyer("ada");
    world.deliver(&messages("ada", &[made("car-1"), accepted("car-1").v(2), withdrawn("car-1").v(3)]));
    world.requests();
    let mut other = contact();
    other.name = "Bob Canary".to_owned();
    assert_eq!(world.deliver(&[sent("same", &ada, body(&ada, &made("car-1")))]), [""; 0]);
    assert_eq!(world.deliver(&[sent("other", &ada, body(&ada, &made_by("car-1", other)))]), [""; 0]);
    assert_eq!((world.dead(), world.commits(), world.requests()), (Vec::new(), 1, (0, 0)));
}

#[test]
fn events_beyond_the_limit_are_dead_letters_until_the_gap_is_filled() {
    let world = world();
    let early: Vec<_> = (3..6 + held_limit()).map(|version| accepted("car-1").v(version)).collect();
    world.deliver(&messages("ada", &[made("car-1")]));
    let mut dead = 0;
    for ten in messages("ada", &early).chunks(10) {
        assert_eq!(world.deliver(ten), [""; 0]);
        dead = world.dead().len();
    }
    assert_eq!(dead, 3);
    assert!(world.dead().iter().all(|(_, reason)| *reason == "too-many-held"));
    world.deliver(&messages("ada", &[accepted("car-1").v(2)]));
    assert_eq!(world.deliver(&messages("ada", &[accepted("car-1").v(3 + held_limit())])), [""; 0]);
    assert_eq!(world.recorded(&buyer("ada")).len(), 3 + HELD_LIMIT, "the redriven event is applied");
}

#[test]
fn the_largest_possible_body_is_dead_lettered_unchanged() {
    const LARGEST: usize = 1024 * 1024;
    for missing in (0..160).chain([300, 2000, 4000]) {
        let world = world();
        let body = "ü".repeat((LARGEST - missing) / 2) + &"x".repeat(missing % 2);
        assert_eq!(world.deliver(&[sent("1", &buyer("ada"), body.clone())]), [""; 0]);
        let letters = world.letters.letters();
        let [letter] = &letters[..] else { panic!("{letters:?}") };
        let attributes: Vec<_> = letter.attributes().collect();
        // The size as SQS counts it: the body plus name, type and value of each attribute.
        let size: usize = attributes.iter().map(|(name, value)| name.len() + 6 + value.len()).sum();
        assert!(letter.body == body && body.len() + size <= LARGEST, "{missing}: {attributes:?}");
        let names: Vec<&str> = attributes.iter().map(|(name, _)| *name).collect();
        let source = "source".len()
            + 6
            + r#"{"deduplicationId":"dedup-1","groupId":"ada","messageId":"1","sentAt":"1764000000000"}"#
                .len();
        let expected = match missing {
            ..21 => vec![],
            21..=33 => vec!["reason"],
            34.. if missing - 21 < source => vec!["reason", "detail"],
            34.. if missing - 21 - source < 13 => vec!["reason", "source"],
            _ => vec!["reason", "detail", "source"],
        };
        assert_eq!(names, expected, "{missing}");
    }
}

#[test]
fn neighbours_of_the_largest_possible_body_are_recorded() {
    let world = world();
    let ada = buyer("ada");
    let back = world.deliver(&[
        sent("1", &ada, body(&ada, &made("car-1"))),
        sent("2", &ada, "x".repeat(1024 * 1024)),
        sent("3", &ada, body(&ada, &accepted("car-1").v(2))),
    ]);
    assert_eq!(back, [""; 0]);
    assert_eq!(world.dead(), [("2".to_owned(), "too-large")]);
    assert_eq!(world.recorded(&ada).len(), 2);
}

#[test]
fn a_version_above_the_maximum_is_a_dead_letter_with_the_rule() {
    let world = world();
    let ada = buyer("ada");
    world.deliver(&messages("ada", &[made("car-1")]));
    for version in [u32::MAX, 2_147_483_648] {
        let id = version.to_string();
        assert_eq!(world.deliver(&[sent(&id, &ada, body(&ada, &accepted("car-1").v(version)))]), [""; 0]);
        let letter = world.letters.letters().pop().unwrap();
        let expected =
            ("not-an-offer-event", "data.offerVersion: must be a whole number from 1 to 2147483647");
        assert_eq!((letter.reason.name(), letter.detail.as_str()), expected);
    }
    assert_eq!(
        world.deliver(&[sent("last", &ada, body(&ada, &accepted("car-1").v(2_147_483_647)))]),
        [""; 0]
    );
    assert_eq!(world.recorded(&ada).len(), 2);
}

#[test]
fn nothing_is_started_that_could_outlive_the_invocation() {
    let world = world();
    let messages = messages("ada", &[made("car-1")]);
    let deadline = TestClock::default().deadline_in(5);
    let back = returned(block_on(world.recorder.handle(batch(&messages), deadline)).unwrap());
    assert_eq!(back, ["ada-0"]);
    assert_eq!(world.requests(), (0, 0));
}

#[test]
fn records_from_no_fifo_queue_fail_the_whole_batch() {
    let recorder = world().recorder;
    let deadline = TestClock::default().deadline_in(30);
    for record in [
        json!({"messageId": "1", "body": "x", "attributes": {}}),
        json!({"body": "x", "attributes": {"MessageGroupId": "ada"}}),
        json!({"messageId": "", "body": "x", "attributes": {"MessageGroupId": "ada"}}),
    ] {
        let event = serde_json::from_value(json!({"Records": [record]})).unwrap();
        let error: NotFromAFifoQueue = block_on(recorder.handle(event, deadline)).unwrap_err();
        assert!(error.to_string().contains("must be mapped to an SQS FIFO queue"));
    }
}

/// A store in which every buyer has this one commit with a snapshot, and which accepts every append.
struct SameForAll(StoredCommit);

impl Commits for SameForAll {
    async fn page(&self, buyer: &BuyerId, _: Option<Sequence>, _: usize) -> Result<Page, StoreError> {
        let commit = StoredCommit { buyer: buyer.to_string(), ..self.0.clone() };
        Ok(Page { commits: vec![commit], has_more: false })
    }
}

impl EventStore for SameForAll {
    async fn append(&self, _: &StoredCommit) -> Result<Appended, StoreError> {
        Ok(Appended::Written)
    }
}

/// A commit with a snapshot of about 300 KB: one open offer and many closed ones.
fn large() -> StoredCommit {
    let mut state = State::default();
    for number in 0..5000 {
        let name = format!("offer-{number:0>14}");
        state.fold(&made(&name).into());
        state.fold(&withdrawn(&name).v(2).into());
    }
    let mut appending = Appending::onto(Head { state, ..Head::default() }).live();
    appending.take(made("car-1").into());
    let (mut commit, head) = appending.commit(&buyer("ada"), at("10:00:00")).unwrap();
    let snapshot = encode_snapshot(&head.state);
    assert!((280_000..380_000).contains(&snapshot.len()), "{}", snapshot.len());
    commit.snapshot = Some(snapshot);
    commit
}

#[test]
fn heads_of_200_buyers_with_states_of_300_kb_take_less_than_128_mb() {
    let streams = SameForAll(large());
    let recorder = Recorder::new(streams, MemoryDeadLetters::default(), TestClock::default());
    for _ in 0..2 {
        for number in 0..200 {
            let name = buyer(&format!("buyer-{number}"));
            let event = accepted("car-1").v(2);
            assert_eq!(deliver(&recorder, &[sent("1", &name, body(&name, &event))]), [""; 0]);
        }
    }
    let peak = memory("VmHWM");
    assert!(peak < 128 * 1024 * 1024, "{peak}");
}

/// The places in traces that the only commit has, after a message with this `traceparent` and this header of AWS.
fn traces_of(traceparent: Option<&str>, of_aws: Option<&str>) -> Option<String> {
    let world = world();
    let ada = buyer("ada");
    let mut event: serde_json::Value = serde_json::from_str(&body(&ada, &made("car-1"))).unwrap();
    event["traceparent"] = json!(traceparent);
    let mut batch = batch(&[sent("m", &ada, event.to_string())]);
    if let Some(header) = of_aws {
        batch.records[0].attributes.insert("AWSTraceHeader".to_owned(), header.to_owned());
    }
    let deadline = TestClock::default().deadline_in(30);
    assert_eq!(returned(block_on(world.recorder.handle(batch, deadline)).unwrap()), [""; 0]);
    assert_eq!(world.recorded(&ada).len(), 1, "a trace never decides on an event");
    world.streams.inner.commits().remove(0).traces
}

#[test]
fn the_senders_place_in_a_trace_is_kept_in_the_commit() {
    let (in_event, other) = (
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01",
    );
    let of_aws = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    let kept = |trace: &str| Some(format!("1 {trace}"));
    assert_eq!(traces_of(Some(in_event), None), kept(in_event));
    assert_eq!(traces_of(None, Some(of_aws)), kept(other));
    assert_eq!(traces_of(Some(in_event), Some(of_aws)), kept(in_event), "the event's own wins");
    assert_eq!(traces_of(Some("00-4bf92f35"), Some(of_aws)), kept(other), "a malformed one is dropped");
    assert_eq!(traces_of(Some("00-4bf92f35"), Some("Root=1-5759e988")), None);
    assert_eq!(traces_of(None, None), None);
}
