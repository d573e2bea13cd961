//! Checks the commits of erased buyers, from which personal data are cleared.

use contract::stored::StoredCommit;
use serde_json::Value;

use super::Violations;

/// The fields of a fact that identify a person or are free text.
const PERSONAL: [&str; 5] = ["name", "email", "phone", "same", "reason"];

/// A cleared commit must keep everything except personal data and its snapshot. All commits before an erasure must be
/// cleared, and no others. Commits after it must contain no personal data.
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
            violations.must(is_right, || format!("{name}: cleared wrongly, {before:?} became {now:?}"));
        } else if is_older {
            let is_bare = now.snapshot.is_none() && read == cleared(whole);
            violations.must(is_bare, || format!("{name}: not cleared although the buyer is erased: {now:?}"));
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
