//! The Authorization header for the former system, from a secret.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::rc::Rc;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::Builder;
use aws_sdk_secretsmanager::config::timeout::TimeoutConfig;
use futures::lock::Mutex;
use jiff::{SignedDuration, Timestamp};
use legacy::{AUTHORIZATION_TIME, Authorization};
use platform::Access;
use platform::clock::Clock;
use platform::telemetry::chain;

/// The shortest time between two readings. It limits the requests if the secret cannot be read or is wrong.
const READ_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// A header whose value is a secret in Secrets Manager; none without a secret. It is read once and again after the
/// former system has refused the value, so a rotated secret needs no deployment.
#[derive(Clone)]
pub struct Secret<W> {
    client: Client,
    clock: W,
    arn: Option<String>,
    read: Rc<Mutex<Read>>,
    was_refused: Rc<Cell<bool>>,
}

#[derive(Default)]
struct Read {
    at: Option<Timestamp>,
    value: Option<String>,
}

/// The secret was read less than [`READ_EVERY`] ago, without success.
#[derive(Debug, thiserror::Error)]
#[error("the secret could not be read within the last minute")]
struct TooSoon;

/// The secret is binary.
#[derive(Debug, thiserror::Error)]
#[error("the secret has no text: store the header's value as its SecretString")]
struct NoText;

impl<W: Clock> Secret<W> {
    /// The secret with this ARN.
    #[must_use]
    pub fn at(arn: Option<String>, access: &Access, clock: W) -> Self {
        let timeouts = TimeoutConfig::builder().operation_timeout(AUTHORIZATION_TIME).build();
        let client = Client::from_conf(Builder::from(access.config()).timeout_config(timeouts).build());
        Self { client, clock, arn, read: Rc::default(), was_refused: Rc::default() }
    }

    /// Reads the secret, so that the first event does not wait for it.
    pub async fn warm_up(&self) {
        if let Err(error) = self.value().await {
            tracing::warn!(error = chain(error.as_ref()), "cannot read the secret for the former system");
        }
    }

    async fn read(&self, arn: &str) -> Result<String, Box<dyn Error + Send + Sync>> {
        let secret = self.client.get_secret_value().secret_id(arn).send().await?;
        // A file from which a secret is created often ends in a line break.
        secret.secret_string().map(|text| text.trim_end().to_owned()).ok_or_else(|| NoText.into())
    }
}

impl<W: Clock> Authorization for Secret<W> {
    async fn value(&self) -> Result<Option<String>, Box<dyn Error + Send + Sync>> {
        let Some(arn) = &self.arn else { return Ok(None) };
        // Buyers of one batch wait here for the one reading.
        let mut read = self.read.lock().await;
        let now = self.clock.now();
        let is_recent = read.at.is_some_and(|at| now.duration_since(at) < READ_EVERY);
        match &read.value {
            Some(value) if is_recent || !self.was_refused.get() => return Ok(Some(value.clone())),
            None if is_recent => return Err(TooSoon.into()),
            _ => {}
        }
        read.at = Some(now);
        self.was_refused.set(false);
        read.value = Some(self.read(arn).await?);
        Ok(read.value.clone())
    }

    fn was_refused(&self) {
        self.was_refused.set(true);
    }
}

impl<W> fmt::Debug for Secret<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("arn", &self.arn).finish_non_exhaustive()
    }
}
