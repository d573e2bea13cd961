//! Every clause of every condition expression is necessary: without it, some test of this suite fails.

use testkit::clauses::{clauses, table};

#[test]
fn every_clause_of_every_condition_is_necessary() {
    let clauses = clauses("clauses::");
    let table = table(&clauses);
    eprintln!("{table}");
    assert!(!clauses.is_empty() && clauses.iter().all(|clause| clause.caught_by.is_some()), "{table}");
}
