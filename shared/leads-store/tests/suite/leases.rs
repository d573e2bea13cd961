//! The sweeper's lease: one sweep at a time, and none stands in the way of the next for longer than its own time.

use leads_store::{Lease, Sweeps as _, Walked};

use super::both;
use crate::attempts::at;

fn lease(nonce: &str, now: &str, until: &str) -> Lease {
    Lease { nonce: nonce.to_owned(), now: at(now), until: at(until) }
}

#[tokio::test]
async fn a_second_sweep_gets_no_lease_while_the_first_has_it() {
    for table in both().await {
        let first = lease("first", "10:00:00", "10:15:00");
        assert_eq!(table.begin(&first).await.unwrap(), Some(None), "{table}");
        assert_eq!(table.begin(&first).await.unwrap(), Some(None), "{table}: its answer was lost");
        for now in ["10:00:00", "10:14:59", "10:15:00"] {
            let second = lease("second", now, "10:30:00");
            assert_eq!(table.begin(&second).await.unwrap(), None, "{table}: {now}");
        }
    }
}

#[tokio::test]
async fn a_lease_that_ran_out_is_taken_and_its_holder_ends_it_no_more() {
    for table in both().await {
        let first = lease("first", "10:00:00", "10:15:00");
        table.begin(&first).await.unwrap();
        let second = lease("second", "10:15:00.001", "10:30:00");
        assert_eq!(table.begin(&second).await.unwrap(), Some(None), "{table}");
        table.end(&first).await.unwrap();
        let third = lease("third", "10:20:00", "10:35:00");
        assert_eq!(table.begin(&third).await.unwrap(), None, "{table}: the second one has it");
    }
}

#[tokio::test]
async fn a_lease_given_back_is_free_at_once_and_brings_the_sweepers_place() {
    for table in both().await {
        let first = lease("first", "10:00:00", "10:15:00");
        table.begin(&first).await.unwrap();
        let walked = Walked::to(at("09:58:00"));
        table.set_walked(walked).await.unwrap();
        table.end(&first).await.unwrap();
        table.end(&first).await.unwrap(); // Its answer was lost.
        let second = lease("second", "10:00:01", "10:15:01");
        assert_eq!(table.begin(&second).await.unwrap(), Some(Some(walked)), "{table}");
    }
}
