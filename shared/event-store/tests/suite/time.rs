//! Deadlines: no call begins that could outlive the invocation. Also the system clock.

use std::time::Duration;

use event_store::{Appended, Commits as _, EventStore as _, MemoryStreams, StoreError, WithinDeadline};
use jiff::{SignedDuration, Timestamp};
use platform::clock::{CALL_TIME, Clock, Deadline, OutOfTime, SystemClock};
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
fn a_deadline_leaves_exactly_the_time_until_it() {
    let deadline = Deadline::at(moment() + SignedDuration::from_secs(6));
    assert_eq!(deadline.leaves(Duration::from_secs(6), &Still), Ok(()));
    assert_eq!(deadline.leaves(Duration::from_millis(6001), &Still), Err(OutOfTime));
    assert_eq!(Deadline::at(moment()).leaves(Duration::ZERO, &Still), Ok(()));
    assert_eq!(deadline.leaves(Duration::MAX, &Still), Err(OutOfTime));
}

#[tokio::test]
async fn calls_that_could_outlive_the_invocation_are_refused() {
    let commit = Story::of("buyer-7").append_one(made("car-1"));
    let store = &MemoryStreams::default();
    let needed = SignedDuration::try_from(CALL_TIME).unwrap();
    // The deadline is checked to the millisecond.
    for (left, is_called) in [(needed, true), (needed - SignedDuration::from_millis(1), false)] {
        let limited = WithinDeadline { store, deadline: Deadline::at(moment() + left), clock: &Still };
        let appended = limited.append(&commit).await;
        let page = limited.page(&testkit::buyer("buyer-7"), None, 8).await;
        if is_called {
            assert_eq!(appended.unwrap(), Appended::Written);
            assert_eq!(page.unwrap().commits, std::slice::from_ref(&commit));
        } else {
            assert!(matches!(appended, Err(StoreError::Unavailable { operation: "append", .. })));
            assert!(matches!(page, Err(StoreError::Unavailable { operation: "page", .. })));
        }
    }
    assert_eq!(store.commits(), [commit]);
}

#[test]
fn the_system_clock_advances_and_its_nonces_are_unique() {
    let (first, second) = (SystemClock.now(), SystemClock.now());
    assert!(Timestamp::UNIX_EPOCH < first && first <= second);
    let (first, second) = (SystemClock.nonce(), SystemClock.nonce());
    assert_eq!((first.len(), second.len()), (36, 36));
    assert_ne!(first, second);
}
