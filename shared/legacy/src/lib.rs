//! The former system. Whoever is seen for the first time may be known there: its answer hands the buyer over to us.

mod http;

use std::error::Error;
use std::time::Duration;

pub use aws::BadSetting;
use domain::{BuyerId, State};
pub use http::HttpLegacy;

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

/// Why a buyer is to be handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handover {
    /// Nothing of this buyer was recorded here before.
    First,
    /// The buyer was given back, and is taken over anew.
    Anew,
}

/// A system that recorded buyers before.
#[expect(async_fn_in_trait, reason = "every function runs on one thread, no future needs to be Send")]
pub trait Legacy {
    /// Has a buyer handed over, with what it knows: offers, and whether the buyer was invited. `None`: it never heard of this
    /// buyer.
    ///
    /// It has announced exactly what its first answer says, announces no more from then on, and answers the same when it is
    /// asked again. Taken over anew, it answers what it knows by then.
    ///
    /// # Errors
    /// [`LegacyUnavailable`].
    async fn hand_over(
        &self,
        buyer: &BuyerId,
        handover: Handover,
    ) -> Result<Option<State>, LegacyUnavailable>;
}

/// There was no system before this one.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLegacy;

impl Legacy for NoLegacy {
    async fn hand_over(&self, _: &BuyerId, _: Handover) -> Result<Option<State>, LegacyUnavailable> {
        Ok(None)
    }
}

impl<L: Legacy> Legacy for Option<L> {
    async fn hand_over(
        &self,
        buyer: &BuyerId,
        handover: Handover,
    ) -> Result<Option<State>, LegacyUnavailable> {
        match self {
            Some(legacy) => legacy.hand_over(buyer, handover).await,
            None => Ok(None),
        }
    }
}
