//! What must hold for whatever bytes come in. Each target is a plain function of bytes that panics where something does not
//! hold: `libFuzzer` drives it for hours, and a test drives it from the corpus in every run.
#![expect(clippy::unwrap_used, reason = "test code: what must not be fails")]

mod change;
mod clock;
mod targets;

pub use change::Changes;

/// Something that takes bytes from outside.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of the folder with its corpus.
    pub name: &'static str,
    /// Takes some bytes, and panics if something does not hold that must.
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

/// The target of this name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}
