//! What must be true of every run.

mod compare;
mod outage;
mod poison;
mod random;
mod safeguards;
mod sights;
mod systematic;
