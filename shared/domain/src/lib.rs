//! The rules of Leadstream: the state of a buyer's offers, the leads that are open, and the effects they call for.
//!
//! Everything here is a pure function of its arguments: no AWS, no JSON, no clock, no randomness, no async.
//! The rules come from the design (`ARCHITECTURE.md`, "The rules"); each has a test under `tests/`.

mod arrival;
mod effect;
mod event;
mod fact;
mod fold;
mod former;
mod ids;
mod lead;
mod offer;
mod state;

pub use arrival::{Arrival, Gap, HELD_LIMIT, NotVoided};
pub use effect::{Announced, Effect, EffectKind, effects_between};
pub use event::{Contact, Event, OfferChange};
pub use fact::Fact;
pub use former::{Answer, Known, NotReset};
pub use ids::{BuyerId, CarId, Digest, EventId, FormerLeadId, InvalidId, OfferId, OfferVersion, Sequence};
pub use lead::{CloseReason, LeadId, LowLead, Priority};
pub use offer::{Offer, Offers, REMEMBERED_DIGESTS, Stage};
pub use state::State;
