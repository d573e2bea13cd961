//! What must be true of every run.

mod compare;
mod drain;
mod outage;
mod poison;
mod random;
mod safeguards;
mod sights;
mod systematic;
