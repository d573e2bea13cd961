//! The rules of Leadstream: the state of a buyer's offers, the leads that are open, and the effects they call for.
//!
//! Everything here is a pure function of its arguments: no AWS, no JSON, no clock, no randomness, no async.
//! The rules come from the design (`ARCHITECTURE.md`, "The rules"); each has a test under `tests/`.

mod arrival;
mod contact;
mod effect;
mod event;
mod fact;
mod fold;
mod ids;
mod known;
mod lead;
mod offer;
mod offers;
mod state;

pub use arrival::{Arrival, HELD_LIMIT};
pub use contact::Contact;
pub use effect::{Effect, EffectKind};
pub use event::{Digest, Event, OfferChange};
pub use fact::Fact;
pub use ids::{BuyerId, CarId, EventId, FormerLeadId, InvalidId, OfferId, OfferVersion, Sequence};
pub use known::Known;
pub use lead::{CloseReason, LeadId, LowLead, Priority};
pub use offer::{Offer, REMEMBERED_DIGESTS, Stage};
pub use offers::Offers;
pub use state::State;
