//! Records offer events: takes a batch off the queue, appends one commit for each buyer in it, sets aside what can never
//! be recorded with its reason.

mod batch;
mod config;
pub mod dead_letters;
mod decide;
mod handler;
mod heads;
mod live;
mod panics;

pub use batch::{FifoBatch, Group, Message, NotFromAFifoQueue};
pub use config::Config;
pub use handler::Recorder;
pub use live::LiveShare;
