//! A run's clients, stack, buyers and waiting times.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use cli::Tables;
use cli::aws::Aws;
use cli::dead_letters::{DeadLetterQueue, Doing, Done, Selection, work};
use domain::{BuyerId, Sequence};
use jiff::Timestamp;
use leads_store::LeadsStore as _;
use platform::clock::{Clock as _, SystemClock};
use tests::Failed;

use crate::target::Target;

/// A run against one stack.
pub(crate) struct Run<'a> {
    pub(crate) aws: &'a Aws,
    pub(crate) target: &'a Target,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) logs: aws_sdk_cloudwatchlogs::Client,
    pub(crate) tables: Tables,
    pub(crate) config: aws_config::SdkConfig,
    /// The beginning of the ids of its buyers, which no other run uses.
    pub(crate) prefix: String,
    pub(crate) started: Timestamp,
    /// Whether the stack has other traffic, so that the sales team's queue must not be touched.
    pub(crate) has_traffic: bool,
}

impl Run<'_> {
    /// The longest wait for one result. The sweeper retries after a few minutes what SES throttled.
    pub(crate) fn patience(&self) -> Duration {
        if self.aws.is_emulated() { Duration::from_mins(3) } else { Duration::from_mins(12) }
    }

    /// The time between two looks at the same thing.
    pub(crate) fn period(&self) -> Duration {
        Duration::from_millis(if self.aws.is_emulated() { 50 } else { 250 })
    }

    /// Whether the functions log what succeeds, too.
    pub(crate) fn logs_everything(&self) -> bool {
        matches!(self.target.parameter("LogLevel"), "" | "info" | "debug" | "trace")
    }

    /// Calls `look` until it returns a value, or for `patience`.
    pub(crate) async fn until<T>(
        &self,
        patience: Duration,
        mut look: impl AsyncFnMut() -> Result<Option<T>, Failed>,
    ) -> Result<Option<T>, Failed> {
        let begun = Instant::now();
        loop {
            let found = look().await?;
            if found.is_some() || begun.elapsed() > patience {
                return Ok(found);
            }
            tokio::time::sleep(self.period()).await;
        }
    }

    /// Whether this number of facts of a buyer is recorded and all their effects are settled in time.
    pub(crate) async fn is_settled(&self, buyer: &BuyerId, facts: u64) -> Result<bool, Failed> {
        let through = Sequence::new(facts);
        let look = async || Ok((self.tables.leads.cursor(buyer).await?.through >= through).then_some(()));
        Ok(self.until(self.patience(), look).await?.is_some())
    }

    pub(crate) async fn post(&self, group: &str, deduplication_id: &str, body: &str) -> Result<(), Failed> {
        tests::post_to(&self.sqs, self.target.id("OfferEvents"), group, deduplication_id, body).await
    }

    /// Works through the dead letters of these buyers.
    pub(crate) async fn dead_letters(&self, buyers: Vec<String>, doing: Doing) -> Result<Done, Failed> {
        let queue =
            DeadLetterQueue::new(self.sqs.clone(), self.target.id("OfferEventsDeadLetters").to_owned(), None);
        let selection = Selection { buyers, ..Selection::default() };
        Ok(work(&queue, &selection, doing, SystemClock.now(), |_| true).await?)
    }

    /// The lines that a function has logged since the run began and that match a pattern of CloudWatch Logs.
    pub(crate) async fn log_lines(&self, group: &str, pattern: Option<&str>) -> Result<Vec<String>, Failed> {
        let mut lines = Vec::new();
        let asked = self.logs.filter_log_events().log_group_name(self.target.id(group));
        let asked =
            asked.start_time(self.started.as_millisecond()).set_filter_pattern(pattern.map(str::to_owned));
        let mut pages = asked.into_paginator().send();
        while let Some(page) = pages.next().await {
            lines.extend(page?.events().iter().filter_map(|event| event.message().map(str::to_owned)));
        }
        Ok(lines)
    }

    /// Erases a buyer with `leads erase`, until its closings are announced.
    pub(crate) async fn erase(&self, buyer: &BuyerId) -> Result<(), Failed> {
        if cli::history::history(&self.tables, buyer).await?.lines.is_empty() {
            return Ok(());
        }
        let words = [
            "leads",
            "--json",
            "--streams-table",
            self.target.id("StreamsTable"),
            "--leads-table",
            self.target.id("LeadsTable"),
            "erase",
            buyer.as_str(),
            "--yes",
        ];
        let words = words.map(OsString::from);
        let mut last = String::new();
        let look = async || {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let connect = async |_| Ok(self.config.clone());
            let exit = cli::run_on(words.clone(), connect, &mut out, &mut err).await;
            last = String::from_utf8_lossy(&err).into_owned();
            match exit {
                cli::Exit::Good => Ok(Some(())),
                // Some closings are not announced yet.
                cli::Exit::Findings => Ok(None),
                cli::Exit::Failed | cli::Exit::Interrupted => {
                    Err(format!("{buyer} could not be erased: {last}").into())
                }
            }
        };
        match self.until(self.patience(), look).await? {
            Some(()) => Ok(()),
            None => Err(format!("{buyer} could not be erased: {last}").into()),
        }
    }
}
