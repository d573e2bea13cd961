use std::collections::BTreeSet;

use proptest::prelude::*;
use recorder::FifoBatch;
use testkit::{accepted, body, buyer, made};

use crate::given::{Fault, Sent, batch, sent, world};

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
                [("page", Fault::Before), ("append", Fault::Before), ("append", Fault::After)][fault];
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
