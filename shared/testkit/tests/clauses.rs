//! How conditions come apart.

use testkit::clauses::without_each_clause;

/// Each clause that is taken out, and what is left.
#[track_caller]
fn assert_comes_apart(condition: &str, expected: &[(&str, &str)]) {
    let found = without_each_clause(condition);
    let found: Vec<(&str, &str)> =
        found.iter().map(|(clause, rest)| (clause.as_str(), rest.as_str())).collect();
    assert_eq!(found, expected);
}

const NOTHING_ASKED: &str = "attribute_not_exists(nothingHasThisName)";

#[test]
fn one_clause_is_the_whole() {
    assert_comes_apart("mark = :mark", &[("mark = :mark", NOTHING_ASKED)]);
    assert_comes_apart("attribute_not_exists(buyer)", &[("attribute_not_exists(buyer)", NOTHING_ASKED)]);
}

#[test]
fn every_operand_goes_in_turn_and_so_does_the_whole() {
    assert_comes_apart(
        "a = :a AND b = :b AND c = :c",
        &[
            ("a = :a AND b = :b AND c = :c", NOTHING_ASKED),
            ("a = :a", "b = :b AND c = :c"),
            ("b = :b", "a = :a AND c = :c"),
            ("c = :c", "a = :a AND b = :b"),
        ],
    );
}

#[test]
fn and_binds_closer_than_or_and_brackets_closer_than_both() {
    assert_comes_apart(
        "a = :a AND (b = :b OR c = :c) OR d = :d",
        &[
            ("(a = :a AND (b = :b OR c = :c)) OR d = :d", NOTHING_ASKED),
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
fn not_goes_with_what_it_denies_or_with_a_part_of_it() {
    assert_comes_apart(
        "attribute_not_exists(a) OR NOT contains(a, :b)",
        &[
            ("attribute_not_exists(a) OR NOT contains(a, :b)", NOTHING_ASKED),
            ("attribute_not_exists(a)", "NOT contains(a, :b)"),
            ("NOT contains(a, :b)", "attribute_not_exists(a)"),
        ],
    );
    assert_comes_apart(
        "NOT (a = :a AND b = :b)",
        &[("NOT (a = :a AND b = :b)", NOTHING_ASKED), ("a = :a", "NOT b = :b"), ("b = :b", "NOT a = :a")],
    );
}

#[test]
fn the_and_of_a_between_and_the_brackets_of_a_list_join_no_clauses() {
    assert_comes_apart(
        "a BETWEEN :b AND :c AND d IN (:e, :f) AND size(g) > :h",
        &[
            ("a BETWEEN :b AND :c AND d IN (:e, :f) AND size(g) > :h", NOTHING_ASKED),
            ("a BETWEEN :b AND :c", "d IN (:e, :f) AND size(g) > :h"),
            ("d IN (:e, :f)", "a BETWEEN :b AND :c AND size(g) > :h"),
            ("size(g) > :h", "a BETWEEN :b AND :c AND d IN (:e, :f)"),
        ],
    );
}
