use std::collections::BTreeSet;

use proptest::prelude::*;
use recorder::FifoBatch;
use testkit::{accepted, body, buyer, made};

use crate::given::{Fault, Sent, batch, sent, world};

/// A batch of messages of up to four buyers, some of them poison.
fn any_batch() -> impl Strategy<Value = Vec<Sent>> {
    proptest::collection::vec((0..4_usize, any::<bool>()), 1..=10).prop_map(|places| {
        let mut versions = [0_u32; 4];
        places
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
    fn only_messages_that_were_there_are_reported_and_none_before_a_settled_one(
        messages in any_batch(), settled in proptest::collection::vec(0..=10_usize, 4)
    ) {
        let fifo = FifoBatch::of(batch(&messages)).unwrap();
        let reported: BTreeSet<String> = crate::given::returned(fifo.answer(&settled)).into_iter().collect();
        prop_assert!(reported.iter().all(|id| messages.iter().any(|message| &message.id == id)));
        for (group, settled) in fifo.groups().iter().zip(&settled) {
            let is_back: Vec<bool> = group.messages.iter().map(|message| reported.contains(&message.id)).collect();
            let expected: Vec<bool> = (0..group.messages.len()).map(|index| index >= *settled).collect();
            prop_assert_eq!(is_back, expected);
        }
    }

    #[test]
    fn every_message_ends_recorded_or_dead_and_no_innocent_is_touched_whatever_fails_first(
        messages in any_batch(), failing in proptest::option::of((0..4_usize, 0..3_usize))
    ) {
        let world = world();
        if let Some((who, fault)) = failing {
            let (operation, fault) =
                [("page", Fault::Before), ("append", Fault::Before), ("append", Fault::After)][fault];
            world.fault(&buyer(["ada", "bob", "cem", "dee"][who]), operation, fault);
        }
        let back = world.deliver(&messages);
        let again: Vec<Sent> = messages.iter().filter(|message| back.contains(&message.id)).cloned().collect();
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
