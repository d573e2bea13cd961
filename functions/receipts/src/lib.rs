//! Receipts: records SES delivery events in the e-mail ledger. They settle doubtful e-mails and stop addresses that
//! bounced permanently or complained.

mod config;
mod handler;

pub use config::Config;
pub use handler::Listener;
