use std::error::Error;
use std::fmt;

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::byte_stream::ByteStream;

use contract::legacy::{self, LARGEST_ANSWER, Unusable};
use domain::{BuyerId, Known};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use platform::https::Https;
use platform::{BadSetting, Settings};
use tokio::time::timeout;

use crate::{Answer, Legacy, LegacyUnavailable, TIME_OUT};

/// What is percent-encoded in a buyer's id: all but unreserved characters.
///
/// Source: RFC 3986, 2.3: encoded and not, these are equivalent, but not every server knows that.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A former system that is asked by HTTP, and answers 200 with what it knows, or 404 for nobody: `GET <url>/buyers/<buyerId>`
/// only looks, `POST <url>/buyers/<buyerId>/handover` hands over.
#[derive(Clone)]
pub struct HttpLegacy {
    https: Https,
    url: String,
    authorization: Option<String>,
}

/// It answered with something that is neither.
#[derive(Debug, thiserror::Error)]
#[error("it answered with status {0}")]
struct UnexpectedStatus(u16);

/// It took too long.
#[derive(Debug, thiserror::Error)]
#[error("there is no whole answer after {TIME_OUT:?}")]
struct TooSlow;

impl HttpLegacy {
    /// The system at `LEGACY_URL`, asked with `LEGACY_AUTHORIZATION` as header `Authorization` if that is given; `None`
    /// without a URL.
    ///
    /// # Errors
    /// [`BadSetting`].
    pub fn from_settings(settings: &Settings<'_>, https: &Https) -> Result<Option<Self>, BadSetting> {
        if settings.optional("LEGACY_URL").is_none() {
            return Ok(None);
        }
        let url = settings.url("LEGACY_URL")?;
        Self::at(url, settings.optional("LEGACY_AUTHORIZATION"), https.clone()).map(Some)
    }

    /// The system at this URL, without a slash at its end.
    ///
    /// # Errors
    /// [`BadSetting`].
    pub fn at(url: String, authorization: Option<String>, https: Https) -> Result<Self, BadSetting> {
        // Plain HTTP would show the header and the answer to whoever listens; on the machine itself nobody does.
        let is_safe = url.starts_with("https://") || url.starts_with("http://127.0.0.1:");
        let rule = "an https URL under which buyers/<buyerId> is answered";
        if !is_safe {
            return Err(BadSetting::Invalid { name: "LEGACY_URL", rule });
        }
        Ok(Self { https, url, authorization })
    }

    async fn ask(&self, buyer: &BuyerId, method: &str, what: &str) -> Result<Answer, LegacyUnavailable> {
        let answer = async {
            let mut request = HttpRequest::empty();
            request.set_method(method)?;
            let name = utf8_percent_encode(buyer.as_str(), ENCODED);
            request.set_uri(format!("{}/buyers/{name}{what}", self.url))?;
            if method == "POST" {
                // RFC 9110, 8.6: a server may answer 411 to a request that may have a body and does not say how long it is.
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
