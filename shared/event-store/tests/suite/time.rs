//! Nothing is begun that cannot end in time; and what the machine itself is asked.

use std::time::Duration;

use event_store::{Appended, Commits as _, EventStore as _, InTime, MemoryStreams, NEEDED, StoreError};
use jiff::{SignedDuration, Timestamp};
use platform::clock::{Clock, Deadline, OutOfTime, SystemClock};
use testkit::made;

use crate::story::{Story, moment};

#[derive(Debug, Clone, Copy)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        moment()
    }

    fn nonce(&self) -> String {
        "nonce".to_owned()
    }
}

#[test]
fn a_deadline_leaves_exactly_what_there_is_until_then() {
    let deadline = Deadline::at(moment() + SignedDuration::from_secs(6));
    assert_eq!(deadline.leaves(Duration::from_secs(6), &Still), Ok(()));
    assert_eq!(deadline.leaves(Duration::from_millis(6001), &Still), Err(OutOfTime));
    assert_eq!(Deadline::at(moment()).leaves(Duration::ZERO, &Still), Ok(()));
    assert_eq!(deadline.leaves(Duration::MAX, &Still), Err(OutOfTime));
}

#[tokio::test]
async fn nothing_is_asked_of_a_store_that_could_not_answer_in_time() {
    let commit = Story::of("buyer-7").tell_one(made("car-1"));
    let store = &MemoryStreams::default();
    let needed = SignedDuration::try_from(NEEDED).unwrap();
    for (left, is_asked) in [(needed, true), (needed - SignedDuration::from_millis(1), false)] {
        let in_time = InTime { store, deadline: Deadline::at(moment() + left), clock: &Still };
        let appended = in_time.append(&commit).await;
        let page = in_time.page(&testkit::buyer("buyer-7"), None, 8).await;
        if is_asked {
            assert_eq!(appended.unwrap(), Appended::Written);
            assert_eq!(page.unwrap().commits, std::slice::from_ref(&commit));
        } else {
            assert!(matches!(appended, Err(StoreError::Unavailable { operation: "an append", .. })));
            assert!(matches!(page, Err(StoreError::Unavailable { operation: "a page", .. })));
        }
    }
    assert_eq!(store.commits(), [commit]);
}

#[test]
fn the_machine_has_a_clock_that_goes_on_and_never_gives_a_name_twice() {
    let (first, second) = (SystemClock.now(), SystemClock.now());
    assert!(Timestamp::UNIX_EPOCH < first && first <= second);
    let (first, second) = (SystemClock.nonce(), SystemClock.nonce());
    assert_eq!((first.len(), second.len()), (36, 36));
    assert_ne!(first, second);
}
