use leads_store::Status;

/// A rule of the product that can be switched off, here only: by an adapter that leaves it out, or that changes what
/// passes through it. The checker must then find something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safeguard {
    /// A commit is put only where none is.
    PutCondition,
    /// An e-mail is claimed only if the ledger allows it.
    ClaimCondition,
    /// An e-mail is claimed only if nothing was recorded since.
    HeadCheck,
    /// A cursor never goes back.
    CursorCondition,
    /// Only who claimed settles.
    SettleNonce,
    /// A mail is superseded only if nothing was recorded after the head that was judged.
    FenceSuperseded,
    /// The same for one that SES refused.
    FenceRejected,
    /// The same for one that is given up after its last try.
    FenceGivenUp,
    /// A claim takes address and sequence number from the head, not from the effect.
    ClaimFromHead,
    /// A message of a buyer that comes back takes all later ones of that buyer with it.
    GroupStop,
    /// One attempt for each claim.
    OneAttempt,
    /// An early event is held.
    Holding,
    /// Effects are those of the whole chain.
    ChainedEffects,
    /// A closing is always announced.
    Closings,
    /// A buyer that cannot go on is marked.
    BehindMark,
    /// What the doorbell missed is swept up.
    Sweeper,
    /// An address that bounced for good gets no more mail.
    Stop,
    /// Receipts move a status forward only.
    ForwardOnly,
    /// What comes back often is recorded one by one, and set aside by itself.
    OneByOne,
    /// Errors say nothing personal.
    DiscreetErrors,
    /// In shadow the former system is only looked up.
    HandoverInShadow,
    /// What was announced and what is called for are compared at the handover.
    Difference,
    /// A lead of the former system keeps its name.
    FormerNames,
    /// A message that comes again causes another look.
    LookAgain,
    /// That the former system never heard of a buyer binds it.
    Unbound404,
    /// Its first answer is its last word.
    SameAnswer,
    /// It answers once it has announced all.
    NothingOwed,
    /// An answer is merged into what is known.
    Merge,
}

impl Safeguard {
    /// The fence that guards an ending of a mail.
    pub(crate) const fn fence_of(status: Status) -> Option<Self> {
        match status {
            Status::Superseded => Some(Self::FenceSuperseded),
            Status::Rejected => Some(Self::FenceRejected),
            Status::Abandoned => Some(Self::FenceGivenUp),
            Status::Sending | Status::Sent | Status::Retry | Status::Unknown | Status::Suppressed => None,
        }
    }

    /// Whether it is about a former system: looked at where there is one.
    pub(crate) const fn is_beside(self) -> bool {
        self as u8 >= Self::HandoverInShadow as u8
    }

    /// Every safeguard that can be switched off.
    pub const ALL: [Self; 28] = [
        Self::PutCondition,
        Self::ClaimCondition,
        Self::HeadCheck,
        Self::CursorCondition,
        Self::SettleNonce,
        Self::FenceSuperseded,
        Self::FenceRejected,
        Self::FenceGivenUp,
        Self::ClaimFromHead,
        Self::GroupStop,
        Self::OneAttempt,
        Self::Holding,
        Self::ChainedEffects,
        Self::Closings,
        Self::BehindMark,
        Self::Sweeper,
        Self::Stop,
        Self::ForwardOnly,
        Self::OneByOne,
        Self::DiscreetErrors,
        Self::HandoverInShadow,
        Self::Difference,
        Self::FormerNames,
        Self::LookAgain,
        Self::Unbound404,
        Self::SameAnswer,
        Self::NothingOwed,
        Self::Merge,
    ];
}
