//! The reasons of dead letters. Queued letters keep their reason for up to 14 days, so a renamed one exists twice for
//! that long.

/// Why a message was set aside. The recorder always refuses a message for the same reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The body is too long.
    TooLarge,
    /// The body is not JSON.
    NotJson,
    /// The body is JSON but violates the contract.
    NotAnOfferEvent,
    /// The event has a type, or a major version of a type, that the recorder does not know.
    UnknownType,
    /// The message group is not the buyer, so the order of the buyer's messages is not known.
    WrongGroup,
    /// The offer version is recorded with different content.
    Contradiction,
    /// The offer version was declared void.
    Voided,
    /// The buyer already has the greatest number of held events.
    TooManyHeld,
    /// The recorder panicked over the message repeatedly.
    BreaksTheRecorder,
    /// SQS moved the message after too many receives. Such a letter has no attribute `reason`.
    TooManyReceives,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 10] = [
        Self::TooLarge,
        Self::NotJson,
        Self::NotAnOfferEvent,
        Self::UnknownType,
        Self::WrongGroup,
        Self::Contradiction,
        Self::Voided,
        Self::TooManyHeld,
        Self::BreaksTheRecorder,
        Self::TooManyReceives,
    ];

    /// The name of the reason, used as an attribute of the dead letter and as a dimension of the metric.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooLarge => "too-large",
            Self::NotJson => "not-json",
            Self::NotAnOfferEvent => "not-an-offer-event",
            Self::UnknownType => "unknown-type",
            Self::WrongGroup => "wrong-group",
            Self::Contradiction => "contradiction",
            Self::Voided => "voided",
            Self::TooManyHeld => "too-many-held",
            Self::BreaksTheRecorder => "breaks-the-recorder",
            Self::TooManyReceives => "too-many-receives",
        }
    }
}
