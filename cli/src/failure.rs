use std::error::Error;
use std::io;

use domain::BuyerId;
use event_store::StoreError;
use leads_store::LeadsUnavailable;
use legacy::{BadSetting, LegacyUnavailable};

use crate::buyers::BadLine;

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A place that the command needs is not given.
    #[error(
        "{what} is not given: use {option} or set {variable}. It is the stack's {origin}; \
         for the stack of `make up` run `. .local/stack.env`"
    )]
    Missing {
        /// What is missing.
        what: &'static str,
        /// The option that gives it.
        option: &'static str,
        /// The variable that gives it.
        variable: &'static str,
        /// What of the stack says it, as in `output StreamsTableName`.
        origin: &'static str,
    },
    /// The queue URL is none.
    #[error("{what} must be the URL of an SQS FIFO queue, as in the stack's {origin}")]
    NotAFifoQueue {
        /// What it should be.
        what: &'static str,
        /// What of the stack says it, as in `output StreamsTableName`.
        origin: &'static str,
    },
    /// Neither environment nor profile name a region.
    #[error("no AWS region is given: set AWS_REGION, or AWS_PROFILE to a profile that has one")]
    NoRegion,
    /// The file cannot be read.
    #[error("cannot read {file}")]
    Read {
        /// The file, as it was given.
        file: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A pipe or a terminal, where a file is needed.
    #[error(
        "{file} is not a plain file: it is read twice, to post nothing if a line is bad. Save it to a file first"
    )]
    NotAFile {
        /// The file, as it was given.
        file: String,
    },
    /// The file is not what was checked.
    #[error("{file} changed while it was sent: line {line} is not what was checked")]
    Changed {
        /// The file, as it was given.
        file: String,
        /// Where.
        line: u64,
    },
    /// A batch could not be posted.
    #[error("the queue did not take a batch of events")]
    Post(#[source] Box<dyn Error + Send + Sync>),
    /// The queue took a batch, but not this event.
    #[error("the queue refused the event of line {line}: {code}")]
    Refused {
        /// Where the event stands.
        line: u64,
        /// What SQS says.
        code: String,
    },
    /// The stream cannot be read.
    #[error("cannot tell what happened to {buyer}")]
    Stream {
        /// Whose.
        buyer: BuyerId,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The leads table cannot be read.
    #[error("cannot tell what the world was told about {buyer}")]
    Leads {
        /// Whose.
        buyer: BuyerId,
        /// Why.
        #[source]
        source: LeadsUnavailable,
    },
    /// The leads table cannot be read.
    #[error("cannot tell what the world was told")]
    Everybody(#[source] LeadsUnavailable),
    /// The streams table cannot be read.
    #[error("cannot tell what happened")]
    Streams(#[source] StoreError),
    /// The dead-letter queue did not answer.
    #[error("the dead-letter queue did not answer {operation}")]
    DeadLetters {
        /// What was asked.
        operation: &'static str,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A dead letter could not be given another try. It is still there.
    #[error("dead letter {id} could not be redriven")]
    NotRedriven {
        /// Which.
        id: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A dead letter could not be deleted. Redriving it again is safe: repeats are recognised.
    #[error("dead letter {id} could not be deleted")]
    NotDeleted {
        /// Which.
        id: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Dead letters would come back to where they are.
    #[error(
        "the queue of offer events and the dead-letter queue are the same one: redriving would never end"
    )]
    SameQueue,
    /// The options do not go together.
    #[error("{0}")]
    Usage(String),
    /// A person must say that it is meant.
    #[error("Not done: {what} cannot be undone. Pass --yes to confirm.")]
    NotConfirmed {
        /// What would be done.
        what: String,
    },
    /// A file of buyers has lines that are no ids.
    #[error(
        "{file} has lines that are no buyer's id (1 to 128 visible ASCII characters without '/'): {}",
        some_of(lines)
    )]
    Buyers {
        /// The file, as it was given.
        file: String,
        /// The lines.
        lines: Vec<BadLine>,
    },
    /// A file is not what it should be.
    #[error("{file}, line {line}: {rule}")]
    BadLine {
        /// The file, as it was given.
        file: String,
        /// Where.
        line: u64,
        /// What must be there.
        rule: String,
    },
    /// The file cannot be written.
    #[error("cannot write {file}")]
    WriteFile {
        /// The file, as it was given.
        file: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is nothing to ask before a buyer goes live.
    #[error(
        "no former system is configured, and going live asks it to hand the buyers over: use --legacy-url or set LEGACY_URL \
         (the stack's parameter LegacyUrl). Where there never was one, deploy with Effects=live: each buyer goes live with its next event"
    )]
    NoFormerSystem,
    /// The former system did not answer.
    #[error("cannot tell what the former system knows")]
    Legacy(#[source] LegacyUnavailable),
    /// The former system cannot be reached in this way.
    #[error("the former system cannot be asked")]
    LegacySetting(#[source] BadSetting),
    /// Nobody's certificate can be believed.
    #[error("the former system cannot be asked")]
    Untrusted(#[source] platform::https::Untrusted),
    /// The answer cannot be written.
    #[error("cannot write the answer")]
    Write(#[source] io::Error),
}

/// The first of these lines, and how many more there are.
fn some_of(lines: &[BadLine]) -> String {
    const SHOWN: usize = 10;
    let mut shown: Vec<String> = lines.iter().take(SHOWN).map(ToString::to_string).collect();
    if let Some(more) = lines.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        shown.push(format!("and {more} more"));
    }
    shown.join(", ")
}

/// What to do about an error of AWS, by the words that it is told in.
pub(crate) fn hint(error: &str) -> Option<&'static str> {
    let says = |words: &[&str]| words.iter().any(|word| error.contains(word));
    if says(&["ResourceNotFoundException", "QueueDoesNotExist", "NonExistentQueue"]) {
        Some("there is none of this name in this account and region: compare with the stack's outputs")
    } else if says(&["AccessDenied", "not authorized"]) {
        Some("the role you use may not do this: try another AWS_PROFILE, or ask for the right")
    } else if says(&[
        "ExpiredToken",
        "UnrecognizedClient",
        "InvalidClientTokenId",
        "credentials",
        "Credentials",
    ]) {
        Some("sign in again, as with `aws sso login`, and check AWS_PROFILE")
    } else if says(&["dispatch failure", "timed out", "timeout"]) {
        Some("AWS was not reached: check the network, AWS_REGION and AWS_ENDPOINT_URL")
    } else {
        None
    }
}
