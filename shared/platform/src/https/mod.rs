//! One HTTPS client for the whole process, AWS clients included.
//!
//! The SDK's own client reads and parses every certificate that the machine trusts, twice for each service: nine tenths
//! of the work of a cold start. This client has the same roots built in and already parsed. It speaks HTTP/1.1, as
//! DynamoDB, SQS and SES do, and does not support proxies.

mod connector;
mod failure;
mod time_limit;
mod trust;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector as _, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use rustls::ClientConfig;

use crate::https::connector::{Connector, Reuse};
pub use crate::https::trust::{Trust, Untrusted};

/// An HTTPS client. Its clones share connections.
#[derive(Clone)]
pub struct Https {
    tls: Arc<ClientConfig>,
    reuse: Reuse,
    /// One connector for each connect time-out.
    connectors: Arc<Mutex<BTreeMap<Option<Duration>, SharedHttpConnector>>>,
}

impl Https {
    /// A client that trusts these roots.
    ///
    /// # Errors
    /// [`Untrusted`] if the roots cannot be used.
    pub fn trusting(trust: Trust) -> Result<Self, Untrusted> {
        Ok(Self { tls: Arc::new(trust.config()?), reuse: Reuse::Kept, connectors: Arc::default() })
    }

    /// A client with the same roots that opens a new connection for each request. It is for requests that must not run
    /// into a connection that died while the function was frozen.
    #[must_use]
    pub fn without_reuse(&self) -> Self {
        Self { tls: Arc::clone(&self.tls), reuse: Reuse::Never, connectors: Arc::default() }
    }

    /// Sends a request once, without retries. `connect_timeout` limits only the opening of a connection; the caller
    /// must limit the time for the response.
    ///
    /// # Errors
    /// [`ConnectorError`] if no response came.
    pub async fn ask(
        &self,
        request: HttpRequest,
        connect_timeout: Duration,
    ) -> Result<HttpResponse, ConnectorError> {
        self.connector(Some(connect_timeout)).call(request).await
    }

    fn connector(&self, connect_timeout: Option<Duration>) -> SharedHttpConnector {
        let mut connectors = self.connectors.lock().unwrap_or_else(PoisonError::into_inner);
        let connector = connectors.entry(connect_timeout).or_insert_with(|| {
            SharedHttpConnector::new(Connector::new(Arc::clone(&self.tls), connect_timeout, self.reuse))
        });
        connector.clone()
    }
}

impl HttpClient for Https {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        self.connector(settings.connect_timeout())
    }
}

impl fmt::Debug for Https {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Https").finish_non_exhaustive()
    }
}
