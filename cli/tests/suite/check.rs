use std::collections::BTreeSet;

use cli::Exit;
use contract::incoming::{LARGEST_BODY, TYPES};
use domain::Contact;
use serde_json::{Value, json};
use testkit::{accepted, body, buyer, contact, made, made_by, rejected};

use crate::world::{TestFile, examples, examples_folder, offline};

/// The JSON result of checking these lines.
async fn checked(lines: &[impl AsRef<[u8]>]) -> Value {
    let file = TestFile::of(lines.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(&b"\n"[..]));
    let ended = offline(&["check", "--json", file.name()]).await;
    let document = ended.json();
    let has_findings = document["findings"] != json!([]);
    assert_eq!(ended.exit, if has_findings { Exit::Findings } else { Exit::Good });
    document
}

#[tokio::test]
async fn every_valid_example_is_without_findings() {
    let files = TYPES.map(|kind| format!("valid/{kind}.jsonl"));
    let examples: Vec<_> = files.iter().flat_map(|file| examples(file)).collect();
    assert!(examples.len() > 20);
    for (name, event) in examples {
        let document = checked(&[event]).await;
        assert_eq!((&document["events"], &document["findings"]), (&json!(1), &json!([])), "{name}");
        let has_warnings = document["warnings"] != json!([]);
        // The longest and the shortest address that the contract allows are not usable with SES.
        let is_extreme = name.contains("made.v1.longest") || name.contains("made.v1.one-character-ids");
        let expects_warnings = name.contains("malformed-") || name.contains("which is dropped") || is_extreme;
        assert_eq!(has_warnings, expects_warnings, "{name}: {document}");
    }
}

#[tokio::test]
async fn every_invalid_example_is_a_finding_in_its_line() {
    let examples = examples("invalid.jsonl");
    assert!(examples.len() > 50);
    // Blank lines are counted and skipped.
    let lines: Vec<String> = examples.iter().map(|(_, event)| format!("{event}\r\n \t")).collect();
    let document = checked(&lines).await;
    let found: BTreeSet<u64> = document["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["line"].as_u64().unwrap())
        .collect();
    let line_of = |place: usize| 2 * place as u64 + 1;
    let missed: Vec<&String> = (0..examples.len())
        .filter(|place| !found.contains(&line_of(*place)))
        .map(|place| &examples[place].0)
        .collect();
    assert_eq!((missed, found.len()), (Vec::new(), examples.len()));
    assert_eq!((&document["events"], &document["warnings"]), (&json!(0), &json!([])));
}

#[tokio::test]
async fn the_example_file_of_the_readme_has_no_findings() {
    let file = examples_folder().join("offers.jsonl");
    let ended = offline(&["check", file.to_str().unwrap()]).await;
    assert_eq!(ended.exit, Exit::Good);
    assert!(ended.out.ends_with(": 12 lines, 12 events, 0 findings, 0 warnings\n"), "{}", ended.out);
}

#[tokio::test]
async fn every_fault_of_a_line_is_reported() {
    let line = json!({
        "specversion": "1.0", "id": "a/b", "source": "", "type": "offer.made.v1", "time": "yesterday",
        "data": { "buyerId": "b", "offerId": "o", "offerVersion": 2, "buyer": { "name": 7 } },
    });
    let file = TestFile::of(format!("\n{line}\n"));
    let ended = offline(&["check", file.name()]).await;
    let name = file.name();
    assert_eq!(ended.exit, Exit::Findings);
    let expected = format!(
        "{name}:2: id: must be 1 to 128 visible ASCII characters without '/'\n\
         {name}:2: source: must not be empty\n\
         {name}:2: data.offerVersion: must be 1 for offer.made.v1\n\
         {name}:2: data.carId: must be 1 to 128 visible ASCII characters without '/'\n\
         {name}:2: data.buyer.name: is required and must be a string\n\
         {name}:2: data.buyer.email: is required and must be a string\n\
         {name}: 2 lines, 0 events, 6 findings, 0 warnings\n"
    );
    assert_eq!(ended.out, expected);
}

#[tokio::test]
async fn a_line_that_is_not_json_has_one_finding_without_a_path() {
    let large = vec![b' '; LARGEST_BODY + 1];
    let lines: [&[u8]; 4] = [b"\xef\xbb\xbf{}", b"{\"a\":", b"\"\xff\"", &large];
    let findings = json!([
        { "line": 1, "path": null, "rule": "begins with a byte order mark, which JSON does not allow: save the file without it" },
        { "line": 2, "path": null, "rule": "is not valid JSON from column 5 on" },
        { "line": 3, "path": null, "rule": "is not valid UTF-8" },
        { "line": 4, "path": null, "rule": "is 65537 bytes long: at most 65536 are allowed" },
    ]);
    assert_eq!(checked(&lines).await["findings"], findings);
}

#[tokio::test]
async fn an_unusable_address_is_a_warning() {
    let at = |car: &str, email: &str| {
        body(&buyer("ada"), &made_by(car, Contact { email: email.to_owned(), ..contact() }))
    };
    let document = checked(&[
        at("car-1", "\u{a0}ada@example.com\n"),
        at("car-2", "ada@"),
        at("car-3", "ada byron@example.com"),
    ])
    .await;
    let warnings = [(2, "car-2-1-made"), (3, "car-3-1-made")].map(|(line, event)| {
        let rule = format!(
            "is not a usable e-mail address: every e-mail about the offer of event {event} would be rejected"
        );
        json!({ "line": line, "path": "data.buyer.email", "rule": rule })
    });
    assert_eq!((&document["findings"], &document["warnings"]), (&json!([]), &json!(warnings)));
    assert!(!document.to_string().contains("byron"), "a remark never contains the value");
}

#[tokio::test]
async fn a_malformed_field_that_is_dropped_is_a_warning() {
    let event = body(&buyer("ada"), &made("car-1")).replace("2026-11-23T10:00:00Z", "yesterday");
    assert!(event.contains("yesterday"));
    let event = event.replacen("\"subject\":\"car-1\"", "\"subject\":7", 1);
    let document = checked(&[event]).await;
    let time = "is not an RFC 3339 timestamp such as 2026-11-23T10:00:00Z: the event is recorded without it";
    let subject = "is malformed: the event is recorded without it";
    let warnings = [("subject", subject), ("time", time)]
        .map(|(path, rule)| json!({ "line": 1, "path": path, "rule": rule }));
    assert_eq!((&document["findings"], &document["warnings"]), (&json!([]), &json!(warnings)));
}

#[tokio::test]
async fn one_version_with_two_contents_is_a_contradiction() {
    let ada = buyer("ada");
    let mut other = rejected("car-1").v(2);
    other.time = None;
    let document = checked(&[
        body(&ada, &made("car-1")),
        body(&ada, &accepted("car-1").v(2)),
        body(&ada, &other),
        // The same version of another buyer's offer, or of another offer, does not contradict it.
        body(&buyer("bob"), &rejected("car-1").v(2)).replace("rejected\"", "rejected-b\""),
        body(&ada, &made("car-2")),
        body(&ada, &made_by("car-1", Contact { phone: None, ..contact() })).replace("car-1-1-made", "new-id"),
    ])
    .await;
    let lines: Vec<(u64, &str)> = document["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| (finding["line"].as_u64().unwrap(), finding["rule"].as_str().unwrap()))
        .collect();
    let rule = |line: u64| {
        format!("contradicts line {line}: the same version of the offer with another type or other data")
    };
    assert_eq!(lines, [(3, rule(2).as_str()), (6, rule(1).as_str())]);
}

#[tokio::test]
async fn a_repeat_is_a_warning_only_under_its_old_id() {
    let ada = buyer("ada");
    let first = body(&ada, &made("car-1"));
    let with_new_id = first.replace("car-1-1-made", "another-id").replace("2026-11-23", "2026-11-24");
    let document = checked(&[first.clone(), with_new_id, first]).await;
    assert_eq!(document["findings"], json!([]));
    let warning = "repeats line 1: SQS drops the repeat if both are posted within five minutes";
    assert_eq!(document["warnings"], json!([{ "line": 3, "path": "id", "rule": warning }]));
}

#[tokio::test]
async fn an_id_used_for_two_events_is_a_finding_even_across_buyers() {
    let event = body(&buyer("ada"), &made("car-1"));
    let document = checked(&[
        event.clone(),
        event.replace("ada\"", "bob\""),
        event.replace("\"offerId\":\"car-1\"", "\"offerId\":\"car-2\""),
    ])
    .await;
    let rule = "is already the id of another event in line 1: SQS drops the second event, because the id is its deduplication id";
    let findings = [2, 3].map(|line| json!({ "line": line, "path": "id", "rule": rule }));
    assert_eq!(document["findings"], json!(findings));
}

#[tokio::test]
async fn gaps_and_lines_out_of_order_are_warnings() {
    let ada = buyer("ada");
    let document = checked(&[
        body(&ada, &accepted("car-1").v(4)),
        body(&ada, &made("car-1")),
        body(&ada, &accepted("car-1").v(7)),
        body(&ada, &rejected("car-1").v(9)),
        body(&ada, &rejected("car-2").v(5)),
    ])
    .await;
    assert_eq!(document["findings"], json!([]));
    let warning = |line: u64, rule: &str| json!({ "line": line, "path": "data.offerVersion", "rule": rule });
    let held = "not in this file: this event is held until all earlier versions are recorded";
    let expected = [
        warning(1, &format!("versions 2 to 3 of this offer are {held}")),
        warning(2, "version 1 follows version 4 of this offer, which is in line 1"),
        warning(3, &format!("versions 5 to 6 of this offer are {held}")),
        warning(4, &format!("version 8 of this offer is {held}")),
    ];
    assert_eq!(document["warnings"], json!(expected));
}

#[tokio::test]
async fn a_character_that_sqs_rejects_is_a_finding_unless_escaped() {
    let with = |name: &str| Contact { name: name.to_owned(), ..contact() };
    let raw = body(&buyer("ada"), &made_by("car-1", with("\u{ffff}")));
    let escaped = body(&buyer("ada"), &made_by("car-2", with("?"))).replace('?', "\\uffff");
    let rule = "contains U+FFFE or U+FFFF, which SQS rejects: write it as a JSON escape";
    assert_eq!(
        checked(&[raw, escaped]).await["findings"],
        json!([{ "line": 1, "path": null, "rule": rule }])
    );
}

#[tokio::test]
async fn no_remark_contains_personal_data() {
    let event = body(&buyer("ada"), &made("car-1"));
    let bad = [
        event.replace("car-1-1-made", "a b"),
        event.replace("specversion", "spec"),
        event.replace("\"name\":", "\"name\":["),
        event.clone(),
        event.replace("Ada Canary", "Bob Canary"),
        format!("{event}{event}"),
    ];
    let file = TestFile::of(bad.join("\n"));
    for form in [&["check", file.name()][..], &["check", "--json", file.name()]] {
        let ended = offline(form).await;
        assert_eq!(ended.exit, Exit::Findings);
        let output = format!("{}{}", ended.out, ended.err).to_lowercase();
        for canary in ["canary", "400 000", "@"] {
            assert!(!output.contains(canary), "{output}");
        }
    }
}
