//! The former system, which announces of a buyer what there is to announce until it has handed the buyer over to us.

mod http;

use std::error::Error;
use std::time::Duration;

pub use contract::legacy::Answer;
use domain::{BuyerId, Known};
pub use http::HttpLegacy;
pub use platform::BadSetting;

/// How long one question may take.
pub const TIME_OUT: Duration = Duration::from_secs(3);

/// What must be left of an invocation before the former system is asked: the question, and the append after it.
pub const NEEDED: Duration = TIME_OUT.saturating_add(event_store::NEEDED);

/// The former system did not answer, or not as agreed. It may think that it has handed the buyer over: it answers the same
/// when it is asked again.
#[derive(Debug, thiserror::Error)]
#[error("the former system did not tell what it knows of {buyer}")]
pub struct LegacyUnavailable {
    /// Whom it was asked about.
    pub buyer: BuyerId,
    /// Why.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

/// A system that recorded buyers before.
#[expect(async_fn_in_trait, reason = "every function runs on one thread, no future needs to be Send")]
pub trait Legacy {
    /// What it knows of a buyer now, and whether it has handed the buyer over. Without consequences. Nothing of a buyer whom it
    /// never heard of.
    ///
    /// # Errors
    /// [`LegacyUnavailable`].
    async fn look_up(&self, buyer: &BuyerId) -> Result<Answer, LegacyUnavailable>;

    /// Has a buyer handed over. Its first answer is its last word: it has announced exactly what that says, announces nothing
    /// from then on, and answers the same when it is asked again; also that it never heard of the buyer.
    ///
    /// # Errors
    /// [`LegacyUnavailable`], also while it has something left to announce.
    async fn hand_over(&self, buyer: &BuyerId) -> Result<Known, LegacyUnavailable>;
}

/// There was no system before this one.
#[derive(Debug, Clone, Copy)]
pub enum NoLegacy {}

impl Legacy for NoLegacy {
    async fn look_up(&self, _: &BuyerId) -> Result<Answer, LegacyUnavailable> {
        match *self {}
    }

    async fn hand_over(&self, _: &BuyerId) -> Result<Known, LegacyUnavailable> {
        match *self {}
    }
}
