//! A simulated queue of dead letters, which hands out messages by the rules of SQS, and the queue of offer events.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use testkit::wire::{Answer, Reply, Request, Wire};

use crate::world::{Ended, online};

/// One message in the dead-letter queue.
#[derive(Debug, Clone, Default)]
pub(crate) struct Letter {
    id: String,
    pub(crate) group: String,
    pub(crate) body: String,
    /// `reason`, `detail` and `source`; empty if SQS moved the message.
    attributes: BTreeMap<&'static str, String>,
    sent_at: i64,
    is_handed_out: bool,
}

/// Both queues. The dead-letter queue is FIFO: while letters of a group are in flight, it hands out no others of that
/// group.
///
/// Source: Amazon SQS Developer Guide, "FIFO queue delivery logic".
#[derive(Default)]
pub(crate) struct Queues {
    letters: Vec<Letter>,
    /// Group, deduplication id and body of each message sent to the queue of offer events, without duplicates.
    pub(crate) redriven: Vec<(String, String, String)>,
    /// Bodies that the queue of offer events refuses.
    pub(crate) refused: BTreeSet<String>,
    /// Bodies that the recorder sets aside again immediately.
    pub(crate) poison: BTreeSet<String>,
    /// The number of further deletions that fail.
    pub(crate) lost_deletions: usize,
    /// Ids in the order of their release.
    pub(crate) released: Vec<String>,
}

/// The maximum number of messages in one response of SQS.
const AT_ONCE: usize = 10;

impl Queues {
    fn answer(&mut self, request: &Request) -> Answer {
        let asked = request.json();
        let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
        let ok = |body: Value| Answer::Reply(Reply::json(200, &body));
        match request.operation() {
            "GetQueueAttributes" => {
                let handed_out = self.letters.iter().filter(|letter| letter.is_handed_out).count();
                ok(json!({ "Attributes": {
                    "ApproximateNumberOfMessages": (self.letters.len() - handed_out).to_string(),
                    "ApproximateNumberOfMessagesNotVisible": handed_out.to_string(),
                } }))
            }
            "ReceiveMessage" => ok(json!({ "Messages": self.hand_out() })),
            "ChangeMessageVisibilityBatch" => {
                let entries = asked["Entries"].as_array().unwrap();
                for entry in entries {
                    assert_eq!(entry["VisibilityTimeout"], 0);
                    let id = entry["ReceiptHandle"].as_str().unwrap().to_owned();
                    self.letter(&id).is_handed_out = false;
                    self.released.push(id);
                }
                let ids: Vec<Value> = entries.iter().map(|entry| json!({ "Id": entry["Id"] })).collect();
                ok(json!({ "Successful": ids, "Failed": [] }))
            }
            "DeleteMessage" if self.lost_deletions > 0 => {
                self.lost_deletions -= 1;
                Answer::Reply(Reply::error(400, "InvalidParameterValue"))
            }
            "DeleteMessage" => {
                let id = text("ReceiptHandle");
                assert!(self.letter(&id).is_handed_out, "{id}");
                self.letters.retain(|letter| letter.id != id);
                ok(json!({}))
            }
            "SendMessage" => {
                assert_eq!(text("QueueUrl"), "http://127.0.0.1/1/events.fifo");
                let body = text("MessageBody");
                if self.refused.contains(&body) {
                    return Answer::Reply(Reply::error(400, "InvalidMessageContents"));
                }
                let (group, deduplication) = (text("MessageGroupId"), text("MessageDeduplicationId"));
                let id = format!("new-{}", self.redriven.len());
                if !self.redriven.iter().any(|(_, known, _)| *known == deduplication) {
                    self.redriven.push((group.clone(), deduplication, body.clone()));
                    if self.poison.contains(&body) {
                        let source = json!({ "messageId": id }).to_string();
                        let attributes =
                            BTreeMap::from([("reason", "not-json".to_owned()), ("source", source)]);
                        self.letters.push(Letter {
                            id: format!("again-{id}"),
                            group,
                            body,
                            attributes,
                            ..Letter::default()
                        });
                    }
                }
                ok(json!({ "MessageId": id }))
            }
            other => panic!("{other}"),
        }
    }

    fn letter(&mut self, id: &str) -> &mut Letter {
        self.letters.iter_mut().find(|letter| letter.id == id).unwrap()
    }

    /// Up to ten letters in queue order, from groups without letters in flight.
    fn hand_out(&mut self) -> Vec<Value> {
        let blocked: BTreeSet<String> = self
            .letters
            .iter()
            .filter(|letter| letter.is_handed_out)
            .map(|letter| letter.group.clone())
            .collect();
        let free = self.letters.iter_mut().filter(|letter| !blocked.contains(&letter.group));
        free.take(AT_ONCE)
            .map(|letter| {
                letter.is_handed_out = true;
                let attribute = |value: &String| json!({ "DataType": "String", "StringValue": value });
                let attributes: BTreeMap<_, _> =
                    letter.attributes.iter().map(|(name, value)| (name, attribute(value))).collect();
                json!({
                    "MessageId": letter.id, "ReceiptHandle": letter.id, "Body": letter.body,
                    "Attributes": { "MessageGroupId": letter.group, "SentTimestamp": letter.sent_at.to_string() },
                    "MessageAttributes": attributes,
                })
            })
            .collect()
    }
}

pub(crate) struct World {
    pub(crate) queues: Arc<Mutex<Queues>>,
    pub(crate) wire: Wire,
}

/// A letter of a buyer with a reason; `moved` stands for a letter that SQS moved.
pub(crate) fn letter(number: usize, group: &str, reason: &str) -> Letter {
    let source = json!({ "messageId": format!("old-{number}"), "groupId": group }).to_string();
    let attributes = BTreeMap::from([
        ("reason", reason.to_owned()),
        ("detail", format!("what to do about {reason}")),
        ("source", source),
    ]);
    Letter {
        id: format!("letter-{number}"),
        group: group.to_owned(),
        body: format!("{{\"name\":\"Ada Canary {number}\"}}"),
        attributes: if reason == "moved" { BTreeMap::new() } else { attributes },
        // 2020-01-01T00:00:00Z, plus one second per number.
        sent_at: 1_577_836_800_000 + 1000 * i64::try_from(number).unwrap(),
        is_handed_out: false,
    }
}

impl World {
    pub(crate) async fn of(letters: Vec<Letter>) -> Self {
        let queues = Arc::new(Mutex::new(Queues { letters, ..Queues::default() }));
        let answering = Arc::clone(&queues);
        let wire = Wire::start(move |request: &mut Request| answering.lock().unwrap().answer(request)).await;
        Self { queues, wire }
    }

    pub(crate) async fn leads(&self, arguments: &[&str]) -> Ended {
        let arguments: Vec<&str> = ["dead-letters"].into_iter().chain(arguments.iter().copied()).collect();
        online(self.wire.url(), &arguments).await
    }

    /// The ids of the remaining letters, after checking that all are visible again.
    #[track_caller]
    pub(crate) fn left(&self) -> Vec<String> {
        let queues = self.queues.lock().unwrap();
        assert!(queues.letters.iter().all(|letter| !letter.is_handed_out), "all letters are visible again");
        queues.letters.iter().map(|letter| letter.id.clone()).collect()
    }

    /// The numbers of a group's redriven letters, in order.
    pub(crate) fn redriven(&self, group: &str) -> Vec<usize> {
        let queues = self.queues.lock().unwrap();
        let of_group = queues.redriven.iter().filter(|(of, ..)| of == group);
        let number = |body: &str| body.trim_end_matches("\"}").rsplit(' ').next().unwrap().parse().unwrap();
        of_group.map(|(_, _, body)| number(body)).collect()
    }
}
