//! The sweeper: on a schedule, does the work that no doorbell triggers. It advances buyers that are behind and those
//! with commits whose doorbell was lost, closes open e-mails, and measures the age of held events. The rules are those
//! of the reactor; see [`effects::Advance`].

mod config;
mod handler;

pub use config::Config;
pub use handler::Sweeper;
