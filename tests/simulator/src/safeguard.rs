use leads_store::Status;

/// A rule of the product that the simulator can switch off, by an adapter that leaves it out or changes the data that
/// pass through. The checker must then find a violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safeguard {
    /// A commit is put only at a free sequence.
    PutCondition,
    /// An e-mail is claimed only if the ledger allows it.
    ClaimCondition,
    /// An e-mail is claimed only if nothing was recorded after the head that was judged.
    HeadCheck,
    /// A cursor never moves back.
    CursorCondition,
    /// A mail is settled only by the worker that claimed it.
    SettleNonce,
    /// A mail is superseded only if nothing was recorded after the head that was judged.
    FenceSuperseded,
    /// A mail is rejected only if nothing was recorded after the head that was judged.
    FenceRejected,
    /// A mail is given up only if nothing was recorded after the head that was judged.
    FenceGivenUp,
    /// A claim takes address and sequence number from the head, not from the effect.
    ClaimFromHead,
    /// If a message is returned, all later messages of its buyer are returned too.
    GroupStop,
    /// A claim allows one attempt.
    OneAttempt,
    /// An early event is held.
    Holding,
    /// Effects are those of a whole chain, not of each event in it.
    ChainedEffects,
    /// A closing is always announced.
    Closings,
    /// A buyer whose effects cannot be performed now is marked as behind.
    BehindMark,
    /// The sweeper does the work that no doorbell announced.
    Sweeper,
    /// An address with a permanent bounce gets no more mail.
    Stop,
    /// Receipts only move a status forward.
    ForwardOnly,
    /// Messages that were received often are recorded one by one, and dead-lettered alone.
    OneByOne,
    /// Errors contain no personal data.
    DiscreetErrors,
    /// In shadow the former system is only asked by look-ups.
    HandoverInShadow,
    /// At a handover, the difference between the announced leads and those called for is performed.
    Difference,
    /// A lead of the former system keeps its name.
    FormerNames,
    /// A repeated message of a shadow buyer causes another look-up.
    LookAgain,
    /// The former system is bound by its answer that it does not know a buyer.
    Unbound404,
    /// The former system always repeats its first answer to a handover.
    SameAnswer,
    /// The former system hands over only when no announcements are pending.
    NothingPending,
    /// An answer of the former system is merged into the recorded state.
    Merge,
}

impl Safeguard {
    /// The fence that protects a mail from being settled with this status.
    pub(crate) const fn fence_of(status: Status) -> Option<Self> {
        match status {
            Status::Superseded => Some(Self::FenceSuperseded),
            Status::Rejected => Some(Self::FenceRejected),
            Status::Abandoned => Some(Self::FenceGivenUp),
            Status::Sending | Status::Sent | Status::Retry | Status::Unknown | Status::Suppressed => None,
        }
    }

    /// Whether the safeguard concerns a former system, so that it is tested in runs that have one.
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
        Self::NothingPending,
        Self::Merge,
    ];
}
