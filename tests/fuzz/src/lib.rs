//! Properties that hold for arbitrary input. Each target is a plain function of bytes that panics if a property does
//! not hold. `libFuzzer` calls it for hours, and a test calls it over the corpus in every run.
#![expect(clippy::unwrap_used, reason = "test code: a violated property fails the test")]

mod change;
mod clock;
mod targets;

pub use change::Changes;

/// A part of the product that takes bytes from outside, with the properties that must hold for it.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The target's name, which is also the name of its corpus folder.
    pub name: &'static str,
    /// Checks the properties for an input; panics if one does not hold.
    pub take: fn(&[u8]),
}

/// Every target.
pub const TARGETS: [Target; 7] = [
    Target { name: "incoming", take: targets::incoming::take },
    Target { name: "batch", take: targets::batch::take },
    Target { name: "doorbells", take: targets::doorbells::take },
    Target { name: "receipts", take: targets::receipts::take },
    Target { name: "email", take: targets::email::take },
    Target { name: "commit", take: targets::commit::take },
    Target { name: "snapshot", take: targets::snapshot::take },
];

/// The target with this name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}
