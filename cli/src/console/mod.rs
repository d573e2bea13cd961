//! `leads console`: a read-only page about a stack in the operator's browser, served on loopback.
//!
//! A request passes through three parts. [`serve`] refuses what does not come from the operator's own browser and reads
//! the URL as a [`Page`](page::Page); [`read`] asks the stack; [`view`] and [`picture`] turn the answers into HTML, and
//! reach nothing outside.

mod assets;
mod page;
mod picture;
mod read;
mod serve;
mod view;

use std::future::IntoFuture as _;
use std::io::Write;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::time::Duration;

use futures::channel::mpsc;
use futures::future::{Either, join, select};
use futures::stream::StreamExt as _;
use serde_json::json;
use serve::{Asked, Site};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::args::Console;
use crate::output::{Output, interrupted};
use crate::status::Source;
use crate::{Exit, Failure};

/// The number of pages that are read at once.
const AT_ONCE: usize = 4;

/// The number of pages that wait to be read; further requests wait in the browser.
const WAITING: usize = 16;

pub(crate) async fn command<O: Write, E: Write>(
    console: &Console,
    source: &Source<'_>,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let port = console.port.unwrap_or_default();
    let failed = |source| Failure::Listen { port, source };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    // 122 random bits.
    let site = Site { port, token: Uuid::new_v4().simple().to_string() };
    let (asking, asked) = mpsc::channel(WAITING);
    let every = Duration::from_secs(console.every);
    let serving = axum::serve(listener, serve::router(&site, asking, every)).into_future();
    // Pages are read here and not by the server's tasks, so that one look at a stack need not be `Send`.
    let reading = asked.for_each_concurrent(AT_ONCE, async |Asked { page, answer }| {
        // The browser may have left meanwhile.
        let _ = answer.send(read::answer(source, console.contact, &page).await);
    });
    let url = site.url();
    if output.is_json {
        output.line(&json!({ "url": url }).to_string())?;
    } else {
        output.line(&format!("{url}\nOpen it in a browser on this machine. Ctrl-C ends it."))?;
    }
    output.flush()?;
    match select(pin!(join(serving, reading)), pin!(interrupted())).await {
        Either::Left(((served, ()), _)) => served.map(|()| Exit::Good).map_err(failed),
        Either::Right(_) => Ok(Exit::Good),
    }
}
