//! Client of the former system. That system makes all announcements about a buyer until it has handed the buyer over.

mod http;

use std::error::Error;
use std::time::Duration;

pub use contract::legacy::Answer;
use domain::{BuyerId, Known};
pub use http::HttpLegacy;
pub use platform::BadSetting;

/// The time limit of one request.
pub const TIME_OUT: Duration = Duration::from_secs(3);

/// The time that must be left of the invocation before a request: for the request and the append after it.
pub const QUESTION_TIME: Duration = TIME_OUT.saturating_add(platform::clock::CALL_TIME);

/// The former system did not answer, or its answer breaks the contract. It may already consider the buyer handed over;
/// a repeated request then gets the same answer.
#[derive(Debug, thiserror::Error)]
#[error("no usable answer from the former system about {buyer}")]
pub struct LegacyUnavailable {
    /// The buyer in question.
    pub buyer: BuyerId,
    /// What went wrong.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

/// A system that was in charge of buyers before Leadstream.
#[expect(async_fn_in_trait, reason = "every function runs on one thread, no future needs to be Send")]
pub trait Legacy {
    /// Reads what the former system knows about a buyer now, and whether it has handed the buyer over. Changes nothing.
    /// For a buyer that it does not know, the answer is empty.
    ///
    /// # Errors
    /// [`LegacyUnavailable`] if there is no usable answer.
    async fn look_up(&self, buyer: &BuyerId) -> Result<Answer, LegacyUnavailable>;

    /// Requests the handover of a buyer. The first answer is final: the former system has announced exactly what the
    /// answer states, announces nothing more, and repeats the answer on every later request. This also holds for the
    /// answer that it does not know the buyer.
    ///
    /// # Errors
    /// [`LegacyUnavailable`] if there is no usable answer, which includes the time in which the former system still has
    /// announcements to make.
    async fn hand_over(&self, buyer: &BuyerId) -> Result<Known, LegacyUnavailable>;
}

/// The type for "no former system"; it has no values.
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
