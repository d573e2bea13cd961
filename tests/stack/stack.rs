use std::time::{Duration, Instant};

use aws_config::BehaviorVersion;
use aws_sdk_sqs::Client as Sqs;
use cli::Tables;
use cli::dead_letters::{DeadLetterQueue, Doing, Done, Selection, work};
use cli::held::{Gap, gaps};
use cli::history::{History, history};
use cli::send::{Posted, messages, post};
use domain::{BuyerId, Sequence};
use event_store::{Head, load};
use leads_store::{DynamoLeads, LeadsStore};
use platform::clock::{Clock as _, SystemClock};
use serde_json::Value;

use crate::emulator::{Emulator, Failed, Seen};

/// The longest time to wait for a result. A step takes milliseconds, but a redelivery takes the queue's visibility
/// time-out of 30 seconds, the sweeper leaves a commit to its doorbell for two minutes, and an unsent e-mail for up to four.
const PATIENCE: Duration = Duration::from_mins(6);

/// The time between two looks.
const PERIOD: Duration = Duration::from_millis(25);

/// A deployed stack.
#[derive(Debug)]
pub struct Stack {
    emulator: Emulator,
    sqs: Sqs,
    logs: aws_sdk_cloudwatchlogs::Client,
    tables: Tables,
    input: String,
    dead_letters: String,
    sales: String,
    receipts: String,
    reactor_failures: String,
    log_groups: [String; 4],
}

impl Stack {
    /// The stack that the environment variables name. `make test-local` and `make demo` start one, `make up` keeps one
    /// running.
    pub async fn from_env() -> Result<Self, Failed> {
        let var = |name: &str| {
            std::env::var(name).map_err(|_| {
                format!(
                    "{name} is not set: run `make test-local`, or `make up` and then `. .local/stack.env`"
                )
            })
        };
        let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
        Ok(Self {
            emulator: Emulator::at(&var("AWS_ENDPOINT_URL")?),
            sqs: Sqs::new(&config),
            logs: aws_sdk_cloudwatchlogs::Client::new(&config),
            tables: Tables::on(&config, &var("STREAMS_TABLE")?, &var("LEADS_TABLE")?),
            input: var("OFFER_EVENTS_QUEUE_URL")?,
            dead_letters: var("OFFER_EVENTS_DEAD_LETTERS_QUEUE_URL")?,
            sales: var("SALES_TEAM_QUEUE_URL")?,
            receipts: var("EMAIL_RECEIPTS_QUEUE_URL")?,
            reactor_failures: var("REACTOR_FAILURES_QUEUE_URL")?,
            log_groups: [
                var("RECORDER_LOG_GROUP")?,
                var("REACTOR_LOG_GROUP")?,
                var("SWEEPER_LOG_GROUP")?,
                var("RECEIPTS_LOG_GROUP")?,
            ],
        })
    }

    /// Posts a body to the offer events' queue, as the offer system would.
    pub async fn post(&self, group: &str, deduplication_id: &str, body: &str) -> Result<(), Failed> {
        post_to(&self.sqs, &self.input, group, deduplication_id, body).await
    }

    /// Posts an SES event to the queue of e-mail receipts, as the topic would deliver it.
    pub async fn post_receipt(&self, body: &str) -> Result<(), Failed> {
        self.sqs.send_message().queue_url(&self.receipts).message_body(body).send().await?;
        Ok(())
    }

    /// Posts events, one a line, as `leads send --repeat` does.
    pub async fn send_again(&self, lines: &str) -> Posted {
        let messages = messages(lines.as_bytes(), "the test's events", true);
        post(&self.sqs, &self.input, messages, |_| true).await
    }

    /// The head of a buyer's stream.
    pub async fn head(&self, buyer: &BuyerId) -> Result<Head, Failed> {
        Ok(load(&self.tables.streams, buyer).await?)
    }

    /// A buyer's history, as `leads history` shows it.
    pub async fn history(&self, buyer: &BuyerId) -> Result<History, Failed> {
        Ok(history(&self.tables, buyer).await?)
    }

    /// The leads table, with the interface that the functions use.
    #[must_use]
    pub const fn leads(&self) -> &DynamoLeads {
        &self.tables.leads
    }

    /// Waits until this number of facts is recorded for a buyer and all their effects are settled.
    pub async fn wait_settled(&self, buyer: &BuyerId, facts: u64) -> Result<(), Failed> {
        let through = Sequence::new(facts);
        self.until(&format!("{buyer} to be settled through {through}"), async || {
            let cursor = self.tables.leads.cursor(buyer).await?;
            Ok((cursor.through >= through).then_some(()))
        })
        .await
    }

    /// Calls `look` until it returns a value, at most for `PATIENCE`. `what` completes "waited for …".
    pub async fn until<T>(
        &self,
        what: &str,
        mut look: impl AsyncFnMut() -> Result<Option<T>, Failed>,
    ) -> Result<T, Failed> {
        let begun = Instant::now();
        loop {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("gave up after waiting {} s for {what}", PATIENCE.as_secs()).into());
            }
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// What the strict wire in front of the local AWS has seen so far.
    pub async fn strict_wire(&self) -> Result<Seen, Failed> {
        self.emulator.strict_wire().await
    }

    /// The e-mails to this address that SES took.
    pub async fn emails_to(&self, address: &str) -> Result<Vec<crate::Mail>, Failed> {
        self.emulator.emails_to(address).await
    }

    /// The bodies of the messages about a buyer in the sales team's queue, in order, as JSON.
    pub async fn sales_bodies(&self, buyer: &BuyerId) -> Result<Vec<Value>, Failed> {
        let messages = self.emulator.queued(&self.sales, Some(buyer.as_str())).await?;
        Ok(messages.iter().map(|message| serde_json::from_str(&message.body)).collect::<Result<_, _>>()?)
    }

    /// The dead letters of a message group.
    pub async fn dead_letters(&self, group: &str) -> Result<Vec<crate::Queued>, Failed> {
        self.emulator.queued(&self.dead_letters, Some(group)).await
    }

    /// Looks at, redrives or drops the selected dead letters, as `leads dead-letters` does.
    pub async fn work_dead_letters(&self, selection: &Selection, doing: Doing) -> Result<Done, Failed> {
        let queue =
            DeadLetterQueue::new(self.sqs.clone(), self.dead_letters.clone(), Some(self.input.clone()));
        Ok(work(&queue, selection, doing, SystemClock.now(), |_| true).await?)
    }

    /// Every gap, as `leads held` lists it.
    pub async fn gaps(&self) -> Result<Vec<Gap>, Failed> {
        Ok(gaps(&self.tables).await?)
    }

    /// The messages of a message group that are still in the queue of offer events.
    pub async fn waiting(&self, group: &str) -> Result<Vec<crate::Queued>, Failed> {
        self.emulator.queued(&self.input, Some(group)).await
    }

    /// Lambda's reports about parts of the change feed that it gave up.
    pub async fn reactor_failures(&self) -> Result<Vec<Value>, Failed> {
        let reports = self.emulator.queued(&self.reactor_failures, None).await?;
        Ok(reports.iter().map(|report| serde_json::from_str(&report.body)).collect::<Result<_, _>>()?)
    }

    /// Every line that any function has logged so far.
    pub async fn log_lines(&self) -> Result<Vec<String>, Failed> {
        let mut lines = Vec::new();
        for group in &self.log_groups {
            let mut pages = self.logs.filter_log_events().log_group_name(group).into_paginator().send();
            while let Some(page) = pages.next().await {
                lines.extend(page?.events().iter().filter_map(|event| event.message().map(str::to_owned)));
            }
        }
        Ok(lines)
    }
}

/// Posts a message to a FIFO queue.
pub async fn post_to(
    sqs: &aws_sdk_sqs::Client,
    queue: &str,
    group: &str,
    deduplication_id: &str,
    body: &str,
) -> Result<(), Failed> {
    sqs.send_message()
        .queue_url(queue)
        .message_group_id(group)
        .message_deduplication_id(deduplication_id)
        .message_body(body)
        .send()
        .await?;
    Ok(())
}
