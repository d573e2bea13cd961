//! The recorder: takes batches of offer events from the queue, appends one commit for each buyer in a batch, and turns
//! messages that can never be recorded into dead letters with a reason.

mod batch;
mod config;
pub mod dead_letters;
mod decide;
mod handler;
mod remembered;
mod report;
mod secret;

pub use batch::{FifoBatch, Group, Message, NotFromAFifoQueue};
pub use config::{Config, LiveShare};
pub use handler::Recorder;
pub use secret::Secret;
