//! The export of spans over OTLP, to a collector that runs beside the function or elsewhere.

use std::error::Error;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use tokio::time::timeout;

use crate::clock::{Clock, Deadline};
use crate::https::Https;
use crate::telemetry::{Metrics, chain, otlp};
use crate::{BadSetting, Settings};

/// The time limit of an export. A collector on the same machine needs a millisecond.
const TIME_OUT: Duration = Duration::from_secs(1);

/// Where spans are exported to, if anywhere.
#[derive(Debug, Clone, Default)]
pub struct Traces(Option<Collector>);

#[derive(Debug, Clone)]
struct Collector {
    https: Https,
    url: String,
    function: String,
}

/// The collector did not take the spans.
#[derive(Debug, thiserror::Error)]
#[error("it answered with status {0}")]
struct Refused(u16);

/// The collector did not answer in time.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {TIME_OUT:?}")]
struct TooSlow;

impl Traces {
    /// The collector at `TRACES_URL`, which takes spans over OTLP/HTTP in JSON; none if that variable is absent.
    ///
    /// # Errors
    /// [`BadSetting`] if the URL is invalid, or neither HTTPS nor loopback.
    pub fn from_settings(settings: &Settings<'_>, https: &Https) -> Result<Self, BadSetting> {
        if settings.optional("TRACES_URL").is_none() {
            return Ok(Self(None));
        }
        let rule = "an https URL, or one that begins with http://127.0.0.1:, to which OTLP spans are posted";
        let url = settings.checked("TRACES_URL", rule, |url| {
            url.starts_with("https://") || url.starts_with("http://127.0.0.1:")
        })?;
        let function = settings.optional("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default();
        Ok(Self(Some(Collector { https: https.clone(), url, function })))
    }

    /// Exports the spans of an invocation, if there are any and it has time left. A failure is only logged, because a
    /// lost span must not fail a message.
    pub async fn export(&self, metrics: &Metrics, deadline: Deadline, clock: &impl Clock) {
        let Some(collector) = self.0.as_ref().filter(|_| !metrics.spans.is_empty()) else { return };
        if deadline.leaves(2 * TIME_OUT, clock).is_err() {
            return;
        }
        let exported = async { timeout(TIME_OUT, collector.take(metrics)).await.map_err(|_| TooSlow)? };
        if let Err(error) = exported.await {
            tracing::warn!(
                error = chain(error.as_ref()),
                "spans are lost: the collector at TracesUrl did not take them"
            );
        }
    }
}

impl Collector {
    async fn take(&self, metrics: &Metrics) -> Result<(), Box<dyn Error + Send + Sync>> {
        let body = otlp(&self.function, &metrics.spans).to_string();
        let mut request = HttpRequest::new(SdkBody::empty());
        request.set_method("POST")?;
        request.set_uri(self.url.clone())?;
        request.headers_mut().try_insert("content-type", "application/json")?;
        request.headers_mut().try_insert("content-length", body.len().to_string())?;
        *request.body_mut() = SdkBody::from(body);
        match self.https.ask(request, TIME_OUT).await?.status().as_u16() {
            200..=299 => Ok(()),
            status => Err(Box::new(Refused(status))),
        }
    }
}
