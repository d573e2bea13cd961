//! What is left of the commits of an erased buyer.

use contract::stored::StoredCommit;
use serde_json::Value;

use super::Violations;

/// What names a person, or is free text, in a fact.
const PERSONAL: [&str; 5] = ["name", "email", "phone", "same", "reason"];

/// A cleared commit keeps all but what is personal and its snapshot. Only before an erasing is anything cleared, and then everything
/// is. What is recorded after it has nothing personal.
pub(super) fn check<'a>(
    name: &str,
    commits: impl Iterator<Item = (&'a StoredCommit, &'a StoredCommit)>,
    violations: &mut Violations,
) {
    let mut commits: Vec<_> = commits.collect();
    commits.reverse();
    let mut is_erased = false;
    for (now, before) in commits {
        let Some((read, whole)) = facts(now).zip(facts(before)) else {
            violations.must(false, || format!("{name}: commit {} cannot be read", now.sequence));
            continue;
        };
        let is_older = is_erased;
        is_erased |= whole.iter().any(|fact| fact["type"] == "erased");
        if now != before {
            let expected = StoredCommit {
                facts: now.facts.clone(),
                format: before.format.max(if lacks_contact(&read) { 2 } else { 1 }),
                snapshot: None,
                ..before.clone()
            };
            let is_right = is_older && *now == expected && read == cleared(whole);
            violations.must(is_right, || format!("{name}: cleared as {now:?}, it was {before:?}"));
        } else if is_older {
            let is_bare = now.snapshot.is_none() && read == cleared(whole);
            violations.must(is_bare, || format!("{name}: erased, and not cleared: {now:?}"));
        }
    }
}

fn facts(commit: &StoredCommit) -> Option<Vec<Value>> {
    serde_json::from_str(&commit.facts).ok()
}

fn lacks_contact(facts: &[Value]) -> bool {
    facts.iter().any(|fact| fact["type"] == "made" && fact["email"].is_null())
}

fn cleared(mut facts: Vec<Value>) -> Vec<Value> {
    for fact in &mut facts {
        let Some(fields) = fact.as_object_mut() else { continue };
        fields.retain(|field, _| !PERSONAL.contains(&field.as_str()));
        let Some(state) = fields.get_mut("state").and_then(Value::as_object_mut) else { continue };
        state.remove("contacts");
        for line in state.get_mut("offers").and_then(Value::as_object_mut).into_iter().flatten() {
            let words = line.1.as_str().unwrap_or_default().split(' ').enumerate();
            let bare: Vec<&str> = words.map(|(at, word)| if at == 2 { "/" } else { word }).collect();
            *line.1 = Value::String(bare.join(" "));
        }
    }
    facts
}
