//! The sweeper's lease: one sweep at a time, and an expired lease does not block the next sweep.

use leads_store::{Lease, Sweeps as _, Walked};

use super::both;
use crate::attempts::at;

fn lease(nonce: &str, now: &str, until: &str) -> Lease {
    Lease { nonce: nonce.to_owned(), now: at(now), until: at(until) }
}

#[tokio::test]
async fn a_lease_excludes_a_second_sweep() {
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
async fn an_expired_lease_can_be_taken_and_not_ended_by_its_old_holder() {
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
async fn a_released_lease_is_free_at_once_and_returns_the_position() {
    for table in both().await {
        let first = lease("first", "10:00:00", "10:15:00");
        table.begin(&first).await.unwrap();
        let walked = Walked::to(at("09:58:00"));
        table.set_walked(walked).await.unwrap();
        table.end(&first).await.unwrap();
        table.end(&first).await.unwrap(); // Repeated after a lost answer.
        let second = lease("second", "10:00:01", "10:15:01");
        assert_eq!(table.begin(&second).await.unwrap(), Some(Some(walked)), "{table}");
    }
}
