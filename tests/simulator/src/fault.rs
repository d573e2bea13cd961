use crate::chance::Chance;

/// A fault of one call to AWS, or of the worker that makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The call fails without taking effect.
    FailBefore,
    /// The call takes effect, and its answer is lost.
    FailAfter,
    /// The call fails, and the request takes effect later, when its sender has long continued.
    Late,
    /// The call succeeds, and the same request takes effect once more later, because the SDK sent it twice.
    Again,
    /// The worker crashes; the call has no effect.
    CrashBefore,
    /// The worker crashes; the call has taken effect.
    CrashAfter,
    /// The worker freezes before the call, and continues when all others presume that it is dead.
    FreezeBefore,
    /// The worker freezes between the effect of the call and its answer.
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

    /// Whether the fault at this kind of call differs from all other faults there, and from no fault.
    ///
    /// A read changes nothing: it can fail in one way only, and taking effect late or again makes no difference. An
    /// answer to a queue is not sent twice, and a request to SES is not repeated.
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

    /// The fault's name in tables and reports.
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

/// The source of the faults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Faults {
    /// Chosen at random from the seed.
    #[default]
    Random,
    /// Only at these calls, counted from 0. The platform itself causes no disturbances.
    At(Vec<(usize, Fault)>),
}

/// A kind of call to AWS or the former system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Site {
    /// The query of one page of a stream.
    Page,
    /// The put of a commit.
    Append,
    /// The sending of a dead letter.
    Letter,
    /// The recorder's answer to a batch of its queue.
    Answer,
    /// The read of a cursor.
    Cursor,
    /// The write that moves a cursor.
    MoveCursor,
    /// The write that marks a buyer as behind.
    Mark,
    /// The transaction that claims an e-mail.
    Claim,
    /// The write that settles an e-mail.
    Settle,
    /// The request that sends an e-mail.
    Email,
    /// A message to the sales team.
    Sales,
    /// The query of one partition of the index `feed`.
    Feed,
    /// The query of the index `open-work`.
    OpenWork,
    /// The write that takes or releases the sweeper's lease.
    Lease,
    /// The write of the sweeper's place in the index `feed`.
    Walked,
    /// The write that adds an address to those that get no more mail.
    Stop,
    /// The write that records a receipt of SES in the ledger.
    Receipt,
    /// The answer of the receipts function to a batch of its queue.
    ReceiptsAnswer,
    /// A look-up of a buyer in the former system.
    LookUp,
    /// The request to the former system to hand a buyer over.
    Handover,
    /// The write that removes personal data from an older commit.
    Clear,
    /// The read of the pauses.
    Pauses,
}

impl Site {
    /// Every kind of call.
    pub const ALL: [Self; 22] = [
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
        Self::Receipt,
        Self::ReceiptsAnswer,
        Self::LookUp,
        Self::Handover,
        Self::Clear,
        Self::Pauses,
    ];

    /// Whether this call only reads.
    const fn is_read(self) -> bool {
        matches!(self, Self::Page | Self::Cursor | Self::Feed | Self::OpenWork | Self::LookUp | Self::Pauses)
    }

    /// Whether Lambda makes this call at the end of an invocation.
    const fn is_answer(self) -> bool {
        matches!(self, Self::Answer | Self::ReceiptsAnswer)
    }

    /// Whether a fault at this call can leave an e-mail in doubt.
    pub(crate) const fn is_doubtful(self) -> bool {
        matches!(self, Self::Claim | Self::Settle | Self::Email)
    }
}

/// Chooses the next fault.
pub(crate) struct FaultSource {
    pub(crate) at: Option<Vec<(usize, Fault)>>,
    pub(crate) left: usize,
    pub(crate) per_mille: usize,
    pub(crate) focus: Option<Site>,
    /// See [`Plan::is_about_mail`](crate::Plan).
    pub(crate) is_about_mail: bool,
    pub(crate) sites: Vec<Site>,
}

impl FaultSource {
    pub(crate) fn new(faults: &Faults, is_about_mail: bool, chance: &mut Chance) -> Self {
        let at = if let Faults::At(at) = faults { Some(at.clone()) } else { None };
        Self {
            left: match at {
                Some(_) => 0,
                None if is_about_mail => 12,
                None => chance.pick(&[0, 2, 6, 12]),
            },
            is_about_mail,
            at,
            per_mille: chance.pick(&[10, 30, 80]),
            focus: if is_about_mail {
                Some(chance.pick(&[Site::Claim, Site::Settle, Site::Settle, Site::Email]))
            } else {
                chance.per_mille(700).then(|| chance.pick(&Site::ALL))
            },
            sites: Vec::new(),
        }
    }
}
