use std::collections::{BTreeMap, VecDeque};

use crate::chance::Chance;

/// The visibility time-out of the queue in milliseconds, as in the template.
///
/// "Set the source queue's visibility timeout to at least six times the configuration timeout on your function."
/// Source: AWS Lambda Developer Guide, "Creating and configuring an Amazon SQS event source mapping".
const VISIBILITY: i64 = 180_000;

/// The number of receives after which SQS dead-letters a message, even if other messages caused the failures.
///
/// "The number of times a message is delivered to the source queue before being moved to the dead-letter queue", as in
/// the template. Source: Amazon SQS API Reference, `SetQueueAttributes`, `maxReceiveCount`.
const MAX_RECEIVES: u32 = 100;

/// A FIFO queue with its Lambda mapping.
///
/// "When you receive a message with a message group ID, no more messages for the same message group ID are returned
/// unless you delete the message or it becomes visible." Source: Amazon SQS Developer Guide, "FIFO queue delivery
/// logic in Amazon SQS".
#[derive(Debug, Default)]
pub(crate) struct Queue {
    groups: BTreeMap<String, VecDeque<Waiting>>,
    /// The time at which each deduplication id was last taken.
    taken: BTreeMap<String, i64>,
    /// The index of the post behind each message id.
    pub(crate) posts: Vec<usize>,
    /// The receive count of each message.
    pub(crate) receives: Vec<u32>,
    /// Whether a message repeated an older one that SQS had already forgotten.
    pub(crate) has_repeats: bool,
    /// Whether a batch contains as many messages of each group as fit, and not only some.
    pub(crate) takes_all: bool,
    /// The messages that SQS dead-lettered after too many receives.
    pub(crate) exhausted: Vec<usize>,
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

/// A message in a batch.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) id: usize,
    pub(crate) group: String,
    pub(crate) body: String,
    pub(crate) dedup: String,
    /// The receive count, including this receive.
    pub(crate) receives: u32,
    handle: u64,
}

/// The message id that SQS assigns.
pub(crate) fn message_id(id: usize) -> String {
    format!("m{id}")
}

impl Queue {
    /// "Any messages sent with the same message deduplication ID are accepted successfully but aren't delivered during
    /// the 5-minute deduplication interval." Source: Amazon SQS Developer Guide, "Using the message deduplication ID
    /// in Amazon SQS".
    pub(crate) fn send(&mut self, now: i64, group: &str, dedup: &str, body: &str, post: usize) {
        let taken = self.taken.get(dedup);
        if taken.is_some_and(|at| now <= at + 300_000) {
            return;
        }
        self.has_repeats |= taken.is_some();
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

    pub(crate) fn is_empty(&self) -> bool {
        self.groups.values().all(VecDeque::is_empty)
    }

    pub(crate) fn has_ready(&self, now: i64) -> bool {
        self.groups.values().any(|waiting| is_ready(waiting, now))
    }

    /// The next time at which a message becomes visible.
    pub(crate) fn next_visible(&self, now: i64) -> Option<i64> {
        self.groups.values().flatten().map(|waiting| waiting.visible_at).filter(|at| *at > now).min()
    }

    /// Receives a batch of up to 10 messages of one to three groups, each from the beginning of its group.
    ///
    /// "Each batch may contain messages from more than one message group, but the order of the messages is
    /// maintained." Source: AWS Lambda Developer Guide, "Configuring scaling behavior for SQS event source mappings".
    /// "Amazon SQS first attempts to return as many messages with the same message group ID as possible": it need not
    /// succeed. Source: Amazon SQS Developer Guide, "FIFO queue delivery logic in Amazon SQS".
    pub(crate) fn receive(&mut self, now: i64, chance: &mut Chance) -> Vec<Received> {
        let mut batch: Vec<Received> = Vec::new();
        let ready = self.groups.values().filter(|waiting| is_ready(waiting, now)).count();
        let wanted = chance.between(1, 3).min(ready);
        let skipped = chance.below(ready + 1 - wanted);
        let groups = self.groups.iter_mut().filter(|(_, waiting)| is_ready(waiting, now));
        for (group, waiting) in groups.skip(skipped).take(wanted) {
            let longest = if self.takes_all { 10 } else { chance.between(1, 5) };
            let exhausted = &mut self.exhausted;
            waiting.retain(|message| {
                let is_exhausted = message.receives >= MAX_RECEIVES;
                if is_exhausted {
                    exhausted.push(message.id);
                }
                !is_exhausted
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
                    receives: message.receives,
                    handle: message.handle,
                });
            }
        }
        batch
    }

    /// Deletes the messages that the answer does not report as failed.
    ///
    /// "The `ReceiptHandle` is associated with a specific instance of receiving a message." Source: Amazon SQS API
    /// Reference, `DeleteMessage`. Source of the choice: AWS Lambda Developer Guide, "Handling errors for an SQS event
    /// source in Lambda", "Implementing partial batch responses": "make only the failed messages visible again".
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
