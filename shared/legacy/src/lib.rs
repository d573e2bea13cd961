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
use platform::https::Https;
use tokio::time::timeout;

/// The time limit of one request.
pub const TIME_OUT: Duration = Duration::from_secs(3);

/// The time limit for [`Authorization::value`].
pub const AUTHORIZATION_TIME: Duration = Duration::from_secs(2);

/// The time that must be left of the invocation before a request: for its authorization, the request, and the append
/// after it.
pub const QUESTION_TIME: Duration =
    AUTHORIZATION_TIME.saturating_add(TIME_OUT).saturating_add(platform::clock::CALL_TIME);

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

/// The Authorization header of requests to the former system.
#[expect(async_fn_in_trait, reason = "every function runs on one thread, no future needs to be Send")]
pub trait Authorization {
    /// The header's value now; `None` for no header.
    ///
    /// # Errors
    /// The reason why the value is not known now, without the value.
    async fn value(&self) -> Result<Option<String>, Box<dyn Error + Send + Sync>>;

    /// Called when the former system has refused the value.
    fn was_refused(&self) {}
}

/// A value that never changes.
impl Authorization for Option<String> {
    async fn value(&self) -> Result<Option<String>, Box<dyn Error + Send + Sync>> {
        Ok(self.clone())
    }
}

/// A former system with an HTTP API: `GET <url>/buyers/<buyerId>` only reads, `POST <url>/buyers/<buyerId>/handover`
/// hands the buyer over. Both answer 200 with what the system knows, or 404 for an unknown buyer.
#[derive(Clone)]
pub struct HttpLegacy<A = Option<String>> {
    https: Https,
    url: String,
    authorization: A,
}

/// The status is neither 200 nor 404.
#[derive(Debug, thiserror::Error)]
#[error("it answered with status {0}")]
struct UnexpectedStatus(u16);

/// The answer was not complete within the time limit.
#[derive(Debug, thiserror::Error)]
#[error("no complete answer within {TIME_OUT:?}")]
struct TooSlow;

impl<A: Authorization> HttpLegacy<A> {
    /// A client of the system at `url`, which must not end in a slash.
    ///
    /// # Errors
    /// [`BadSetting`] if the URL is neither HTTPS nor loopback.
    pub fn at(url: String, authorization: A, https: Https) -> Result<Self, BadSetting> {
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
            if let Some(authorization) = self.authorization.value().await? {
                request.headers_mut().try_insert("authorization", authorization)?;
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
            status => {
                if matches!(status, 401 | 403) {
                    self.authorization.was_refused();
                }
                return Err(Box::new(UnexpectedStatus(status)));
            }
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

impl<A: Authorization> Legacy for HttpLegacy<A> {
    async fn look_up(&self, buyer: &BuyerId) -> Result<Answer, LegacyUnavailable> {
        self.ask(buyer, "GET", "").await
    }

    async fn hand_over(&self, buyer: &BuyerId) -> Result<Known, LegacyUnavailable> {
        self.ask(buyer, "POST", "/handover").await.map(|answer| answer.known)
    }
}

impl<A> fmt::Debug for HttpLegacy<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpLegacy").field("url", &self.url).finish_non_exhaustive()
    }
}
