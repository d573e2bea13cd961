//! Takes what SES tells of e-mails into the ledger: what became of doubtful ones, and which addresses get no more.

mod config;
mod handler;

pub use config::Config;
pub use handler::Listener;
