use std::collections::BTreeSet;

use domain::HELD_LIMIT;
use proptest::prelude::*;
use recorder::FifoBatch;
use testkit::hooks::Fate;
use testkit::logs::{Level, Logs};
use testkit::{acceptance_withdrawn, accepted, body, buyer, made, rejected};

use crate::given::{Sent, batch, deliver, held_limit, sent, world};

fn three(name: &str) -> Vec<Sent> {
    let buyer = buyer(name);
    [made("car-1"), accepted("car-1").v(2), acceptance_withdrawn("car-1").v(3)]
        .iter()
        .enumerate()
        .map(|(index, event)| sent(&format!("{name}-{index}"), &buyer, body(&buyer, event)))
        .collect()
}

fn mixed() -> Vec<Sent> {
    let (ada, bob) = (three("ada"), three("bob"));
    ada.into_iter().zip(bob).flat_map(|(one, other)| [one, other]).collect()
}

#[test]
fn if_one_buyer_fails_only_its_messages_are_returned_in_order() {
    for (operation, fault) in [
        ("page", Fate::Fails),
        ("append", Fate::Fails),
        ("append", Fate::LosesAnswer),
        ("append", Fate::Panics),
        ("page", Fate::Panics),
    ] {
        let world = world();
        world.fault(&buyer("ada"), operation, fault);
        assert_eq!(world.deliver(&mixed()), ["ada-0", "ada-1", "ada-2"], "{operation} {fault:?}");
        assert_eq!(world.recorded(&buyer("bob")).len(), 3);
        assert_eq!(world.deliver(&three("ada")), [""; 0], "settled by the next delivery");
        assert_eq!(world.recorded(&buyer("ada")).len(), 3);
        assert_eq!(
            (world.commits(), world.dead()),
            (2, vec![]),
            "{operation} {fault:?}: one commit each, no dead letters"
        );
    }
}

#[test]
fn events_of_a_put_with_a_lost_answer_are_duplicates_next_time() {
    let world = world();
    world.fault(&buyer("ada"), "append", Fate::LosesAnswer);
    world.deliver(&three("ada"));
    world.requests();
    assert_eq!(world.deliver(&three("ada")), [""; 0]);
    assert_eq!(world.requests(), (0, 1), "one read, nothing to write");
}

#[test]
fn after_a_conflict_the_stored_commit_is_adopted_and_events_redecided() {
    let world = world();
    world.overtake(&buyer("ada"));
    assert_eq!(world.deliver(&three("ada")), [""; 0]);
    assert_eq!(world.requests(), (1, 1), "the failed put returned the stored commit");
    assert_eq!(world.recorded(&buyer("ada")).len(), 3);
}

#[test]
fn a_stale_remembered_head_costs_one_failed_put() {
    let world = world();
    let (ada, other) = (buyer("ada"), world.cold());
    let messages = three("ada");
    world.deliver(&messages[..1]);
    deliver(&other, &messages[1..2]);
    world.requests();
    assert_eq!(world.deliver(&messages[2..]), [""; 0]);
    assert_eq!(world.requests(), (2, 0));
    assert_eq!(world.recorded(&ada).len(), 3);
}

#[test]
fn a_dead_letter_is_never_decided_on_a_remembered_head() {
    let world = world();
    let ada = buyer("ada");
    let event = |id: &str, event| sent(id, &ada, body(&ada, &event));
    world.deliver(&[event("1", made("car-1"))]);
    // This recorder remembers as many early events as it may hold; another one fills the gap.
    for version in 3..3 + held_limit() {
        world.deliver(&[event(&format!("early-{version}"), accepted("car-1").v(version))]);
    }
    deliver(&world.cold(), &[event("gap", accepted("car-1").v(2))]);
    assert_eq!(world.deliver(&[event("valid", rejected("car-1").v(4 + held_limit()))]), [""; 0]);
    assert_eq!(world.dead(), []);
    assert_eq!(world.recorded(&ada).len(), 3 + HELD_LIMIT);
}

#[test]
fn without_the_dead_letter_queue_a_bad_message_and_later_ones_return() {
    let world = world();
    let ada = buyer("ada");
    let messages = [
        sent("1", &ada, body(&ada, &made("car-1"))),
        sent("2", &ada, "poison"),
        sent("3", &ada, body(&ada, &accepted("car-1").v(2))),
    ];
    world.letters.refuse([true]);
    let logs = Logs::listen("recorder", Level::INFO);
    assert_eq!(world.deliver(&messages), ["2", "3"]);
    assert_eq!(world.letters.refused(), 1);
    assert_eq!(
        logs.lines(),
        [
            "INFO recorded buyer=ada eventId=car-1-1-made messageId=1 offer=car-1 sequence=1 version=1",
            "WARN this message and later ones are returned error=cannot send a dead letter now: the dead-letter queue \
             did not accept message 2: the test's queue takes nothing now messageId=2",
            "WARN returned messageId=2 receives=1",
            "WARN returned eventId=car-1-2-accepted messageId=3 receives=1",
        ]
    );
    world.letters.refuse([true]);
    assert_eq!(world.deliver(&messages[1..]), ["2", "3"]);
    assert_eq!(world.letters.refused(), 2);
    assert_eq!(world.deliver(&messages[1..]), [""; 0]);
    assert_eq!(world.dead(), [("2".to_owned(), "not-json")]);
    assert_eq!(world.recorded(&ada).len(), 2);
}

#[test]
fn a_message_that_panics_ten_times_is_dead_lettered_alone() {
    let world = world();
    let ada = buyer("ada");
    let mut breaking = accepted("car-1").v(2);
    breaking.id = domain::EventId::parse("breaks-it").unwrap();
    let messages = [
        sent("1", &ada, body(&ada, &made("car-1"))),
        sent("2", &ada, body(&ada, &breaking)),
        sent("3", &ada, body(&ada, &acceptance_withdrawn("car-1").v(3))),
    ];
    for times in 1..5 {
        assert_eq!(world.deliver_again(&messages, times), ["1", "2", "3"]);
    }
    assert_eq!(world.deliver_again(&messages, 5), ["2", "3"], "one by one");
    for times in 6..10 {
        assert_eq!(world.deliver_again(&messages[1..], times), ["2", "3"]);
    }
    assert_eq!(world.dead(), []);
    // The third message was received as often, so it would also become a dead letter if SQS gave up.
    assert_eq!(world.deliver_again(&messages[1..], 10), [""; 0]);
    assert_eq!(world.dead(), [("2".to_owned(), "breaks-the-recorder")]);
    assert_eq!(world.recorded(&ada), [("car-1".to_owned(), 1), ("car-1".to_owned(), 3)]);
}

#[test]
fn the_first_panic_after_an_outage_dead_letters_nothing() {
    let world = world();
    let ada = buyer("ada");
    world.fault(&ada, "append", Fate::Panics);
    assert_eq!(world.deliver_again(&three("ada"), 40), ["ada-0", "ada-1", "ada-2"]);
    assert_eq!(world.deliver_again(&three("ada"), 41), [""; 0]);
    assert_eq!((world.dead(), world.recorded(&ada).len()), (vec![], 3));
}

#[test]
fn panics_are_counted_per_message_and_not_per_receive() {
    let world = world();
    let ada = buyer("ada");
    let mut breaking = made("car-1");
    breaking.id = domain::EventId::parse("breaks-it").unwrap();
    let messages = [sent("1", &ada, body(&ada, &breaking)), sent("2", &ada, body(&ada, &made("car-2")))];
    for times in 50..59 {
        assert_eq!(world.deliver_again(&messages, times), ["1", "2"]);
    }
    assert_eq!(world.deliver_again(&messages, 59), [""; 0], "the tenth panic");
    assert_eq!(world.dead(), [("1".to_owned(), "breaks-the-recorder")]);
}

#[test]
fn from_the_90th_receive_on_one_panic_is_enough() {
    let world = world();
    let ada = buyer("ada");
    let mut breaking = made("car-1");
    breaking.id = domain::EventId::parse("breaks-it").unwrap();
    let messages = [sent("1", &ada, body(&ada, &breaking)), sent("2", &ada, body(&ada, &made("car-2")))];
    assert_eq!(world.deliver_again(&messages, 89), ["1", "2"]);
    assert_eq!(world.deliver_cold(&messages, 90), [""; 0], "in another environment");
    assert_eq!(world.dead(), [("1".to_owned(), "breaks-the-recorder")]);
    assert_eq!(world.recorded(&ada), [("car-2".to_owned(), 1)]);
}

/// A batch of messages of up to four buyers, some of them with the invalid body `poison`.
fn any_batch() -> impl Strategy<Value = Vec<Sent>> {
    proptest::collection::vec((0..4_usize, any::<bool>()), 1..=10).prop_map(|messages| {
        let mut versions = [0_u32; 4];
        messages
            .into_iter()
            .enumerate()
            .map(|(index, (who, is_poison))| {
                let buyer = buyer(["ada", "bob", "cem", "dee"][who]);
                let id = format!("m{index}");
                if is_poison {
                    return sent(&id, &buyer, "poison");
                }
                versions[who] += 1;
                let event =
                    if versions[who] == 1 { made("car-1") } else { accepted("car-1").v(versions[who]) };
                sent(&id, &buyer, body(&buyer, &event))
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_answer_returns_exactly_the_unsettled_end_of_each_group(
        messages in any_batch(), settled in proptest::collection::vec(0..=10_usize, 4)
    ) {
        let fifo = FifoBatch::of(batch(&messages)).unwrap();
        let returned: BTreeSet<String> = crate::given::returned(fifo.answer(&settled)).into_iter().collect();
        prop_assert!(returned.iter().all(|id| messages.iter().any(|message| &message.id == id)));
        for (group, settled) in fifo.groups().iter().zip(&settled) {
            let is_returned: Vec<bool> = group.messages.iter().map(|message| returned.contains(&message.id)).collect();
            let expected: Vec<bool> = (0..group.messages.len()).map(|index| index >= *settled).collect();
            prop_assert_eq!(is_returned, expected);
        }
    }

    #[test]
    fn every_message_is_recorded_or_dead_lettered_despite_a_first_failure(
        messages in any_batch(), failing in proptest::option::of((0..4_usize, 0..3_usize))
    ) {
        let world = world();
        if let Some((who, fault)) = failing {
            let (operation, fault) =
                [("page", Fate::Fails), ("append", Fate::Fails), ("append", Fate::LosesAnswer)][fault];
            world.fault(&buyer(["ada", "bob", "cem", "dee"][who]), operation, fault);
        }
        let returned = world.deliver(&messages);
        let again: Vec<Sent> = messages.iter().filter(|message| returned.contains(&message.id)).cloned().collect();
        prop_assert_eq!(world.deliver(&again), Vec::<String>::new());

        let poison: BTreeSet<&str> =
            messages.iter().filter(|message| message.body == "poison").map(|message| message.id.as_str()).collect();
        let dead = world.dead();
        prop_assert_eq!(dead.iter().map(|(id, _)| id.as_str()).collect::<BTreeSet<_>>(), poison);
        let events = messages.len() - dead.len();
        let recorded: usize =
            ["ada", "bob", "cem", "dee"].iter().map(|name| world.recorded(&buyer(name)).len()).sum();
        prop_assert_eq!(recorded, events);
    }
}
