//! The thin edge to HTTP: who may ask, which page is meant, and going live.
//!
//! A page of another site must not read a stack through the operator's browser. So the console listens on loopback only;
//! `Host` must be its own, which defeats DNS rebinding; an `Origin` must be its own; and the path begins with a random
//! token that only the printed URL has.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::header::{self, HeaderMap, HeaderName};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use futures::channel::{mpsc, oneshot};
use futures::sink::SinkExt as _;
use futures::stream;
use sha2::{Digest as _, Sha256};

use super::assets::POLICY;
use super::page::Page;
use super::read::Answer;

/// Where this console is.
#[derive(Debug, Clone)]
pub(super) struct Site {
    pub(super) port: u16,
    pub(super) token: String,
}

impl Site {
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/{}/", self.port, self.token)
    }

    /// Why a request is refused, if it is.
    fn refusal(&self, path: &str, headers: &HeaderMap) -> Option<(StatusCode, String)> {
        let hosts = [format!("127.0.0.1:{}", self.port), format!("localhost:{}", self.port)];
        let is_ours = |value: &HeaderValue, scheme: &str| {
            hosts.iter().any(|host| value.as_bytes() == format!("{scheme}{host}").as_bytes())
        };
        let mut names = headers.get_all(header::HOST).iter();
        if !names.next().is_some_and(|host| is_ours(host, "")) || names.next().is_some() {
            let only = format!("This console answers only at {}.", hosts.join(" and "));
            return Some((StatusCode::MISDIRECTED_REQUEST, only));
        }
        if !headers.get_all(header::ORIGIN).iter().all(|origin| is_ours(origin, "http://")) {
            return Some((StatusCode::FORBIDDEN, "Other sites may not read this console.".to_owned()));
        }
        let token = path.split('/').nth(1).unwrap_or_default();
        // The time of comparing digests says nothing about the token.
        if Sha256::digest(token) != Sha256::digest(&self.token) {
            let whole = "Use the whole address that `leads console` printed.".to_owned();
            return Some((StatusCode::NOT_FOUND, whole));
        }
        None
    }
}

/// The fields of a query.
type Fields = BTreeMap<String, String>;

/// A page that a browser waits for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) page: Page,
    pub(super) answer: oneshot::Sender<Answer>,
}

/// What every handler knows.
#[derive(Debug, Clone)]
struct Desk {
    asking: mpsc::Sender<Asked>,
    /// The pause between two looks of a live page.
    every: Duration,
}

/// The console's routes behind its guard. Pages are read by the receiver of `asking`.
pub(super) fn router(site: &Site, asking: mpsc::Sender<Asked>, every: Duration) -> Router {
    let mut router = Router::new();
    for (page, _) in Page::ALL {
        let path = format!("/{}/{}", site.token, page.path());
        let handler = move |State(desk): State<Desk>, headers: HeaderMap| async move {
            show(desk, page, &headers).await
        };
        router = router.route(&path, get(handler));
    }
    let buyer = async |State(desk): State<Desk>, Query(query): Query<Fields>, headers: HeaderMap| {
        show(desk, Page::buyer(&query), &headers).await
    };
    router
        .route(&format!("/{}/buyer", site.token), get(buyer))
        .layer(from_fn_with_state(site.clone(), guard))
        .with_state(Desk { asking, every })
}

/// Refuses requests that are not the operator's, and adds the headers that every answer has.
async fn guard(State(site): State<Site>, request: Request, next: Next) -> Response {
    let mut response = match site.refusal(request.uri().path(), request.headers()) {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    };
    let fixed = [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    let headers = response.headers_mut();
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Nothing is shown without it.
    let Ok(policy) = HeaderValue::from_str(&POLICY) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

/// A page once, or again and again to the script of a page that is live.
async fn show(mut desk: Desk, page: Page, headers: &HeaderMap) -> Response {
    let accepts = headers.get(header::ACCEPT).map(HeaderValue::as_bytes).unwrap_or_default();
    if accepts == b"text/event-stream" {
        return live(desk, page).into_response();
    }
    match ask(&mut desk.asking, page).await {
        Some(Answer { status, html }) => (status, Html(html)).into_response(),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// The page as events: now, and then after every pause. Dropped when the browser closes the connection.
fn live(desk: Desk, page: Page) -> impl IntoResponse {
    let Desk { asking, every } = desk;
    let looks = stream::unfold((asking, page, Duration::ZERO), move |(mut asking, page, pause)| async move {
        tokio::time::sleep(pause).await;
        let Answer { html, .. } = ask(&mut asking, page.clone()).await?;
        Some((Ok::<_, Infallible>(Event::default().data(html)), (asking, page, every)))
    });
    Sse::new(looks).keep_alive(KeepAlive::default())
}

/// `None` while the console ends.
fn ask(asking: &mut mpsc::Sender<Asked>, page: Page) -> impl Future<Output = Option<Answer>> + Send {
    let (answer, answered) = oneshot::channel();
    async move {
        asking.send(Asked { page, answer }).await.ok()?;
        answered.await.ok()
    }
}
