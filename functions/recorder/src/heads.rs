use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use domain::BuyerId;
use event_store::Head;

/// How many heads are remembered: the largest take some hundred kilobytes. Beyond that all are forgotten: simpler than
/// keeping their age, and it costs one read for each buyer that comes again.
const REMEMBERED: usize = 250;

/// Heads remembered from one invocation to the next. A stale one only makes a put fail.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    heads: Mutex<BTreeMap<BuyerId, Head>>,
}

impl Heads {
    /// Takes a head out: should the work on it fail or panic, it is forgotten.
    pub(crate) fn take(&self, buyer: &BuyerId) -> Option<Head> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).remove(buyer)
    }

    pub(crate) fn remember(&self, buyer: &BuyerId, head: Head) {
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        if heads.len() >= REMEMBERED {
            heads.clear();
        }
        heads.insert(buyer.clone(), head);
    }
}
