use std::collections::{BTreeMap, VecDeque};

use crate::chance::Chance;

/// How long a received message stays invisible. It must be at least six times the function's time-out.
///
/// Source: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS", "Configuring a queue for use with Lambda".
const VISIBILITY: i64 = 180_000;

/// After so many receives SQS moves a message to the dead-letter queue, whoever is to blame.
///
/// Source: Amazon SQS Developer Guide, "Using dead-letter queues in Amazon SQS": `maxReceiveCount`; the template's number.
const MAX_RECEIVES: u32 = 100;

/// A FIFO queue with its Lambda mapping.
///
/// While a message of a group is received and neither deleted nor visible again, no other of that group is. Source: Amazon SQS Developer Guide, "FIFO queue delivery logic
/// in Amazon SQS".
#[derive(Debug, Default)]
pub(crate) struct Queue {
    groups: BTreeMap<String, VecDeque<Waiting>>,
    /// When each deduplication id was last taken, with its group.
    taken: BTreeMap<String, i64>,
    /// What each message id stands for: an index into what was posted.
    pub(crate) posts: Vec<usize>,
    /// How often each message was received.
    pub(crate) receives: Vec<u32>,
    /// Messages that went to the dead letters for too many receives.
    pub(crate) worn_out: Vec<usize>,
    handles: u64,
}

#[derive(Debug)]
struct Waiting {
    id: usize,
    body: String,
    dedup: String,
    visible_at: i64,
    receives: u32,
    handle: u64,
}

/// A message as the mapping hands it over.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) id: usize,
    pub(crate) group: String,
    pub(crate) body: String,
    pub(crate) dedup: String,
    handle: u64,
}

/// The name of a message, as SQS gives one.
pub(crate) fn message_id(id: usize) -> String {
    format!("m{id}")
}

impl Queue {
    /// For five minutes a message with a deduplication id already taken is accepted and not delivered. Source: Amazon SQS Developer Guide, "Using the message deduplication ID".
    pub(crate) fn send(&mut self, now: i64, group: &str, dedup: &str, body: &str, post: usize) {
        let until = self.taken.get(dedup).map_or(i64::MIN, |at| at + 300_000);
        if now <= until {
            return;
        }
        self.taken.insert(dedup.to_owned(), now);
        let id = self.posts.len();
        self.posts.push(post);
        self.receives.push(0);
        self.groups.entry(group.to_owned()).or_default().push_back(Waiting {
            id,
            body: body.to_owned(),
            dedup: dedup.to_owned(),
            visible_at: 0,
            receives: 0,
            handle: 0,
        });
    }

    pub(crate) fn has_ready(&self, now: i64) -> bool {
        self.groups.values().any(|waiting| is_ready(waiting, now))
    }

    /// When something may become visible.
    pub(crate) fn next_visible(&self, now: i64) -> Option<i64> {
        self.groups.values().flatten().map(|waiting| waiting.visible_at).filter(|at| *at > now).min()
    }

    /// A batch of up to 10 messages of one to three groups, each group from its beginning.
    ///
    /// Lambda keeps the order within a group and may put several groups into a batch. Source: AWS Lambda Developer Guide,
    /// "Configuring scaling behavior for SQS event source mappings".
    pub(crate) fn receive(&mut self, now: i64, chance: &mut Chance) -> Vec<Received> {
        let mut batch: Vec<Received> = Vec::new();
        let ready = self.groups.values().filter(|waiting| is_ready(waiting, now)).count();
        let wanted = chance.between(1, 3).min(ready);
        let skipped = chance.below(ready + 1 - wanted);
        let groups = self.groups.iter_mut().filter(|(_, waiting)| is_ready(waiting, now));
        for (group, waiting) in groups.skip(skipped).take(wanted) {
            let longest = chance.between(1, 5);
            let worn_out = &mut self.worn_out;
            waiting.retain(|message| {
                let is_worn_out = message.receives >= MAX_RECEIVES;
                if is_worn_out {
                    worn_out.push(message.id);
                }
                !is_worn_out
            });
            for message in waiting.iter_mut().take(longest.min(10 - batch.len())) {
                self.handles += 1;
                message.receives += 1;
                message.visible_at = now + VISIBILITY;
                message.handle = self.handles;
                self.receives[message.id] += 1;
                batch.push(Received {
                    id: message.id,
                    group: group.clone(),
                    body: message.body.clone(),
                    dedup: message.dedup.clone(),
                    handle: message.handle,
                });
            }
        }
        batch
    }

    /// Deletes what the answer does not report as failed. A receipt handle is good for one receive, while it is in flight.
    ///
    /// Source: AWS Lambda Developer Guide, "Handling errors for an SQS event source in Lambda", "Implementing partial batch
    /// responses".
    pub(crate) fn delete(&mut self, now: i64, settled: &[Received]) {
        for message in settled {
            if let Some(waiting) = self.groups.get_mut(&message.group) {
                waiting.retain(|one| {
                    one.id != message.id || one.handle != message.handle || one.visible_at <= now
                });
            }
        }
        self.groups.retain(|_, waiting| !waiting.is_empty());
    }
}

fn is_ready(waiting: &VecDeque<Waiting>, now: i64) -> bool {
    !waiting.is_empty() && waiting.iter().all(|message| message.visible_at <= now)
}
