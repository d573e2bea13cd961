use std::ffi::OsString;

use serde_json::Value;
use tests::Person;

use crate::on_the_stack;

/// The output of `leads audit --json`.
async fn audit() -> Value {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let arguments = ["leads", "audit", "--json", "--rate", "10000"].map(OsString::from);
    cli::run(arguments, &mut out, &mut err).await;
    assert!(!out.is_empty(), "{}", String::from_utf8_lossy(&err));
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn the_audit_finds_nothing_in_streams_of_thirty_commits() {
    const COMMITS: u64 = 30;
    on_the_stack(async |stack| {
        let people = [1, 2, 3, 4].map(|number| Person::called(&format!("audited-{number}")).unwrap());
        for version in 1..=COMMITS {
            let kind = match version {
                1 => "offer.made.v1",
                even if even % 2 == 0 => "offer.accepted.v1",
                _ => "offer.acceptance-withdrawn.v1",
            };
            for person in &people {
                let (id, body) = person.event(kind, "car-1", version);
                stack.post(person.buyer.as_str(), &id, &body).await.unwrap();
            }
            // Waiting after each event makes every event a commit of its own.
            for person in &people {
                stack.wait_settled(&person.buyer, version).await.unwrap();
            }
        }
        let audit = audit().await;
        assert_eq!(audit["isComplete"], true);
        assert!(audit["commits"].as_u64().unwrap() >= 4 * COMMITS, "{audit:#}");
        // Buyers of other tests may be behind at this moment, but no stream may have a gap in its sequence.
        let findings = audit["findings"].as_array().unwrap();
        let is_ours = |finding: &&Value| finding["buyerId"].as_str().unwrap().starts_with("audited-");
        let unexpected: Vec<&Value> =
            findings.iter().filter(|finding| is_ours(finding) || finding["finding"] == "gap").collect();
        assert_eq!(unexpected, Vec::<&Value>::new());
    });
}
