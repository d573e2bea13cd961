//! Client of the former system. That system makes all announcements about a buyer until it has handed the buyer over.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::byte_stream::ByteStream;
use contract::legacy::{self, LARGEST_ANSWER, Unusable};
pub use domain::Answer;
use domain::{BuyerId, Known};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
pub use platform::BadSetting;
use platform::Settings;
use platform::https::Https;
use tokio::time::timeout;

/// The time limit of one request.
pub const TIME_OUT: Duration = Duration::from_secs(3);

/// The time that must be left of the invocation before a request: for the request and the append after it.
pub const QUESTION_TIME: Duration = TIME_OUT.saturating_add(platform::clock::CALL_TIME);

/// The former system did not answer, or its answer breaks the contract. It may already consider the buyer handed over;
/// a repeated request then gets the same answer.
#[derive(Debug, thiserror::Error)]
#[error("no usable answer from the former system about {buyer}")]
pub struct LegacyUnavailable {
    /// The buyer in question.
    pub buyer: BuyerId,
    /// What went wrong.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

/// A system that was in charge of buyers before Leadstream.
#[expect(async_fn_in_trait, reason = "every function runs on one thread, no future needs to be Send")]
pub trait Legacy {
    /// Reads what the former system knows about a buyer now, and whether it has handed the buyer over. Changes nothing.
    /// For a buyer that it does not know, the answer is empty.
    ///
    /// # Errors
    /// [`LegacyUnavailable`] if there is no usable answer.
    async fn look_up(&self, buyer: &BuyerId) -> Result<Answer, LegacyUnavailable>;

    /// Requests the handover of a buyer. The first answer is final: the former system has announced exactly what the
    /// answer states, announces nothing more, and repeats the answer on every later request. This also holds for the
    /// answer that it does not know the buyer.
    ///
    /// # Errors
    /// [`LegacyUnavailable`] if there is no usable answer, which includes the time in which the former system still has
    /// announcements to make.
    async fn hand_over(&self, buyer: &BuyerId) -> Result<Known, LegacyUnavailable>;
}

/// The type for "no former system"; it has no values.
#[derive(Debug, Clone, Copy)]
pub enum NoLegacy {}

impl Legacy for NoLegacy {
    async fn look_up(&self, _: &BuyerId) -> Result<Answer, LegacyUnavailable> {
        match *self {}
    }

    async fn hand_over(&self, _: &BuyerId) -> Result<Known, LegacyUnavailable> {
        match *self {}
    }
}

/// The characters of a buyer's id that are percent-encoded: all except unreserved ones.
///
/// Source: RFC 3986, section 2.3. It calls encoded and plain unreserved characters equivalent, but not every server
/// treats them so.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A former system with an HTTP API: `GET <url>/buyers/<buyerId>` only reads, `POST <url>/buyers/<buyerId>/handover`
/// hands the buyer over. Both answer 200 with what the system knows, or 404 for an unknown buyer.
#[derive(Clone)]
pub struct HttpLegacy {
    https: Https,
    url: String,
    authorization: Option<String>,
}

/// The status is neither 200 nor 404.
#[derive(Debug, thiserror::Error)]
#[error("it answered with status {0}")]
struct UnexpectedStatus(u16);

/// The answer was not complete within the time limit.
#[derive(Debug, thiserror::Error)]
#[error("no complete answer within {TIME_OUT:?}")]
struct TooSlow;

impl HttpLegacy {
    /// A client of the system at `LEGACY_URL`; `None` if that variable is absent. The Authorization header comes from
    /// `LEGACY_AUTHORIZATION`, if it is set.
    ///
    /// # Errors
    /// [`BadSetting`] if the URL is invalid or neither HTTPS nor loopback.
    pub fn from_settings(settings: &Settings<'_>, https: &Https) -> Result<Option<Self>, BadSetting> {
        if settings.optional("LEGACY_URL").is_none() {
            return Ok(None);
        }
        let url = settings.url("LEGACY_URL")?;
        Self::at(url, settings.optional("LEGACY_AUTHORIZATION"), https.clone()).map(Some)
    }

    /// A client of the system at `url`, which must not end in a slash.
    ///
    /// # Errors
    /// [`BadSetting`] if the URL is neither HTTPS nor loopback.
    pub fn at(url: String, authorization: Option<String>, https: Https) -> Result<Self, BadSetting> {
        // Plain HTTP would expose the Authorization header and personal data on the network; loopback does not.
        let is_safe = url.starts_with("https://") || url.starts_with("http://127.0.0.1:");
        let rule = "an https URL under which the former system serves buyers/<buyerId>";
        if !is_safe {
            return Err(BadSetting::Invalid { name: "LEGACY_URL", rule });
        }
        Ok(Self { https, url, authorization })
    }

    async fn ask(&self, buyer: &BuyerId, method: &str, suffix: &str) -> Result<Answer, LegacyUnavailable> {
        let answer = async {
            let mut request = HttpRequest::empty();
            request.set_method(method)?;
            let name = utf8_percent_encode(buyer.as_str(), ENCODED);
            request.set_uri(format!("{}/buyers/{name}{suffix}", self.url))?;
            if method == "POST" {
                // A server may answer 411 to a POST without a stated length. Source: RFC 9110, section 8.6.
                request.headers_mut().try_insert("content-length", "0")?;
            }
            if let Some(authorization) = &self.authorization {
                request.headers_mut().try_insert("authorization", authorization.clone())?;
            }
            timeout(TIME_OUT, self.answer_to(request, buyer)).await.map_err(|_| TooSlow)?
        };
        answer.await.map_err(|source| LegacyUnavailable { buyer: buyer.clone(), source })
    }

    async fn answer_to(
        &self,
        request: HttpRequest,
        buyer: &BuyerId,
    ) -> Result<Answer, Box<dyn Error + Send + Sync>> {
        let mut answer = self.https.ask(request, TIME_OUT).await?;
        match answer.status().as_u16() {
            200 => {}
            404 => return Ok(Answer::default()),
            status => return Err(Box::new(UnexpectedStatus(status))),
        }
        let mut stream = ByteStream::new(answer.take_body());
        let mut body = Vec::new();
        while let Some(chunk) = stream.next().await {
            body.extend_from_slice(&chunk?);
            if body.len() > LARGEST_ANSWER {
                return Err(Box::new(Unusable::TooLarge { bytes: body.len() }));
            }
        }
        Ok(legacy::decode(buyer, &body)?)
    }
}

impl Legacy for HttpLegacy {
    async fn look_up(&self, buyer: &BuyerId) -> Result<Answer, LegacyUnavailable> {
        self.ask(buyer, "GET", "").await
    }

    async fn hand_over(&self, buyer: &BuyerId) -> Result<Known, LegacyUnavailable> {
        self.ask(buyer, "POST", "/handover").await.map(|answer| answer.known)
    }
}

impl fmt::Debug for HttpLegacy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpLegacy").field("url", &self.url).finish_non_exhaustive()
    }
}
