//! Works off, on a schedule, what the doorbell missed: buyers that are behind, e-mails that are not settled for good, and
//! commits nobody rang for. The rules are those of the reactor; see [`effects::Advance`].

mod config;
mod handler;

pub use config::Config;
pub use handler::Sweeper;
