//! What Leadstream promises, and how each check of a promise can end.

/// A promise. Every check belongs to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Promise {
    Recorded,
    Isolated,
    Leads,
    Emails,
    Receipts,
    Feed,
    Sweeper,
    Roles,
    Settings,
    Alarms,
    Logs,
    Speed,
}

impl Promise {
    /// All promises, in the order of the report.
    pub(crate) const ALL: [Self; 12] = [
        Self::Recorded,
        Self::Isolated,
        Self::Leads,
        Self::Emails,
        Self::Receipts,
        Self::Feed,
        Self::Sweeper,
        Self::Roles,
        Self::Settings,
        Self::Alarms,
        Self::Logs,
        Self::Speed,
    ];

    /// The promise as a sentence.
    pub(crate) const fn sentence(self) -> &'static str {
        match self {
            Self::Recorded => "Each event is recorded once, whether repeated, late or early.",
            Self::Isolated => "A message that fails holds up no other.",
            Self::Leads => "Leads follow from the events, and the sales team receives each message.",
            Self::Emails => "Each e-mail is sent once.",
            Self::Receipts => "Receipts of SES settle an e-mail.",
            Self::Feed => "The change feed rings for every commit and carries no personal data.",
            Self::Sweeper => "The sweeper finds what a doorbell missed.",
            Self::Roles => "Each function may do what its work needs, and nothing else.",
            Self::Settings => "Functions, queues and tables are set as in the template.",
            Self::Alarms => "Alarms ring when a person is needed.",
            Self::Logs => "Logs contain no personal data.",
            Self::Speed => "An event is usually recorded and its e-mail sent within a minute.",
        }
    }
}

/// How a check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    /// As promised; the text is what was seen.
    Passed(String),
    /// Not as promised.
    Differs {
        /// What was expected.
        expected: String,
        /// What was seen.
        seen: String,
        /// What to do.
        advice: String,
    },
    /// The check cannot be made here, for this reason.
    NotPossible(String),
}

/// One check of a promise.
#[derive(Debug, Clone)]
pub(crate) struct Check {
    pub(crate) promise: Promise,
    /// What is checked.
    pub(crate) what: String,
    pub(crate) ended: Ended,
}

impl Check {
    pub(crate) fn not_possible(promise: Promise, what: &str, reason: impl Into<String>) -> Self {
        Self { promise, what: what.to_owned(), ended: Ended::NotPossible(reason.into()) }
    }

    /// Passed if there are no differences.
    pub(crate) fn of(
        promise: Promise,
        what: &str,
        expected: &str,
        differences: &[String],
        advice: &str,
    ) -> Self {
        let ended = if differences.is_empty() {
            Ended::Passed(expected.to_owned())
        } else {
            Ended::Differs {
                expected: expected.to_owned(),
                seen: differences.join("; "),
                advice: advice.to_owned(),
            }
        };
        Self { promise, what: what.to_owned(), ended }
    }

    pub(crate) const fn differs(&self) -> bool {
        matches!(self.ended, Ended::Differs { .. })
    }
}
