//! Properties that hold for arbitrary input. Each target is a plain function of bytes that panics if a property does
//! not hold. `libFuzzer` calls it for hours, and a test calls it over the corpus in every run.
#![expect(clippy::unwrap_used, reason = "test code: a violated property fails the test")]

mod corpus;
mod doorbells;
mod email;
mod messages;
mod receipts;
mod stored;

pub use corpus::{Changes, corpus, unpack};

/// A part of the product that takes bytes from outside, with the properties that must hold for it.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The target's name, which is also the name of its corpus.
    pub name: &'static str,
    /// Checks the properties for an input; panics if one does not hold.
    pub take: fn(&[u8]),
}

/// Every target.
pub const TARGETS: [Target; 7] = [
    Target { name: "incoming", take: messages::incoming },
    Target { name: "batch", take: messages::batch },
    Target { name: "doorbells", take: doorbells::doorbells },
    Target { name: "receipts", take: receipts::receipts },
    Target { name: "email", take: email::email },
    Target { name: "commit", take: stored::commit },
    Target { name: "snapshot", take: stored::snapshot },
];

/// The target with this name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}
