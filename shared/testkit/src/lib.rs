//! Builders and doubles for tests. It is a dev-dependency only; nothing that is shipped may depend on it.
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "test code: a wrong builder call fails the test"
)]

pub mod clauses;
mod events;
mod feed;
mod memory;
mod random;
pub mod strict;
pub mod wire;

pub use events::{
    EventBuilder, acceptance_withdrawn, accepted, body, buyer, contact, made, made_by, offer, rejected,
    withdrawn,
};
pub use feed::doorbell;
pub use memory::memory;
pub use random::SplitMix64;
