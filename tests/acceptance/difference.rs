//! How settings differ, compared by meaning.

use serde_json::{Value, json};

use crate::target::text;

/// The elements of a list, or the only one.
pub(crate) fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_else(|| vec![value.clone()])
}

/// The difference of each property that the template names.
pub(crate) fn compared(expected: &Value, seen: impl Fn(&str) -> Value) -> Vec<String> {
    let properties = expected.as_object().into_iter().flatten();
    properties.filter_map(|(name, expected)| difference(name, expected, &seen(name))).collect()
}

pub(crate) fn difference(name: &str, expected: &Value, seen: &Value) -> Option<String> {
    let (expected, seen) = (comparable(expected), comparable(seen));
    (expected != seen).then(|| format!("{name}: expected {expected}, seen {seen}"))
}

/// A value in the form in which equal settings are equal: lists have no order, a list of one is its element, numbers
/// and truth values are texts, and null members and empty lists are absent.
fn comparable(value: &Value) -> Value {
    match value {
        Value::Null => json!(""),
        Value::Bool(truth) => json!(truth.to_string()),
        Value::Number(number) => json!(number.as_f64().unwrap_or_default().to_string()),
        Value::String(text) => {
            text.parse::<f64>().map_or_else(|_| json!(text), |number| json!(number.to_string()))
        }
        Value::Array(list) => {
            let mut list: Vec<Value> = list.iter().map(comparable).collect();
            list.sort_by_key(ToString::to_string);
            match list.len() {
                0 => json!(""),
                1 => list.remove(0),
                _ => Value::Array(list),
            }
        }
        Value::Object(object) => {
            let members = object.iter().map(|(name, value)| (name.clone(), comparable(value)));
            Value::Object(members.filter(|(_, value)| *value != json!("")).collect())
        }
    }
}

/// The differences between two policy documents, by the ids of their statements.
pub(crate) fn statements(expected: &Value, seen: &Value) -> Vec<String> {
    let seen = list(&seen["Statement"]);
    let expected = list(&expected["Statement"]);
    let mut differences = Vec::new();
    for statement in &expected {
        let id = text(&statement["Sid"]);
        match seen.iter().find(|one| one["Sid"] == statement["Sid"]) {
            None => differences.push(format!("the statement {id} is missing")),
            Some(one) => differences.extend(difference(&id, statement, one)),
        }
    }
    for one in seen.iter().filter(|one| !expected.iter().any(|known| known["Sid"] == one["Sid"])) {
        differences.push(format!("the statement {} is not in the template", one["Sid"]));
    }
    differences
}

#[cfg(test)]
mod comparisons {
    use super::*;

    #[test]
    fn settings_are_compared_by_meaning() {
        let one = json!({"a": ["y", "x"], "b": 5, "c": "true", "d": ["z"], "e": []});
        let other = json!({"a": ["x", "y"], "b": "5.0", "c": true, "d": "z", "e": null});
        assert_eq!(difference("it", &one, &other), None);
        for different in [json!({"a": ["x"]}), json!({"b": 6}), json!({"c": false})] {
            let mut changed = other.clone();
            changed.as_object_mut().unwrap().extend(different.as_object().unwrap().clone());
            assert!(difference("it", &one, &changed).is_some(), "{changed}");
        }
    }

    #[test]
    fn a_statement_that_is_missing_changed_or_added_is_a_difference() {
        let document = |ids: &[(&str, &str)]| {
            let all = ids.iter().map(|(id, action)| json!({"Sid": id, "Action": action}));
            json!({"Statement": all.collect::<Vec<_>>()})
        };
        let expected = document(&[("A", "x"), ("B", "y")]);
        assert_eq!(statements(&expected, &document(&[("B", "y"), ("A", "x")])), Vec::<String>::new());
        assert_eq!(statements(&expected, &document(&[("A", "x")])), ["the statement B is missing"]);
        assert_eq!(statements(&expected, &document(&[("A", "x"), ("B", "z")])).len(), 1);
        assert_eq!(statements(&expected, &document(&[("A", "x"), ("B", "y"), ("C", "z")])).len(), 1);
    }
}
