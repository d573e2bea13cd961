//! What must be true of every run.

mod random;
mod safeguards;
mod systematic;
