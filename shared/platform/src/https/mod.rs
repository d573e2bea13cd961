//! How anything outside is reached: one HTTPS client for a whole process, AWS's clients included.
//!
//! The SDK's own client reads and parses every certificate that the machine trusts twice for each service, which is nine
//! tenths of what a function does until it takes its first event. Here the same roots are built in, ready to be used. It
//! speaks HTTP/1.1, as DynamoDB, SQS and SES do, and knows no proxies.

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

/// A client. Its clones share connections.
#[derive(Clone)]
pub struct Https {
    tls: Arc<ClientConfig>,
    reuse: Reuse,
    /// By how long a connection may take to be opened.
    connectors: Arc<Mutex<BTreeMap<Option<Duration>, SharedHttpConnector>>>,
}

impl Https {
    /// A client that trusts these roots.
    ///
    /// # Errors
    /// [`Untrusted`].
    pub fn trusting(trust: Trust) -> Result<Self, Untrusted> {
        Ok(Self { tls: Arc::new(trust.config()?), reuse: Reuse::Kept, connectors: Arc::default() })
    }

    /// A client with the same trust that opens a connection for each request and keeps none. It is meant for requests that
    /// must not meet a connection which died while the function was frozen.
    #[must_use]
    pub fn without_reuse(&self) -> Self {
        Self { tls: Arc::clone(&self.tls), reuse: Reuse::Never, connectors: Arc::default() }
    }

    /// Asks once. A connection may take so long to be opened; how long the answer may take is the caller's affair.
    ///
    /// # Errors
    /// [`ConnectorError`]: there is no answer.
    pub async fn ask(
        &self,
        request: HttpRequest,
        connecting: Duration,
    ) -> Result<HttpResponse, ConnectorError> {
        self.connector(Some(connecting)).call(request).await
    }

    fn connector(&self, connecting: Option<Duration>) -> SharedHttpConnector {
        let mut connectors = self.connectors.lock().unwrap_or_else(PoisonError::into_inner);
        let connector = connectors.entry(connecting).or_insert_with(|| {
            SharedHttpConnector::new(Connector::new(Arc::clone(&self.tls), connecting, self.reuse))
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
