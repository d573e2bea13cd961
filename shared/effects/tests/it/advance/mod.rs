//! A buyer is advanced, over adapters in memory.

mod crashes;
mod emails;
mod overtaken;
mod passing;
mod scenarios;
mod shadow;
mod workers;
