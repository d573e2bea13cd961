//! The guarantees of the event store: one set of rules, run against memory and against DynamoDB. Tests that need
//! DynamoDB alone cover the cost of appends and loads, and failures of the connection.
#![expect(clippy::unwrap_used, reason = "test code")]

mod appending;
mod capacity;
mod faults;
mod feed;
mod operations;
mod reading;
mod streams;

/// Every clause of every condition expression is necessary: without it, some test of this suite fails.
mod clauses {
    use testkit::clauses::{clauses, table};

    #[test]
    fn every_clause_of_every_condition_is_necessary() {
        let clauses = clauses("clauses::");
        let table = table(&clauses);
        eprintln!("{table}");
        assert!(!clauses.is_empty() && clauses.iter().all(|clause| clause.caught_by.is_some()), "{table}");
    }
}
