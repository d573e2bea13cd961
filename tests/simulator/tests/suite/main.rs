//! The simulator's tests: properties that must hold in every run.

mod compare;
mod drain;
mod outage;
mod poison;
mod random;
mod safeguards;
mod sights;
mod systematic;
