//! What random runs meet. What they never met they prove nothing about.

/// Something that can happen in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// A message is received again.
    ReceivedAgain,
    /// An event is repeated when SQS has forgotten the first one.
    RepeatedLater,
    /// An event contradicts the record.
    Contradicted,
    /// An event is held.
    Held,
    /// A gap is never filled.
    GapStays,
    /// A buyer has too many held events.
    TooManyHeld,
    /// A message is no event, or in the wrong group.
    Poison,
    /// A message breaks the recorder each time.
    Breaking,
    /// Something else was recorded at this place meanwhile: another recorder's, or one's own.
    Conflict,
    /// A recorder stands still for an hour or longer, and then puts a commit.
    LateAppend,
    /// A dead letter is given another try.
    Redriven,
    /// That happens when all else is over.
    RedrivenLate,
    /// A snapshot is gone, of another fold, or no snapshot at all.
    SpoiltSnapshot,
    /// A clock goes back.
    ClockWentBack,
    /// A record of the change feed is lost.
    LostDoorbell,
    /// It is lost, and the clock of its recorder is half an hour slow.
    LostAndSlow,
    /// A record of the change feed is older than a day when it would be read.
    TrimmedDoorbell,
    /// Nobody performs effects for thirty hours.
    Outage,
    /// An e-mail stays in doubt.
    Doubt,
    /// SES cannot send now.
    NotNow,
    /// SES refuses an address.
    Refused,
    /// A mail is tried for the last time, in vain.
    LastTry,
    /// A fact is recorded between the look and the ending of a mail that it may call for.
    FenceHolds,
    /// A reactor stands still for an hour or longer, and then claims, sends, tells or moves the cursor.
    LateReactor,
    /// Another worker has the claim.
    ClaimHeld,
    /// A fact is recorded between the look and the claim.
    HeadMoved,
    /// The sales team's queue takes nothing for an hour or longer.
    SalesAway,
    /// An effect is told to the sales team again.
    ToldAgain,
    /// SES tells of a mail before its worker could settle it.
    EarlyReceipt,
    /// What SES tells is forged.
    Forged,
    /// An event sets held ones free that undo it.
    Undone,
    /// The former system hands a buyer over.
    HandedOver,
    /// It hands one over of whom it never heard.
    HandedOverUnheard,
    /// It hands nobody over while it has something to announce.
    HandoverRefused,
    /// Its low lead stands at the handover.
    LowStands,
    /// A high lead of it stands at the handover.
    HighStands,
    /// A lead of it is closed at the handover.
    ClosedAtHandover,
    /// A lead is opened at the handover beside or in place of what was announced.
    OpenedAtHandover,
    /// A lead of it that stood is closed later.
    AdoptedClosed,
    /// What it knows of an offer is older than what we know.
    AnswerBehind,
    /// What it knows of an offer is newer than what we know.
    AnswerAhead,
    /// It is asked about a buyer who was first seen without it.
    AskedLater,
    /// A look finds a buyer handed over who is in shadow.
    LookedAgain,
    /// In the end a buyer is handed over there and in shadow here.
    LeftInShadow,
    /// A buyer goes live by name.
    LiveByName,
    /// The setting goes back to shadow.
    FlippedBack,
    /// In the end some buyers are live and others in shadow.
    SomeInShadow,
    /// What was recorded of a buyer in shadow does not count any more.
    Reset,
    /// That is refused.
    ResetRefused,
    /// A gap is declared void.
    Voided,
    /// What was declared void comes after all.
    VoidComes,
    /// A buyer is erased.
    Erased,
}

impl Sight {
    /// All of them.
    pub const ALL: [Self; 52] = [
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
        Self::NotNow,
        Self::Refused,
        Self::LastTry,
        Self::FenceHolds,
        Self::LateReactor,
        Self::ClaimHeld,
        Self::HeadMoved,
        Self::SalesAway,
        Self::ToldAgain,
        Self::EarlyReceipt,
        Self::Forged,
        Self::Undone,
        Self::HandedOver,
        Self::HandedOverUnheard,
        Self::HandoverRefused,
        Self::LowStands,
        Self::HighStands,
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
        Self::VoidComes,
        Self::Erased,
    ];

    /// The words for it, in a table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReceivedAgain => "a message is received again",
            Self::RepeatedLater => "an event is repeated after more than five minutes",
            Self::Contradicted => "an event contradicts the record",
            Self::Held => "an event is held",
            Self::GapStays => "a gap is never filled",
            Self::TooManyHeld => "too many events are held",
            Self::Poison => "a message is no event, or in the wrong group",
            Self::Breaking => "a message breaks the recorder each time",
            Self::Conflict => "a put finds its place taken",
            Self::LateAppend => "a recorder stands still for an hour, then puts",
            Self::Redriven => "a dead letter is redriven",
            Self::RedrivenLate => "dead letters are redriven when all else is over",
            Self::SpoiltSnapshot => "a snapshot is gone, of another fold, or broken",
            Self::ClockWentBack => "a clock goes back",
            Self::LostDoorbell => "a record of the change feed is lost",
            Self::LostAndSlow => "it is lost, and its recorder's clock half an hour slow",
            Self::TrimmedDoorbell => "a record of the change feed is trimmed unread",
            Self::Outage => "nobody performs effects for thirty hours",
            Self::Doubt => "an e-mail is in doubt",
            Self::NotNow => "SES throttles or pauses",
            Self::Refused => "SES refuses an address",
            Self::LastTry => "a mail is tried for the last time, in vain",
            Self::FenceHolds => "a fact is recorded between the look and the ending of a mail",
            Self::LateReactor => "a reactor stands still for an hour, then goes on",
            Self::ClaimHeld => "another worker has claimed the e-mail",
            Self::HeadMoved => "a fact is recorded between look and claim",
            Self::SalesAway => "the sales team's queue takes nothing for hours",
            Self::ToldAgain => "the sales team is told again under the same id",
            Self::EarlyReceipt => "SES tells of a mail before its worker settles it",
            Self::Forged => "what SES tells is forged",
            Self::Undone => "a late event frees held ones that undo it",
            Self::HandedOver => "the former system hands a buyer over",
            Self::HandedOverUnheard => "it hands one over of whom it never heard",
            Self::HandoverRefused => "it hands nobody over while it has something to announce",
            Self::LowStands => "its low lead stands at the handover",
            Self::HighStands => "a high lead of it stands at the handover",
            Self::ClosedAtHandover => "a lead of it is closed at the handover",
            Self::OpenedAtHandover => "a lead is opened at the handover",
            Self::AdoptedClosed => "a lead of it that stood is closed later",
            Self::AnswerBehind => "it knows less of an offer than we do",
            Self::AnswerAhead => "it knows more of an offer than we do",
            Self::AskedLater => "it is asked about a buyer first seen without it",
            Self::LookedAgain => "a look finds a buyer handed over who is in shadow",
            Self::LeftInShadow => "in the end one is handed over there and in shadow here",
            Self::LiveByName => "a buyer goes live by name",
            Self::FlippedBack => "the setting goes back to shadow",
            Self::SomeInShadow => "in the end some are live and others in shadow",
            Self::Reset => "a buyer in shadow is reset",
            Self::ResetRefused => "a reset is refused",
            Self::Voided => "a gap is declared void",
            Self::VoidComes => "what was declared void comes after all",
            Self::Erased => "a buyer is erased",
        }
    }
}

/// What one run met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sights(u64);

impl Sights {
    pub(crate) const fn add(&mut self, sight: Sight) {
        self.0 |= 1 << sight as u64;
    }

    /// Whether this was met.
    #[must_use]
    pub const fn has(self, sight: Sight) -> bool {
        (self.0 >> sight as u64) & 1 == 1
    }
}
