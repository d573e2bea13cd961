//! The reactor: advances the buyers named by change-feed records. A record states only that a commit was appended, so a
//! record that is lost, late, repeated or out of order can delay an effect but never lose or repeat one.

mod config;
mod doorbells;
mod handler;

pub use config::Config;
pub use handler::Reactor;
