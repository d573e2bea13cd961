use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use tokio::time::timeout;
use tower_service::Service;

type BoxError = Box<dyn Error + Send + Sync>;

/// A connector with a time limit that covers both the TCP connection and the TLS handshake.
#[derive(Clone)]
pub(crate) struct TimeLimit<C> {
    pub(crate) connector: C,
    pub(crate) limit: Option<Duration>,
}

/// No connection was opened within the time limit.
#[derive(Debug, thiserror::Error)]
#[error("no connection within {0:?}")]
pub(crate) struct TooLate(Duration);

impl<C> Service<Uri> for TimeLimit<C>
where
    C: Service<Uri, Error = BoxError, Future: Send + 'static>,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.connector.call(uri);
        let limit = self.limit;
        Box::pin(async move {
            match limit {
                Some(limit) => timeout(limit, connecting).await.map_err(|_| TooLate(limit))?,
                None => connecting.await,
            }
        })
    }
}
