use crate::chance::Chance;

/// A record of the change feed, which contains only keys.
#[derive(Debug, Clone)]
pub(crate) struct Doorbell {
    pub(crate) buyer: String,
    pub(crate) sequence: u64,
    visible_at: i64,
    recorded_at: i64,
    attempts: u32,
}

/// "Stores this information in a log for up to 24 hours." Source: Amazon DynamoDB Developer Guide, "Change data
/// capture for DynamoDB Streams".
const TRIMMED_AFTER: i64 = 24 * 3_600_000;

/// The number of retries after which the mapping gives up a batch (`MaximumRetryAttempts`).
const ATTEMPTS: u32 = 10;

/// The change feed with its Lambda mapping. Only records of the same item are ordered. Each commit is an item of its
/// own, so any order of commits is possible, and repeats too.
///
/// "For each item that is modified in a DynamoDB table, the stream records appear in the same sequence as the actual
/// modifications to the item", and no other order is promised. Source: Amazon DynamoDB Developer Guide, "Change data
/// capture for DynamoDB Streams". AWS does not lose records; the simulator does, because the product claims to
/// tolerate it.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    doorbells: Vec<Doorbell>,
    /// Whether no record is lost or late by more than seconds.
    pub(crate) is_prompt: bool,
}

impl Feed {
    /// Adds the record of a commit. With noise it may be lost, doubled or late. Returns `false` if it is lost.
    pub(crate) fn ring(&mut self, now: i64, buyer: &str, sequence: u64, noise: Option<&mut Chance>) -> bool {
        let (copies, latest) = noise.map_or((1, 0), |chance| {
            let copies = chance.pick(&[0, 1, 1, 1, 2]);
            let latest = chance.pick(&[0, 0, 500, 5_000, 600_000, 30 * 3_600_000]);
            if self.is_prompt { (copies.max(1), latest.min(5_000)) } else { (copies, latest) }
        });
        for copy in 0..copies {
            self.doorbells.push(Doorbell {
                buyer: buyer.to_owned(),
                sequence,
                visible_at: now + latest * copy.max(1) / 2,
                recorded_at: now,
                attempts: 0,
            });
        }
        copies > 0
    }

    pub(crate) fn has_ready(&self, now: i64) -> bool {
        self.doorbells.iter().any(|doorbell| doorbell.visible_at <= now)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.doorbells.is_empty()
    }

    pub(crate) fn next_visible(&self, now: i64) -> Option<i64> {
        self.doorbells.iter().map(|doorbell| doorbell.visible_at).filter(|at| *at > now).min()
    }

    /// Removes records that are too old. Returns whether there were any.
    pub(crate) fn trim(&mut self, now: i64) -> bool {
        let before = self.doorbells.len();
        self.doorbells.retain(|doorbell| now - doorbell.recorded_at < TRIMMED_AFTER);
        self.doorbells.len() < before
    }

    /// Takes one to `most` ready records, in any order.
    pub(crate) fn receive(&mut self, now: i64, chance: &mut Chance, most: usize) -> Vec<Doorbell> {
        let mut batch = Vec::new();
        for _ in 0..chance.between(1, most) {
            let ready = self.doorbells.iter().filter(|doorbell| doorbell.visible_at <= now).count();
            let wanted = chance.below(ready);
            let found = self.doorbells.iter().enumerate().filter(|(_, doorbell)| doorbell.visible_at <= now);
            if let Some((index, _)) = found.into_iter().nth(wanted) {
                batch.push(self.doorbells.swap_remove(index));
            }
        }
        batch
    }

    /// Delivers a failed batch again, unless its records have reached the limit of attempts.
    pub(crate) fn give_back(&mut self, batch: &[Doorbell]) {
        for doorbell in batch.iter().filter(|doorbell| doorbell.attempts < ATTEMPTS) {
            self.doorbells.push(Doorbell { attempts: doorbell.attempts + 1, ..doorbell.clone() });
        }
    }
}
