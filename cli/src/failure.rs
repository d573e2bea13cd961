//! How commands end: the exit code, and why they fail.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use domain::BuyerId;
use event_store::StoreError;
use leads_store::LeadsUnavailable;
use legacy::{BadSetting, LegacyUnavailable};
use platform::telemetry::chain;

use crate::aws::CallFailed;

/// How a command ended, reported to scripts as the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: success, nothing to report.
    Good,
    /// 1: there are findings, or the buyer is unknown.
    Findings,
    /// 2: the usage was wrong, or a request or file operation failed.
    Failed,
    /// 130: Ctrl-C ended the command early, so its answer is incomplete. Shells report the same code for a process that
    /// SIGINT ends.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Good => Self::SUCCESS,
            Exit::Findings => Self::from(1),
            Exit::Failed => Self::from(2),
            Exit::Interrupted => Self::from(130),
        }
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A location that the command needs is missing.
    #[error(
        "{what} is missing: use --stack or {option}, or set {variable}. It is the stack's {origin}; \
         for the stack of `make up` use `--stack local`"
    )]
    Missing {
        /// What is missing.
        what: &'static str,
        /// The option that gives it.
        option: &'static str,
        /// The environment variable that gives it.
        variable: &'static str,
        /// The output or parameter of the stack that contains it, as in `output StreamsTableName`.
        origin: &'static str,
    },
    /// A queue's URL is not the URL of an SQS FIFO queue.
    #[error("{what} must be the URL of an SQS FIFO queue, as in the stack's {origin}")]
    NotAFifoQueue {
        /// Which queue it should be.
        what: &'static str,
        /// The output of the stack that contains it, as in `output OfferEventsQueueUrl`.
        origin: &'static str,
    },
    /// A profile is invalid.
    #[error("{file}: {rule}")]
    BadProfile {
        /// The file of profiles.
        file: String,
        /// What is wrong, and where.
        rule: String,
    },
    /// No stack has this name.
    #[error("no stack `{name}` exists in this account and region {region}, and no profile has that name")]
    NoStack {
        /// The name.
        name: String,
        /// The region.
        region: String,
    },
    /// The stack is in another account than its profile says.
    #[error("these credentials belong to account {found}, but the profile names account {expected}")]
    OtherAccount {
        /// The account in the profile.
        expected: String,
        /// The account of the stack that was found.
        found: String,
    },
    /// The stack was not deployed from the template.
    #[error("the stack `{name}` is not a stack of Leadstream: it has no output StreamsTableName")]
    NotLeadstream {
        /// The name of the stack.
        name: String,
    },
    /// The command reads more than single places.
    #[error("`leads {command}` needs a stack: use --stack or set LEADS_STACK")]
    NoStackNamed {
        /// The command.
        command: &'static str,
    },
    /// A call of AWS failed.
    #[error("{0}")]
    Call(CallFailed),
    /// Neither the environment nor the profile names a region.
    #[error("no AWS region is configured: set AWS_REGION, or set AWS_PROFILE to a profile with a region")]
    NoRegion,
    /// The file cannot be read.
    #[error("cannot read {file}")]
    Read {
        /// The file, as it was given.
        file: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The input is a pipe, a directory or a terminal, but must be a regular file.
    #[error(
        "{file} is not a plain file. It is read twice, first to check every line; save it to a file first"
    )]
    NotAFile {
        /// The file, as it was given.
        file: String,
    },
    /// The file changed between the check and the posting.
    #[error("{file} changed after it was checked: line {line} is no longer valid. Send it again")]
    Changed {
        /// The file, as it was given.
        file: String,
        /// The line, from 1.
        line: u64,
    },
    /// A batch could not be posted.
    #[error("a batch of events could not be posted")]
    Post(#[source] Box<dyn Error + Send + Sync>),
    /// The queue accepted a batch, but refused this event of it.
    #[error("the queue refused the event in line {line}: {code}")]
    Refused {
        /// The event's line, from 1.
        line: u64,
        /// The error code of SQS.
        code: String,
    },
    /// The sales team's queue did not take a batch of messages.
    #[error("the sales team's queue did not take a batch of messages")]
    SalesTeam(#[source] Box<dyn Error + Send + Sync>),
    /// The sales team's queue accepted a batch, but refused this message of it.
    #[error("the sales team's queue refused the message {id}: {code}")]
    MessageRefused {
        /// The message's id.
        id: String,
        /// The error code of SQS.
        code: String,
    },
    /// An export cannot be imported, or not into this stack.
    #[error("not imported: {0}")]
    NotImported(String),
    /// A request to the streams table about one buyer failed.
    #[error("cannot access the stream of {buyer}")]
    Stream {
        /// The buyer.
        buyer: BuyerId,
        /// The cause.
        #[source]
        source: StoreError,
    },
    /// A request to the leads table about one buyer failed.
    #[error("cannot access the leads table's items of {buyer}")]
    Leads {
        /// The buyer.
        buyer: BuyerId,
        /// The cause.
        #[source]
        source: LeadsUnavailable,
    },
    /// A query or scan of the leads table failed.
    #[error("cannot read the leads table")]
    LeadsTable(#[source] LeadsUnavailable),
    /// A scan of the streams table failed.
    #[error("cannot read the streams table")]
    Streams(#[source] StoreError),
    /// The dead-letter queue did not answer.
    #[error("the dead-letter queue did not answer {operation}")]
    DeadLetters {
        /// The operation of SQS.
        operation: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A dead letter could not be redriven. It stays in the dead-letter queue.
    #[error("dead letter {id} could not be redriven")]
    NotRedriven {
        /// The letter's id.
        id: String,
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A dead letter that was to be dropped, or that was already sent to the queue of offer events, could not be
    /// deleted. Running the command again is safe: an event that is redriven twice is recorded once.
    #[error("dead letter {id} could not be deleted")]
    NotDeleted {
        /// The letter's id.
        id: String,
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Both queue URLs are the same.
    #[error("the queue of offer events and the dead-letter queue have the same URL: correct one of them")]
    SameQueue,
    /// The combination of options is wrong.
    #[error("{0}")]
    Usage(String),
    /// Another operator changed the pauses.
    #[error("the pauses changed meanwhile: look at them with `leads status`, then run the command again")]
    PausesChanged,
    /// The command needs a confirmation.
    #[error("Not done: {what} cannot be undone. Pass --yes to confirm.")]
    NotConfirmed {
        /// What would be done, as a gerund phrase.
        what: String,
    },
    /// A file of buyers has lines that are not ids.
    #[error(
        "{file} has lines that are not buyer ids (1 to 128 visible ASCII characters without '/'): {}",
        some_of(lines)
    )]
    Buyers {
        /// The file, as it was given.
        file: String,
        /// The bad lines.
        lines: Vec<BadLine>,
    },
    /// A line of a file is invalid.
    #[error("{file}, line {line}: {rule}")]
    BadLine {
        /// The file, as it was given.
        file: String,
        /// The line, from 1.
        line: u64,
        /// The rule that the line breaks.
        rule: String,
    },
    /// The file cannot be written.
    #[error("cannot write {file}")]
    WriteFile {
        /// The file, as it was given.
        file: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// `leads go-live` needs a former system.
    #[error(
        "no former system is configured, but going live asks it to hand buyers over: use --legacy-url or set LEGACY_URL \
         (the stack's parameter LegacyUrl). If there never was one, deploy with Effects=live: each buyer goes live with its next event"
    )]
    NoFormerSystem,
    /// The former system did not answer.
    #[error("no usable answer from the former system")]
    Legacy(#[source] LegacyUnavailable),
    /// The URL or the Authorization header of the former system is invalid.
    #[error("the former system's settings are invalid")]
    LegacySetting(#[source] BadSetting),
    /// No trusted root certificates could be loaded.
    #[error("cannot set up HTTPS for the former system")]
    Untrusted(#[source] platform::https::Untrusted),
    /// The console cannot listen.
    #[error(
        "cannot listen on 127.0.0.1, port {port}: choose another one with --port, or leave the option out"
    )]
    Listen {
        /// The port.
        port: u16,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The answer cannot be written.
    #[error("cannot write the answer")]
    Write(#[source] io::Error),
}

impl Failure {
    /// Prints the causes and, for some, advice.
    pub(crate) fn print(&self, err: &mut impl Write) {
        let text = chain(self);
        // If the error cannot be written, the exit code still reports it.
        let _ = writeln!(err, "error: {text}");
        if let Some(hint) = hint(&text) {
            let _ = writeln!(err, "hint: {hint}");
        }
    }

    /// The cause in one sentence for a page, and advice for some causes.
    pub(crate) fn sentence(&self) -> (String, Option<&'static str>) {
        (why(self), hint(&chain(self)))
    }
}

/// A line that is not a buyer's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// The line's number, from 1.
    pub line: u64,
    /// The beginning of the line, made safe for a terminal.
    pub text: String,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: `{}`", self.line, self.text)
    }
}

/// The first bad lines, and the number of further ones.
fn some_of(lines: &[BadLine]) -> String {
    const SHOWN: usize = 10;
    let mut shown: Vec<String> = lines.iter().take(SHOWN).map(ToString::to_string).collect();
    if let Some(more) = lines.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        shown.push(format!("and {more} more"));
    }
    shown.join(", ")
}

/// Whether DynamoDB refused a request because the table has other keys or indexes than Leadstream's.
fn is_other_table(error: &str) -> bool {
    ["specified index", "does not match the schema", "missed key schema element"]
        .iter()
        .any(|word| error.contains(word))
}

/// Why something cannot be read, in short: a missing permission by its name, a table that is not the stack's, anything
/// else with its causes.
pub(crate) fn why(error: &(dyn Error + 'static)) -> String {
    let text = chain(error);
    let denied = text.split_once("not authorized to perform: ").map(|(_, rest)| rest);
    match denied.and_then(|rest| rest.split_whitespace().next()) {
        Some(action) => format!("{action} is not allowed"),
        None if is_other_table(&text) => "this is the table of something else".to_owned(),
        None => plain(&text),
    }
}

/// The text without the form in which the SDK prints the details of an error: only the service's own message is kept.
fn plain(text: &str) -> String {
    let Some((before, details)) = text.split_once(": Error { ") else { return text.to_owned() };
    match details.split_once("message: \"").and_then(|(_, rest)| rest.split_once('"')) {
        Some((message, _)) if !message.is_empty() => format!("{before}: {message}"),
        Some(_) | None => before.to_owned(),
    }
}

/// Advice for an AWS error, chosen by words in its text.
fn hint(error: &str) -> Option<&'static str> {
    let says = |words: &[&str]| words.iter().any(|word| error.contains(word));
    if says(&["ResourceNotFoundException", "QueueDoesNotExist", "NonExistentQueue"]) {
        Some("no such table or queue in this account and region: compare the name with the stack's outputs")
    } else if is_other_table(error) {
        Some("this is the table of something else: compare the name with the stack's outputs")
    } else if says(&["AccessDenied", "not authorized"]) {
        Some("your role lacks the permission: try another AWS_PROFILE, or ask for the permission")
    } else if says(&[
        "ExpiredToken",
        "UnrecognizedClient",
        "InvalidClientTokenId",
        "credentials",
        "Credentials",
    ]) {
        Some("sign in again, for example with `aws login` or `aws sso login`, and check AWS_PROFILE")
    } else if says(&["dispatch failure", "timed out", "timeout"]) {
        Some("AWS could not be reached: check the network, AWS_REGION and AWS_ENDPOINT_URL")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn the_details_of_the_sdk_are_reduced_to_the_services_message() {
        let details = r#"no answer: unhandled error (Expired): Error { code: "Expired", message: "It expired", id: "1" }"#;
        assert_eq!(plain(details), "no answer: unhandled error (Expired): It expired");
        assert_eq!(plain("no answer: Error { code: \"Expired\" }"), "no answer");
        assert_eq!(plain("no answer"), "no answer");
    }
}
