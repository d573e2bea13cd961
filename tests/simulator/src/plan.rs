//! What a run is to do: the faults, the messages, the former system and the decisions of operators, a safeguard that is
//! switched off, and known other ways to do the same work.

use std::collections::VecDeque;

use domain::BuyerId;
use leads_store::{Pausable, Status};
use recorder::LiveShare;

use crate::chance::Chance;
use crate::fault::Faults;
use crate::history::{Post, Sent};

/// The parameters of a run.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The seed of all random choices.
    pub seed: u64,
    /// The faults to inject.
    pub faults: Faults,
    /// The messages to send; random if `None`.
    pub posts: Option<Vec<Post>>,
    /// The former system and the decisions of operators, for runs whose messages are given. Random runs choose their
    /// own.
    pub takeover: Takeover,
    /// A safeguard to switch off.
    pub off: Option<Safeguard>,
    /// Another way to do the work, for comparison with ours.
    pub strategy: Option<Strategy>,
    /// Whether an operator pauses effects for an hour in the middle of the run. Otherwise some random runs have a pause.
    pub has_pause: bool,
    /// Whether to record a trace.
    pub has_trace: bool,
}

impl Plan {
    /// The random run with this seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Whether the run concentrates on mails that are not sent at once: low leads open, close and open again while SES
    /// refuses, throttles and gives no answer, sweep after sweep.
    pub(crate) fn is_about_mail(&self) -> bool {
        let mut chance = Chance::of(self.seed ^ 0x6d61_696c);
        self.faults == Faults::Random && self.posts.is_none() && chance.per_mille(350)
    }

    /// The pause in the middle of this run; `None` if nothing is paused. The other ways have no pauses.
    pub(crate) fn pausing(&self) -> Option<Pausing> {
        let mut chance = Chance::of(self.seed ^ 0x7061_7573);
        let is_random = self.faults == Faults::Random && self.posts.is_none() && self.strategy.is_none();
        let is_chosen = chance.per_mille(400) || self.has_pause;
        (is_random && is_chosen).then(|| {
            let kinds = chance.pick(&[&[Pausable::Emails][..], &[Pausable::Sales], &Pausable::ALL]);
            let from = chance.below(700);
            Pausing { kinds, from, to: chance.between(from, 900) }
        })
    }
}

/// A pause of effects in a random run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pausing {
    pub(crate) kinds: &'static [Pausable],
    /// The part of the run, in thousandths, before the pause.
    pub(crate) from: usize,
    /// The part of the run, in thousandths, at which the rest of the hour passes.
    pub(crate) to: usize,
}

/// The parameters `Effects`, `LivePercent` and `LegacyUrl` of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Setting {
    /// The percentage of buyers that go live; 0 in shadow.
    pub(crate) percent: u8,
    /// Whether the former system is configured.
    pub(crate) has_former: bool,
}

impl Setting {
    pub(crate) fn share(self) -> LiveShare {
        LiveShare::percent(self.percent).unwrap_or(LiveShare::EVERYBODY)
    }
}

/// The settings of a run. Each applies once no more than this number of posts is left.
pub(crate) type Settings = VecDeque<(usize, Setting)>;

/// A given former system, and given decisions of operators.
#[derive(Debug, Clone, Default)]
pub struct Takeover {
    /// The events that the former system received before Leadstream existed.
    pub(crate) known: Vec<Sent>,
    /// Whether a former system exists, even if it received no events.
    pub(crate) has_former: bool,
    /// Whether the stack begins in shadow.
    pub(crate) is_shadow: bool,
    /// The operations to perform once everything has come to rest.
    pub(crate) operations: Vec<Operation>,
    /// The number of posts that come after the operations.
    pub(crate) later: usize,
}

/// A decision of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Void the buyer's first gap.
    Void(BuyerId),
    /// Reset a buyer in shadow.
    Reset(BuyerId),
    /// Erase the buyer.
    Erase(BuyerId),
    /// Take the buyer live by name.
    GoLive(BuyerId),
    /// Let this percentage of buyers go live with their next event.
    Live(u8),
    /// Pause these effects for an hour.
    Pause(&'static [Pausable]),
}

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
    /// The reactor performs nothing that is paused.
    ReactorPauses,
    /// The sweeper performs nothing that is paused.
    SweeperPauses,
    /// The clocks of the ledger stand still in a pause.
    ClocksStandStill,
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
    pub const ALL: [Self; 31] = [
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
        Self::ReactorPauses,
        Self::SweeperPauses,
        Self::ClocksStandStill,
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

/// A known other way to do the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Check whether the mail was sent, send it, record that.
    CheckThenSend,
    /// An idempotency record: in progress until it expires, completed on success, deleted on failure. It does not name
    /// its owner.
    IdempotencyRecord,
    /// Our ledger, but an expired claim is taken over.
    Takeover,
    /// Our recorder, but the messages of a batch are handled concurrently and reported individually.
    PartialBatch,
    /// Our recorder, but a batch with a bad message is returned as a whole, until SQS dead-letters messages that were
    /// received too often.
    WholeBatch,
    /// Our recorder, but a bad message is reported as failed with the rest of its group, until SQS dead-letters it.
    StopAtFirst,
    /// An early event is sent to the end of the queue again until its predecessor has arrived.
    Requeue,
    /// Our effects, but performed from each record of the change feed as it comes, without cursor and sweeper.
    TrustFeed,
}

impl Strategy {
    /// Every strategy.
    pub const ALL: [Self; 8] = [
        Self::CheckThenSend,
        Self::IdempotencyRecord,
        Self::Takeover,
        Self::PartialBatch,
        Self::WholeBatch,
        Self::StopAtFirst,
        Self::Requeue,
        Self::TrustFeed,
    ];

    /// The name of the strategy, and a characteristic after a colon.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CheckThenSend => "check, then send",
            Self::IdempotencyRecord => "Powertools-style idempotency: update and delete unfenced",
            Self::Takeover => "stale claim taken over: after its lease",
            Self::PartialBatch => "partial batch response: messages concurrent over FIFO",
            Self::WholeBatch => "no partial batch response: the whole batch comes back",
            Self::StopAtFirst => "Powertools-style FIFO batch: stops at the first failure, left to SQS",
            Self::Requeue => "early events sent again: to the end of the queue",
            Self::TrustFeed => "item per event: order of the change feed trusted",
        }
    }

    /// Whether an attempt without an answer counts as failed and is repeated.
    pub(crate) const fn repeats_doubts(self) -> bool {
        matches!(self, Self::CheckThenSend | Self::IdempotencyRecord)
    }

    /// Whether bad messages are left to SQS.
    pub(crate) const fn has_no_letters(self) -> bool {
        matches!(self, Self::WholeBatch | Self::StopAtFirst)
    }
}
