//! The names of all metrics, which the code counts, alarms watch and `docs/runbook.md` explains. Tests compare them.

/// Events recorded, including those held.
pub const EVENTS_RECORDED: &str = "EventsRecorded";
/// Events recorded early, which wait for a missing version of their offer.
pub const EVENTS_HELD: &str = "EventsHeld";
/// Events that were already recorded.
pub const DUPLICATES: &str = "Duplicates";
/// Messages set aside, by `reason`.
pub const DEAD_LETTERED: &str = "DeadLettered";
/// Messages returned to the queue of offer events.
pub const MESSAGES_RETURNED: &str = "MessagesReturned";
/// Malformed fields that were dropped from recorded events, by `field`.
pub const FIELDS_DROPPED: &str = "FieldsDropped";
/// Effects settled, by `kind` and `outcome`.
pub const EFFECTS: &str = "Effects";
/// The longest time from a commit to the settlement of one of its effects, in milliseconds.
pub const FEED_LAG: &str = "FeedLag";
/// Buyers with pending effects that must be tried again later.
pub const BUYERS_BEHIND: &str = "BuyersBehind";
/// E-mails refused, at once or by a receipt. Several functions count them and one alarm watches the sum, so this metric
/// belongs to the stack.
pub const EMAILS_REJECTED: &str = "EmailsRejected";
/// E-mails settled by the sweeper, by `status`.
pub const EMAILS_SWEPT: &str = "EmailsSwept";
/// The time that the oldest held event has waited, in seconds.
pub const HELD_OLDEST: &str = "HeldOldest";
/// Open items after a sweep, due or not, by `kind`.
pub const OPEN_WORK: &str = "OpenWork";
/// Open items that the sweeper cannot read.
pub const WORK_UNREADABLE: &str = "WorkUnreadable";
/// The time for which effects have been paused, in seconds.
pub const PAUSED_FOR: &str = "PausedFor";
/// Sweeps that left due work.
pub const SWEEPS_UNFINISHED: &str = "SweepsUnfinished";
/// Delivery events of SES, by `kind` and `outcome`.
pub const RECEIPTS: &str = "Receipts";
