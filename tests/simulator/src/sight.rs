//! Sights: events that random runs must meet, because they prove nothing about an event that they never met.

/// An event that can happen in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// A message is received again.
    ReceivedAgain,
    /// An event is repeated after SQS has forgotten the first message.
    RepeatedLater,
    /// An event contradicts a recorded one.
    Contradicted,
    /// An event is held.
    Held,
    /// A gap is never filled.
    GapStays,
    /// A buyer has too many held events.
    TooManyHeld,
    /// A message is not an event, or is in the wrong group.
    Poison,
    /// A message makes the recorder panic each time.
    Breaking,
    /// The sequence of a put is already taken, by another recorder or by an earlier put of the same one.
    Conflict,
    /// A recorder is frozen for an hour or longer, and then puts a commit.
    LateAppend,
    /// A dead letter is redriven.
    Redriven,
    /// Dead letters are redriven after all other work is done.
    RedrivenLate,
    /// A snapshot is deleted, has another fold's version, or is corrupt.
    SpoiltSnapshot,
    /// A clock goes back.
    ClockWentBack,
    /// A record of the change feed is lost.
    LostDoorbell,
    /// A record of the change feed is lost, and its recorder's clock is half an hour slow.
    LostAndSlow,
    /// A record of the change feed is trimmed after a day without having been read.
    TrimmedDoorbell,
    /// No effects are performed for thirty hours.
    Outage,
    /// An e-mail is settled as `unknown`.
    Doubt,
    /// SES throttles or pauses.
    SesThrottles,
    /// SES refuses an address.
    Refused,
    /// The last attempt to send a mail fails.
    LastTry,
    /// A fact is recorded between the reading of the head and the settling of a mail, and the fence holds.
    FenceHolds,
    /// A reactor is frozen for an hour or longer, and then claims, sends, settles or moves the cursor.
    LateReactor,
    /// Another worker has the claim.
    ClaimTaken,
    /// A fact is recorded between the reading of the head and the claim.
    HeadMoved,
    /// The sales team's queue is unavailable for an hour or longer.
    SalesDown,
    /// A sales message is sent again under the same id.
    SalesRepeated,
    /// SES reports on a mail before its worker settles it.
    EarlyReceipt,
    /// An SES event is forged.
    Forged,
    /// A late event releases held ones that undo it.
    Undone,
    /// The former system hands a buyer over.
    HandedOver,
    /// The former system hands over a buyer that it does not know.
    HandedOverUnknown,
    /// The former system refuses a handover while announcements are pending.
    HandoverRefused,
    /// A low lead of the former system stays open at the handover.
    LowLeadKept,
    /// A high lead of the former system stays open at the handover.
    HighLeadKept,
    /// A lead of the former system is closed at the handover.
    ClosedAtHandover,
    /// A lead is opened at the handover, beside or instead of the announced ones.
    OpenedAtHandover,
    /// A lead of the former system that stayed open is closed later.
    AdoptedClosed,
    /// The former system knows an older version of an offer.
    AnswerBehind,
    /// The former system knows a newer version of an offer.
    AnswerAhead,
    /// The former system is asked about a buyer that was first recorded without it.
    AskedLater,
    /// A look-up finds that a shadow buyer was already handed over.
    LookedAgain,
    /// At the end a buyer is handed over by the former system but still in shadow.
    LeftInShadow,
    /// A buyer goes live by name.
    LiveByName,
    /// The stack is set back to shadow.
    FlippedBack,
    /// At the end some buyers are live and others in shadow.
    SomeInShadow,
    /// A shadow buyer is reset.
    Reset,
    /// A reset is refused.
    ResetRefused,
    /// A gap is voided.
    Voided,
    /// An event of a voided version arrives.
    VoidedArrives,
    /// A buyer is erased.
    Erased,
    /// An e-mail waits for the end of a pause.
    EmailPaused,
    /// A sales message waits for the end of a pause.
    SalesPaused,
    /// A sweep runs in a pause.
    SweptInPause,
}

impl Sight {
    /// Every sight.
    pub const ALL: [Self; 55] = [
        Self::ReceivedAgain,
        Self::RepeatedLater,
        Self::Contradicted,
        Self::Held,
        Self::GapStays,
        Self::TooManyHeld,
        Self::Poison,
        Self::Breaking,
        Self::Conflict,
        Self::LateAppend,
        Self::Redriven,
        Self::RedrivenLate,
        Self::SpoiltSnapshot,
        Self::ClockWentBack,
        Self::LostDoorbell,
        Self::LostAndSlow,
        Self::TrimmedDoorbell,
        Self::Outage,
        Self::Doubt,
        Self::SesThrottles,
        Self::Refused,
        Self::LastTry,
        Self::FenceHolds,
        Self::LateReactor,
        Self::ClaimTaken,
        Self::HeadMoved,
        Self::SalesDown,
        Self::SalesRepeated,
        Self::EarlyReceipt,
        Self::Forged,
        Self::Undone,
        Self::HandedOver,
        Self::HandedOverUnknown,
        Self::HandoverRefused,
        Self::LowLeadKept,
        Self::HighLeadKept,
        Self::ClosedAtHandover,
        Self::OpenedAtHandover,
        Self::AdoptedClosed,
        Self::AnswerBehind,
        Self::AnswerAhead,
        Self::AskedLater,
        Self::LookedAgain,
        Self::LeftInShadow,
        Self::LiveByName,
        Self::FlippedBack,
        Self::SomeInShadow,
        Self::Reset,
        Self::ResetRefused,
        Self::Voided,
        Self::VoidedArrives,
        Self::Erased,
        Self::EmailPaused,
        Self::SalesPaused,
        Self::SweptInPause,
    ];

    /// The sight's description in a table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReceivedAgain => "a message is received again",
            Self::RepeatedLater => "an event is repeated after more than five minutes",
            Self::Contradicted => "an event contradicts a recorded one",
            Self::Held => "an event is held",
            Self::GapStays => "a gap is never filled",
            Self::TooManyHeld => "too many events are held",
            Self::Poison => "a message is not an event, or is in the wrong group",
            Self::Breaking => "a message makes the recorder panic each time",
            Self::Conflict => "the sequence of a put is already taken",
            Self::LateAppend => "a recorder is frozen for an hour, then puts a commit",
            Self::Redriven => "a dead letter is redriven",
            Self::RedrivenLate => "dead letters are redriven after all other work is done",
            Self::SpoiltSnapshot => "a snapshot is deleted, of another fold, or corrupt",
            Self::ClockWentBack => "a clock goes back",
            Self::LostDoorbell => "a record of the change feed is lost",
            Self::LostAndSlow => "a change-feed record is lost and its recorder's clock half an hour slow",
            Self::TrimmedDoorbell => "a record of the change feed is trimmed unread",
            Self::Outage => "no effects are performed for thirty hours",
            Self::Doubt => "an e-mail is settled as unknown",
            Self::SesThrottles => "SES throttles or pauses",
            Self::Refused => "SES refuses an address",
            Self::LastTry => "the last attempt to send a mail fails",
            Self::FenceHolds => "a fact is recorded between the look and the settling of a mail",
            Self::LateReactor => "a reactor is frozen for an hour, then continues",
            Self::ClaimTaken => "another worker has claimed the e-mail",
            Self::HeadMoved => "a fact is recorded between look and claim",
            Self::SalesDown => "the sales team's queue is unavailable for hours",
            Self::SalesRepeated => "a sales message is sent again under the same id",
            Self::EarlyReceipt => "SES reports on a mail before its worker settles it",
            Self::Forged => "an SES event is forged",
            Self::Undone => "a late event releases held ones that undo it",
            Self::HandedOver => "the former system hands a buyer over",
            Self::HandedOverUnknown => "the former system hands over a buyer that it does not know",
            Self::HandoverRefused => "the former system refuses a handover while announcements are pending",
            Self::LowLeadKept => "a low lead of the former system stays open at the handover",
            Self::HighLeadKept => "a high lead of the former system stays open at the handover",
            Self::ClosedAtHandover => "a lead of the former system is closed at the handover",
            Self::OpenedAtHandover => "a lead is opened at the handover",
            Self::AdoptedClosed => "a lead of the former system that stayed open is closed later",
            Self::AnswerBehind => "the former system knows an older version of an offer",
            Self::AnswerAhead => "the former system knows a newer version of an offer",
            Self::AskedLater => "the former system is asked about a buyer first recorded without it",
            Self::LookedAgain => "a look-up finds that a shadow buyer was handed over",
            Self::LeftInShadow => "at the end a handed-over buyer is still in shadow",
            Self::LiveByName => "a buyer goes live by name",
            Self::FlippedBack => "the stack is set back to shadow",
            Self::SomeInShadow => "at the end some buyers are live and others in shadow",
            Self::Reset => "a buyer in shadow is reset",
            Self::ResetRefused => "a reset is refused",
            Self::Voided => "a gap is voided",
            Self::VoidedArrives => "an event of a voided version arrives",
            Self::Erased => "a buyer is erased",
            Self::EmailPaused => "an e-mail waits for the end of a pause",
            Self::SalesPaused => "a sales message waits for the end of a pause",
            Self::SweptInPause => "a sweep runs in a pause",
        }
    }
}

/// The sights that one run met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sights(u64);

impl Sights {
    pub(crate) const fn add(&mut self, sight: Sight) {
        self.0 |= 1 << sight as u64;
    }

    /// Whether the run met this sight.
    #[must_use]
    pub const fn has(self, sight: Sight) -> bool {
        (self.0 >> sight as u64) & 1 == 1
    }
}
