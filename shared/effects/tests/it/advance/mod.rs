//! Tests of advancing a buyer with adapters in memory.

mod crashes;
mod emails;
mod from_head;
mod overtaken;
mod passed;
mod passing;
mod scenarios;
mod shadow;
mod workers;

pub(crate) use crashes::Faults;
