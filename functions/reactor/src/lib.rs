//! Advances buyers whose doorbell rings. A record of the change feed says only that something was recorded; a lost,
//! late, doubled or reordered one costs time, never an effect.

mod config;
mod doorbells;
mod handler;

pub use config::Config;
pub use handler::Reactor;
