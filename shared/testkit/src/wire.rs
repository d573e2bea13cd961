//! A scripted HTTP/1.1 endpoint on loopback that stands in for AWS. It records every request, the SDK's retries
//! included, and answers each as a script decides. A request that AWS would refuse ([`strict`](crate::strict)) is
//! refused before it reaches the script, and fails the test.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{io, mem};

use serde_json::json;
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

pub use crate::message::{Message, Reply, Request, header, receive, send};
use crate::strict::{Refused, check, dummy_secret};

/// Marks a request that another wire forwarded. That wire already checked it as it arrived, and its script may have
/// changed it since, so it is not checked again.
const CHECKED: &str = "x-checked-on-the-wire";

type Script = dyn FnMut(&mut Request) -> Answer + Send;
type Log = Arc<Mutex<Vec<Exchange>>>;

/// An endpoint on a free loopback port. Dropping it closes all its connections.
#[derive(Debug)]
pub struct Wire {
    url: String,
    log: Log,
    refused: Arc<Mutex<Vec<Refused>>>,
    connections: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

/// One request and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The request as it arrived, before the script changed it.
    pub request: Request,
    /// The answer, even if it was then discarded; `None` if there was none.
    pub reply: Option<Reply>,
}

/// What a wire does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Forwards it to this URL and returns the response, or a 502 if there is none.
    Forward(String),
    /// Forwards it to this URL, where it takes effect, then discards the response and resets the connection.
    ForwardThenReset(String),
    /// Returns this response.
    Reply(Reply),
    /// Resets the connection after reading the whole request.
    ResetAfterReading,
    /// Reads the whole request and stays silent until the wire is dropped.
    Never,
}

/// A script that gives these answers in order and then repeats the last one.
pub fn in_turn(answers: impl IntoIterator<Item = Answer>) -> impl FnMut(&mut Request) -> Answer + Send {
    let mut answers: Vec<Answer> = answers.into_iter().collect();
    answers.reverse();
    move |_| if answers.len() > 1 { answers.pop().unwrap() } else { answers.last().unwrap().clone() }
}

impl Wire {
    /// Starts listening; the script decides on each request. Must be called within a Tokio runtime with I/O, on which
    /// the wire then runs.
    pub async fn start(script: impl FnMut(&mut Request) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (log, refused) = (Log::default(), Arc::default());
        let script: Arc<Mutex<Script>> = Arc::new(Mutex::new(script));
        let connections = Arc::new(AtomicUsize::new(0));
        let serving = tokio::spawn({
            let (log, accepted, refused) = (Arc::clone(&log), Arc::clone(&connections), Arc::clone(&refused));
            async move {
                let mut connections = JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    accepted.fetch_add(1, Ordering::SeqCst);
                    let script = Arc::clone(&script);
                    connections.spawn(serve(stream, script, Arc::clone(&log), Arc::clone(&refused)));
                }
            }
        });
        Self { url, log, refused, connections, serving }
    }

    /// The URL, `http://127.0.0.1:<port>`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// All exchanges so far, in the order in which the requests arrived.
    #[must_use]
    pub fn exchanges(&self) -> Vec<Exchange> {
        locked(&self.log).clone()
    }

    /// The number of connections opened so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The requests refused since the last call. Requests returned here no longer fail the test.
    #[must_use]
    pub fn take_refused(&self) -> Vec<Refused> {
        mem::take(&mut locked(&self.refused))
    }

    /// The operations requested so far, for example `["Query", "PutItem"]`; the path for a request that names none.
    #[must_use]
    pub fn operations(&self) -> Vec<String> {
        locked(&self.log).iter().map(|exchange| exchange.request.operation().to_owned()).collect()
    }
}

impl Drop for Wire {
    /// # Panics
    /// If a request was refused and [`Wire::take_refused`] did not return it.
    fn drop(&mut self) {
        self.serving.abort();
        let refused = self.take_refused();
        if !refused.is_empty() && !std::thread::panicking() {
            let refused: Vec<String> = refused.iter().map(ToString::to_string).collect();
            panic!("AWS would have refused: {}", refused.join("; "));
        }
    }
}

impl From<Message> for Request {
    fn from(Message { start, headers, body }: Message) -> Self {
        let mut words = start.split_whitespace().map(str::to_owned);
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        Self { method, path, headers, body }
    }
}

/// Serves one connection until the peer closes it or an answer ends it.
async fn serve(
    stream: TcpStream,
    script: Arc<Mutex<Script>>,
    log: Log,
    refused: Arc<Mutex<Vec<Refused>>>,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(message) = receive(&mut stream).await? {
        let mut request = Request::from(message);
        let place = {
            let mut log = locked(&log);
            log.push(Exchange { request: request.clone(), reply: None });
            log.len() - 1
        };
        let checked = match header(&request.headers, CHECKED) {
            Some(_) => Ok(None),
            None => check(&request, dummy_secret),
        };
        let answer = match checked {
            Ok(_) => (script.lock().unwrap_or_else(PoisonError::into_inner))(&mut request),
            Err(refusal) => {
                let reply = refusal.reply();
                locked(&refused).push(refusal);
                Answer::Reply(reply)
            }
        };
        let (reply, is_lost) = match answer {
            Answer::Forward(url) => (Some(forward(&url, request).await), false),
            Answer::ForwardThenReset(url) => (Some(forward(&url, request).await), true),
            Answer::Reply(reply) => (Some(reply), false),
            Answer::ResetAfterReading => (None, true),
            Answer::Never => pending().await,
        };
        if let Some(exchange) = locked(&log).get_mut(place) {
            exchange.reply.clone_from(&reply);
        }
        if is_lost {
            return stream.get_ref().set_zero_linger();
        }
        if let Some(Reply { status, headers, body }) = reply {
            send(stream.get_mut(), format!("HTTP/1.1 {status} \r\n"), headers, &body).await?;
        }
    }
    Ok(())
}

/// Forwards a request to this URL over a new connection, so that requests share nothing. Returns a 502 if there is no
/// response.
pub async fn forward(url: &str, request: Request) -> Reply {
    let forwarded = async {
        let mut upstream = BufReader::new(
            TcpStream::connect(url.trim_start_matches("http://").trim_end_matches('/')).await?,
        );
        let Request { method, path, mut headers, body } = request;
        headers.retain(|(name, _)| name != "connection" && name != CHECKED);
        headers.push(("connection".to_owned(), "close".to_owned()));
        headers.push((CHECKED.to_owned(), "yes".to_owned()));
        send(upstream.get_mut(), format!("{method} {path} HTTP/1.1\r\n"), headers, &body).await?;
        receive(&mut upstream).await?.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
    };
    let answer: io::Result<Message> = forwarded.await;
    match answer {
        Ok(Message { start, mut headers, body }) => {
            headers.retain(|(name, _)| name != "connection");
            let status =
                start.split_whitespace().nth(1).and_then(|status| status.parse().ok()).unwrap_or(502);
            Reply { status, headers, body }
        }
        Err(error) => Reply::json(502, &json!({ "message": format!("{url}: {error}") })),
    }
}

fn locked<T>(list: &Mutex<Vec<T>>) -> MutexGuard<'_, Vec<T>> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}
