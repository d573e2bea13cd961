//! The memory that the recorder uses for buyers with large states.

use contract::stored::{StoredCommit, encode_snapshot};
use domain::{BuyerId, Sequence, State};
use event_store::{Appended, Appending, Commits, EventStore, Head, Page, StoreError};
use platform::clock::Clock as _;
use recorder::Recorder;
use testkit::{accepted, body, buyer, made, memory, withdrawn};

use crate::given::{Letters, Still, deliver, sent};

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
        state.fold(&made(&name));
        state.fold(&withdrawn(&name).v(2));
    }
    let mut appending = Appending::onto(Head { state, ..Head::default() }).live();
    appending.take(made("car-1").into());
    let (mut commit, head) = appending.commit(&buyer("ada"), Still.now()).unwrap();
    let snapshot = encode_snapshot(&head.state);
    assert!((280_000..380_000).contains(&snapshot.len()), "{}", snapshot.len());
    commit.snapshot = Some(snapshot);
    commit
}

#[test]
fn heads_of_200_buyers_with_states_of_300_kb_take_less_than_128_mb() {
    let streams = SameForAll(large());
    let letters: &Letters = Box::leak(Box::default());
    let recorder = Recorder::new(streams, letters, Still);
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
