//! A wire one can see and cut: a loopback HTTP/1.1 endpoint that stands where AWS would, records every request that
//! arrives, retries of the SDK among them, and answers each as a script says. A request that AWS would refuse
//! ([`strict`](crate::strict)) is refused before the script sees it, and fails the test.

pub mod message;

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{io, mem};

use message::{Message, header, receive, send};
use serde_json::{Value, json};
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::strict::{Refused, check, dummy_secret};

/// Marks what a wire has passed on: it was checked there as it came, and may have been changed since.
const CHECKED: &str = "x-checked-on-the-wire";

type Script = dyn FnMut(&mut Request) -> Answer + Send;
type Log = Arc<Mutex<Vec<Exchange>>>;

/// An endpoint on a free port of this machine. Whatever still hangs on it is cut when it is dropped.
#[derive(Debug)]
pub struct Wire {
    url: String,
    log: Log,
    refused: Arc<Mutex<Vec<Refused>>>,
    connections: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

/// One request, in the order of arrival, with what was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// As it arrived, before the script changed anything.
    pub request: Request,
    /// The answer, also one that was then swallowed; `None` where there was none.
    pub reply: Option<Reply>,
}

/// A request. The script may change it before it is forwarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `POST`.
    pub method: String,
    /// With the query, as in `/v2/email/outbound-emails`.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// What is done about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Passed on to this URL, and its answer back. If nobody is there: a 502.
    Forward(String),
    /// Passed on to this URL, where it takes effect; the answer is lost, the connection reset.
    ForwardThenReset(String),
    /// Answered here.
    Reply(Reply),
    /// Read to its end; then the connection is reset.
    ResetAfterReading,
    /// Read to its end; then silence, until the wire is dropped.
    Never,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Without `content-length`, which the wire adds.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// A script: these answers one after the other, the last one for ever.
pub fn in_turn(answers: impl IntoIterator<Item = Answer>) -> impl FnMut(&mut Request) -> Answer + Send {
    let mut answers: Vec<Answer> = answers.into_iter().collect();
    answers.reverse();
    move |_| if answers.len() > 1 { answers.pop().unwrap() } else { answers.last().unwrap().clone() }
}

impl Wire {
    /// Listens, and asks the script about each request. Needs a Tokio runtime with I/O, and lives on it.
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
                    connections.spawn(converse(stream, script, Arc::clone(&log), Arc::clone(&refused)));
                }
            }
        });
        Self { url, log, refused, connections, serving }
    }

    /// `http://127.0.0.1:<port>`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Everything so far, in the order of arrival.
    #[must_use]
    pub fn exchanges(&self) -> Vec<Exchange> {
        locked(&self.log).clone()
    }

    /// How many connections were opened so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The requests refused since the last call. Taken here, they no longer fail the test.
    #[must_use]
    pub fn take_refused(&self) -> Vec<Refused> {
        mem::take(&mut locked(&self.refused))
    }

    /// The operations so far, as in `["Query", "PutItem"]`; the path where a request names none.
    #[must_use]
    pub fn operations(&self) -> Vec<String> {
        locked(&self.log).iter().map(|exchange| exchange.request.operation().to_owned()).collect()
    }
}

impl Drop for Wire {
    /// # Panics
    /// A request was refused that no call of [`Wire::take_refused`] has taken.
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

impl Request {
    /// What `X-Amz-Target` asks for, without its prefix, as in `PutItem`; the path where there is no such header.
    #[must_use]
    pub fn operation(&self) -> &str {
        let target = header(&self.headers, "x-amz-target");
        target.map_or(&self.path, |target| target.rsplit('.').next().unwrap_or(target))
    }

    /// The body as JSON; `null` if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Reply {
    /// An answer with a JSON body.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type".to_owned(), "application/x-amz-json-1.0".to_owned())];
        Self { status, headers, body: body.to_string().into_bytes() }
    }

    /// An error as AWS tells it, in the header and in the body, so that every one of its JSON protocols reads it.
    #[must_use]
    pub fn error(status: u16, code: &str) -> Self {
        Self::refusal(status, code, "as the script says")
    }

    /// The same, with AWS's words.
    #[must_use]
    pub fn refusal(status: u16, code: &str, message: &str) -> Self {
        let mut reply = Self::json(status, &json!({ "__type": code, "message": message }));
        reply.headers.push(("x-amzn-errortype".to_owned(), code.to_owned()));
        reply
    }

    /// The body as JSON; `null` if it is none.
    #[must_use]
    pub fn body_json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

async fn converse(
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

/// Passes a request on to this URL, over a connection of its own, so that nothing is shared between requests. A 502 if nobody
/// is there.
pub async fn forward(url: &str, request: Request) -> Reply {
    let passed_on = async {
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
    let answer: io::Result<Message> = passed_on.await;
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
