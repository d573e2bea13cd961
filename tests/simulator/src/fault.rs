/// What can happen to one call to AWS, and to the worker that makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It fails and has done nothing.
    FailBefore,
    /// It has done its work, and the answer is lost.
    FailAfter,
    /// It fails, and the request lands later, when its sender has long gone on.
    Late,
    /// It succeeds, and the same request lands once more later: the SDK sent it twice.
    Again,
    /// The worker ends here; the call has done nothing.
    CrashBefore,
    /// The worker ends here; the call has done its work.
    CrashAfter,
    /// The worker stands still before the call, and goes on when all others think it dead.
    FreezeBefore,
    /// The worker stands still between the call's work and its answer.
    FreezeAfter,
    /// The code that makes the call panics.
    Panic,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 9] = [
        Self::FailBefore,
        Self::FailAfter,
        Self::Late,
        Self::Again,
        Self::CrashBefore,
        Self::CrashAfter,
        Self::FreezeBefore,
        Self::FreezeAfter,
        Self::Panic,
    ];

    /// Whether it differs, at this kind of call, from all others and from none at all.
    ///
    /// A read changes nothing: it fails in one way only, and neither lands late nor again. An answer to a queue is not sent
    /// twice, and SES is asked once.
    #[must_use]
    pub const fn differs(self, site: Site) -> bool {
        match self {
            Self::FailBefore | Self::CrashBefore | Self::FreezeBefore | Self::FreezeAfter | Self::Panic => {
                true
            }
            Self::FailAfter | Self::CrashAfter => !site.is_read(),
            Self::Late => !site.is_read() && !site.is_answer(),
            Self::Again => !site.is_read() && !site.is_answer() && !matches!(site, Site::Email),
        }
    }

    /// The words for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FailBefore => "fails before",
            Self::FailAfter => "answer lost",
            Self::Late => "lands late",
            Self::Again => "lands again",
            Self::CrashBefore => "crash before",
            Self::CrashAfter => "crash after",
            Self::FreezeBefore => "frozen before",
            Self::FreezeAfter => "frozen after",
            Self::Panic => "panic",
        }
    }
}

/// Where faults come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Faults {
    /// From the seed, as everything else.
    #[default]
    Random,
    /// At these calls, counted from 0, and nowhere else; the platform itself behaves.
    At(Vec<(usize, Fault)>),
}

/// A kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Site {
    /// One page of a stream.
    Page,
    /// The put of a commit.
    Append,
    /// A message set aside.
    Letter,
    /// The answer of the recorder to its queue.
    Answer,
    /// The read of a cursor.
    Cursor,
    /// The transaction that moves it.
    MoveCursor,
    /// The mark of a buyer that is behind.
    Mark,
    /// The claim of an e-mail.
    Claim,
    /// Its settling.
    Settle,
    /// Its one attempt.
    Email,
    /// A message to the sales team.
    Sales,
    /// One partition of the index of effectful commits.
    Feed,
    /// The index of open work.
    OpenWork,
    /// The sweeper's lease, taken or given back.
    Lease,
    /// How far the sweeper has walked, written.
    Walked,
    /// An address put among those that get no more mail.
    Stop,
    /// What SES tells of a mail, taken into the ledger.
    Learn,
    /// The answer of the receipts function to its queue.
    Heard,
    /// A question to the former system.
    LookUp,
    /// It is to hand a buyer over.
    Handover,
    /// What is personal taken out of an older commit.
    Clear,
}

impl Site {
    /// Every kind of call.
    pub const ALL: [Self; 21] = [
        Self::Page,
        Self::Append,
        Self::Letter,
        Self::Answer,
        Self::Cursor,
        Self::MoveCursor,
        Self::Mark,
        Self::Claim,
        Self::Settle,
        Self::Email,
        Self::Sales,
        Self::Feed,
        Self::OpenWork,
        Self::Lease,
        Self::Walked,
        Self::Stop,
        Self::Learn,
        Self::Heard,
        Self::LookUp,
        Self::Handover,
        Self::Clear,
    ];

    /// Whether it reads, and never writes.
    const fn is_read(self) -> bool {
        matches!(self, Self::Page | Self::Cursor | Self::Feed | Self::OpenWork | Self::LookUp)
    }

    /// Whether it is the end of an invocation, made by Lambda.
    const fn is_answer(self) -> bool {
        matches!(self, Self::Answer | Self::Heard)
    }

    /// Whether a fault here can leave an e-mail in doubt.
    pub(crate) const fn is_doubtful(self) -> bool {
        matches!(self, Self::Claim | Self::Settle | Self::Email)
    }
}
