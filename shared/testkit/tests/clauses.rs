//! Which clauses a condition has, and what remains without each.

use testkit::clauses::without_each_clause;

/// Compares the removed clauses and the remaining conditions.
#[track_caller]
fn assert_clauses(condition: &str, expected: &[(&str, &str)]) {
    let found = without_each_clause(condition);
    let found: Vec<(&str, &str)> =
        found.iter().map(|(clause, rest)| (clause.as_str(), rest.as_str())).collect();
    assert_eq!(found, expected);
}

const ALWAYS_TRUE: &str = "attribute_not_exists(nothingHasThisName)";

#[test]
fn a_condition_of_one_clause_becomes_always_true() {
    assert_clauses("mark = :mark", &[("mark = :mark", ALWAYS_TRUE)]);
    assert_clauses("attribute_not_exists(buyer)", &[("attribute_not_exists(buyer)", ALWAYS_TRUE)]);
}

#[test]
fn each_operand_and_the_whole_condition_are_clauses() {
    assert_clauses(
        "a = :a AND b = :b AND c = :c",
        &[
            ("a = :a AND b = :b AND c = :c", ALWAYS_TRUE),
            ("a = :a", "b = :b AND c = :c"),
            ("b = :b", "a = :a AND c = :c"),
            ("c = :c", "a = :a AND b = :b"),
        ],
    );
}

#[test]
fn and_binds_tighter_than_or_and_brackets_bind_tightest() {
    assert_clauses(
        "a = :a AND (b = :b OR c = :c) OR d = :d",
        &[
            ("(a = :a AND (b = :b OR c = :c)) OR d = :d", ALWAYS_TRUE),
            ("a = :a AND (b = :b OR c = :c)", "d = :d"),
            ("a = :a", "(b = :b OR c = :c) OR d = :d"),
            ("b = :b OR c = :c", "a = :a OR d = :d"),
            ("b = :b", "(a = :a AND c = :c) OR d = :d"),
            ("c = :c", "(a = :a AND b = :b) OR d = :d"),
            ("d = :d", "a = :a AND (b = :b OR c = :c)"),
        ],
    );
}

#[test]
fn not_is_removed_with_its_operand_but_kept_for_a_part_of_it() {
    assert_clauses(
        "attribute_not_exists(a) OR NOT contains(a, :b)",
        &[
            ("attribute_not_exists(a) OR NOT contains(a, :b)", ALWAYS_TRUE),
            ("attribute_not_exists(a)", "NOT contains(a, :b)"),
            ("NOT contains(a, :b)", "attribute_not_exists(a)"),
        ],
    );
    assert_clauses(
        "NOT (a = :a AND b = :b)",
        &[("NOT (a = :a AND b = :b)", ALWAYS_TRUE), ("a = :a", "NOT b = :b"), ("b = :b", "NOT a = :a")],
    );
}

#[test]
fn the_and_of_between_and_the_brackets_of_in_separate_no_clauses() {
    assert_clauses(
        "a BETWEEN :b AND :c AND d IN (:e, :f) AND size(g) > :h",
        &[
            ("a BETWEEN :b AND :c AND d IN (:e, :f) AND size(g) > :h", ALWAYS_TRUE),
            ("a BETWEEN :b AND :c", "d IN (:e, :f) AND size(g) > :h"),
            ("d IN (:e, :f)", "a BETWEEN :b AND :c AND size(g) > :h"),
            ("size(g) > :h", "a BETWEEN :b AND :c AND d IN (:e, :f)"),
        ],
    );
}
