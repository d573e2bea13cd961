use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};

use cli::Exit;
use serde_json::{Value, json};
use testkit::wire::{Answer, Reply, Request, Wire};
use testkit::{acceptance_withdrawn, accepted, body, buyer, made};

use crate::world::{TestFile, offline, online};

/// A message in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Posted {
    pub(crate) group: String,
    pub(crate) deduplication: String,
    pub(crate) body: String,
}

/// A simulated FIFO queue. It accepts the entries of a batch in order, drops repeats, and fails exactly the entries
/// that the test selects.
#[derive(Debug, Clone, Default)]
pub(crate) struct Queue {
    posted: Arc<Mutex<Vec<Posted>>>,
}

impl Queue {
    async fn start(
        &self,
        fails: impl FnMut(&Posted) -> Option<(&'static str, bool)> + Send + 'static,
    ) -> Wire {
        Wire::start(self.answering(fails)).await
    }

    pub(crate) fn answering(
        &self,
        mut fails: impl FnMut(&Posted) -> Option<(&'static str, bool)> + Send + 'static,
    ) -> impl FnMut(&mut Request) -> Answer + Send + 'static {
        let posted = Arc::clone(&self.posted);
        let mut known = HashSet::new();
        move |request: &mut Request| {
            let (mut successful, mut failed) = (Vec::new(), Vec::new());
            for entry in request.json()["Entries"].as_array().unwrap() {
                let field = |name: &str| entry[name].as_str().unwrap().to_owned();
                let message = Posted {
                    group: field("MessageGroupId"),
                    deduplication: field("MessageDeduplicationId"),
                    body: field("MessageBody"),
                };
                if let Some((code, is_sender_fault)) = fails(&message) {
                    failed.push(json!({ "Id": entry["Id"], "Code": code, "SenderFault": is_sender_fault }));
                    continue;
                }
                successful.push(json!({ "Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "d" }));
                if known.insert(message.deduplication.clone()) {
                    posted.lock().unwrap().push(message);
                }
            }
            Answer::Reply(Reply::json(200, &json!({ "Successful": successful, "Failed": failed })))
        }
    }

    pub(crate) fn posted(&self) -> Vec<Posted> {
        self.posted.lock().unwrap().clone()
    }

    fn by_group(&self) -> BTreeMap<String, Vec<String>> {
        let mut groups = BTreeMap::<String, Vec<String>>::new();
        for message in self.posted() {
            groups.entry(message.group).or_default().push(message.body);
        }
        groups
    }
}

/// Interleaved events of several buyers. Each buyer's own events are in order: for every offer made, accepted, and
/// acceptance withdrawn.
fn mixed(buyers: usize, offers: usize) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for offer in 0..offers {
        for step in 0..3 {
            // Every second buyer has all events of an offer in a row; the others alternate.
            for number in 0..buyers {
                let of = format!("buyer-{number}");
                let name = format!("{of}-car-{offer}");
                let event = |step: usize| match step {
                    0 => body(&buyer(&of), &made(&name)),
                    1 => body(&buyer(&of), &accepted(&name).v(2)),
                    _ => body(&buyer(&of), &acceptance_withdrawn(&name).v(3)),
                };
                match (number % 2, step) {
                    (0, _) => lines.push((of.clone(), event(step))),
                    (_, 0) => lines.extend((0..3).map(|step| (of.clone(), event(step)))),
                    (_, _) => {}
                }
            }
        }
    }
    lines
}

fn file_of(lines: &[(String, String)]) -> TestFile {
    let bodies: Vec<&str> = lines.iter().map(|(_, body)| body.as_str()).collect();
    TestFile::of(bodies.join("\n"))
}

fn wanted(lines: &[(String, String)]) -> BTreeMap<String, Vec<String>> {
    let mut groups = BTreeMap::<String, Vec<String>>::new();
    for (group, body) in lines {
        groups.entry(group.clone()).or_default().push(body.clone());
    }
    groups
}

#[tokio::test]
async fn events_are_posted_unchanged_with_their_ids_and_groups() {
    let queue = Queue::default();
    let wire = queue.start(|_| None).await;
    let ada = body(&buyer("ada"), &made("car-1")).replace("\"source\"", " \"source\" ");
    let bob = body(&buyer("bob"), &made("car-2"));
    let file = TestFile::of(format!("{ada}\r\n\n{bob}"));
    let ended = online(wire.url(), &["send", file.name()]).await;
    let summary = format!("{}: 3 lines, 2 events, 0 findings, 0 warnings\nPosted 2 events.\n", file.name());
    assert_eq!((ended.exit, ended.out, ended.err.as_str()), (Exit::Good, summary, ""));
    let posted = |group: &str, deduplication: &str, body: &str| Posted {
        group: group.to_owned(),
        deduplication: deduplication.to_owned(),
        body: body.to_owned(),
    };
    assert_eq!(queue.posted(), [posted("ada", "car-1-1-made", &ada), posted("bob", "car-2-1-made", &bob)]);
    let request = &wire.exchanges()[0].request;
    assert_eq!(request.operation(), "SendMessageBatch");
    assert_eq!(request.json()["QueueUrl"], "http://127.0.0.1/1/events.fifo");
}

#[tokio::test]
async fn the_order_of_each_buyer_is_kept_if_entries_fail() {
    let lines = mixed(12, 6);
    let queue = Queue::default();
    // One in five attempts fails, chosen by a deterministic generator.
    let mut seed = 7_u32;
    let wire = queue
        .start(move |_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16).is_multiple_of(5).then_some(("InternalError", false))
        })
        .await;
    let ended = online(wire.url(), &["send", "--json", file_of(&lines).name()]).await;
    assert_eq!(ended.exit, Exit::Good, "{}", ended.err);
    assert_eq!(queue.by_group(), wanted(&lines));
    let document = ended.json();
    assert_eq!((&document["posted"], &document["throughLine"]), (&json!(216), &json!(216)));
    assert_eq!(document["error"], Value::Null);
    let batches = wire.exchanges();
    for batch in &batches {
        let entries = batch.request.json()["Entries"].as_array().unwrap().clone();
        let groups: HashSet<&str> =
            entries.iter().map(|entry| entry["MessageGroupId"].as_str().unwrap()).collect();
        assert_eq!(
            groups.len(),
            entries.len(),
            "two messages of one buyer in a batch could overtake each other"
        );
    }
    assert!(batches.len() < 120, "buyers share batches: {}", batches.len());
}

#[tokio::test]
async fn nothing_is_posted_if_a_line_is_invalid() {
    let good = body(&buyer("ada"), &made("car-1"));
    let file = TestFile::of(format!("{good}\n{{}}\n"));
    let places = ["--queue-url", "https://sqs.example/1/q.fifo"];
    let ended = offline(&[&["send", file.name()][..], &places].concat()).await;
    assert_eq!(ended.exit, Exit::Findings);
    let checked = offline(&["check", file.name()]).await;
    assert_eq!(ended.out, format!("{}Nothing was posted.\n", checked.out));
    let document = offline(&[&["send", "--json", file.name()][..], &places].concat()).await.json();
    assert_eq!(document["findings"], offline(&["check", "--json", file.name()]).await.json()["findings"]);
    assert_eq!(document["posted"], 0);
}

#[tokio::test]
async fn repeat_uses_new_deduplication_ids_within_the_limit_of_sqs() {
    let lines = [
        body(&buyer("ada"), &made("car-1")),
        body(&buyer("bob"), &made("car-2")).replace("car-2-1-made", &"x".repeat(128)),
    ];
    let file = TestFile::of(lines.join("\n"));
    let queue = Queue::default();
    let wire = queue.start(|_| None).await;
    for form in
        [&["send", file.name()][..], &["send", "--repeat", file.name()], &["send", file.name(), "--repeat"]]
    {
        assert_eq!(online(wire.url(), form).await.exit, Exit::Good);
    }
    let posted = queue.posted();
    let ids: HashSet<&str> = posted.iter().map(|message| message.deduplication.as_str()).collect();
    assert_eq!((posted.len(), ids.len()), (6, 6), "SQS would have dropped repeated ids");
    assert!(
        ids.iter().all(|id| id.len() <= 128 && (id.starts_with("car-1-1-made") || id.starts_with("xxx")))
    );
    assert!(posted.iter().all(|message| lines.contains(&message.body)));
}

#[tokio::test]
async fn a_refused_event_ends_posting_and_the_posted_events_are_reported() {
    let lines = mixed(2, 2);
    let queue = Queue::default();
    let third = lines[4].1.clone();
    let wire =
        queue.start(move |message| (message.body == third).then_some(("InvalidMessageContents", true))).await;
    let file = file_of(&lines);
    let ended = online(wire.url(), &["send", file.name()]).await;
    assert_eq!(ended.exit, Exit::Failed);
    assert_eq!(ended.err, "error: the queue refused the event in line 5: InvalidMessageContents\n");
    assert!(
        ended.out.contains(
            "Posted 3 of 12 events, including all events through line 3. Sending the file again is safe"
        ),
        "{}",
        ended.out
    );
    let (posted, wanted) = (queue.by_group(), wanted(&lines));
    assert!(
        posted.iter().all(|(group, bodies)| wanted[group].starts_with(bodies)),
        "no event overtook an earlier one of its buyer"
    );

    let again = Queue::default();
    let wire = again.start(|_| None).await;
    assert_eq!(online(wire.url(), &["send", file.name()]).await.exit, Exit::Good);
    assert_eq!(again.by_group(), wanted);
}

#[tokio::test]
async fn an_event_that_is_always_refused_is_given_up_after_six_attempts() {
    let lines = mixed(1, 1);
    let queue = Queue::default();
    let wire = queue.start(|_| Some(("InternalError", false))).await;
    let ended = online(wire.url(), &["send", "--json", file_of(&lines).name()]).await;
    assert_eq!((ended.exit, queue.posted()), (Exit::Failed, vec![]));
    assert_eq!(wire.exchanges().len(), 6);
    let document = ended.json();
    assert_eq!((&document["posted"], &document["throughLine"]), (&json!(0), &json!(0)));
    assert_eq!(document["error"], "the queue refused the event in line 1: InternalError");
}

#[tokio::test]
async fn a_missing_queue_is_reported_with_a_hint() {
    let wire = Wire::start(|_: &mut Request| Answer::Reply(Reply::error(400, "QueueDoesNotExist"))).await;
    let ended = online(wire.url(), &["send", file_of(&mixed(3, 1)).name()]).await;
    assert_eq!(ended.exit, Exit::Failed);
    assert!(
        ended.err.starts_with("error: a batch of events could not be posted: service error: "),
        "{}",
        ended.err
    );
    assert!(ended.err.contains("\nhint: no such table or queue in this account and region"), "{}", ended.err);
    assert!(ended.out.contains("Posted 0 of 9 events. Sending the file again is safe"), "{}", ended.out);
}

#[test]
fn a_file_that_changed_after_the_check_ends_posting_there() {
    let good = body(&buyer("ada"), &made("car-1"));
    let text = format!("{good}\n\n{{}}\n");
    let mut messages = cli::send::messages(text.as_bytes(), "offers.jsonl", false);
    assert_eq!(messages.next().unwrap().unwrap().line, 1);
    let failure = messages.next().unwrap().unwrap_err();
    let expected = "offers.jsonl changed after it was checked: line 3 is no longer valid. Send it again";
    assert_eq!(failure.to_string(), expected);
}
