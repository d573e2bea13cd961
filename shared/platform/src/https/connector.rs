use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{self, CaptureConnection, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;

use crate::https::failure::failure;
use crate::https::time_limit::TimeLimit;

/// Whether a connection is reused after its first response.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reuse {
    /// The connection is reused for as long as the server keeps it open.
    Kept,
    /// The connection is closed after one response.
    Never,
}

/// A pool of connections that share one connect time-out.
pub(crate) struct Connector {
    client: Client<TimeLimit<HttpsConnector<connect::HttpConnector>>, SdkBody>,
}

impl Connector {
    pub(crate) fn new(tls: Arc<ClientConfig>, limit: Option<Duration>, reuse: Reuse) -> Self {
        let mut tcp = connect::HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connector = TimeLimit { connector: HttpsConnector::from((tcp, tls)), limit };
        let mut client = Client::builder(TokioExecutor::new());
        client.pool_timer(TokioTimer::new());
        if matches!(reuse, Reuse::Never) {
            client.pool_max_idle_per_host(0);
        }
        Self { client: client.build(connector) }
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let connection = capture_connection(&mut request);
        if let Some(capture) = request.extensions().get::<CaptureSmithyConnection>() {
            capture.set_connection_retriever(move || metadata(&connection));
        }
        let answering = self.client.request(request);
        HttpConnectorFuture::new(async move {
            let answer = answering.await.map_err(failure)?;
            HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// Metadata through which the SDK can close a connection that it no longer trusts, for example after a server error.
fn metadata(connection: &CaptureConnection) -> Option<ConnectionMetadata> {
    connection.connection_metadata().as_ref()?;
    let connection = connection.clone();
    let poison = move || {
        if let Some(connection) = connection.connection_metadata().as_ref() {
            connection.poison();
        }
    };
    Some(ConnectionMetadata::builder().proxied(false).poison_fn(poison).build())
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}
