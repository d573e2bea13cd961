//! AWS as far as the functions use it: both tables in a DynamoDB engine, and two queues and SES, which record the
//! requests that they receive. The proxy between a process and AWS passes requests on, injects faults at chosen
//! requests, and refuses the requests that AWS would refuse.

use std::future::pending;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use dynoxide::Database;
use serde_json::{Value, json};
use simulator::Chance;
use testkit::strict::{Refused, check, dummy_secret};
use testkit::wire::{Message, Reply, Request, header, receive, send};
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::process::Life;
use crate::tables;

/// The operation that a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A DynamoDB operation, by name.
    Table(String),
    /// A message to the sales team.
    Sales(Value),
    /// A message to the dead-letter queue.
    DeadLetter(Value),
    /// An e-mail.
    Mail(Mail),
}

/// An e-mail, identified by its tags.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mail {
    pub(crate) buyer: String,
    pub(crate) effect: String,
    pub(crate) nonce: String,
}

/// The requests that queues and SES received, in the order of arrival.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) sales: Vec<Value>,
    pub(crate) dead_letters: Vec<Value>,
    /// Mails for which a request arrived, whether or not SES took them.
    pub(crate) requested_mails: Vec<Mail>,
    /// Mails that SES took.
    pub(crate) taken_mails: Vec<Mail>,
    /// Requests that AWS would have refused.
    pub(crate) refused: Vec<Refused>,
}

pub(crate) struct Aws {
    pub(crate) database: Database,
    engine: String,
    client: reqwest::Client,
    received: Mutex<Received>,
    serving: JoinHandle<()>,
}

impl Operation {
    pub(crate) fn of(request: &Message) -> Self {
        let body = || -> Value { serde_json::from_slice(&request.body).unwrap_or_default() };
        let target = header(&request.headers, "x-amz-target").unwrap_or_default();
        match target.split_once('.') {
            Some(("AmazonSQS", _)) => {
                let body = body();
                let is_sales = body["QueueUrl"].as_str().is_some_and(|url| url.ends_with("/SalesTeam.fifo"));
                if is_sales { Self::Sales(body) } else { Self::DeadLetter(body) }
            }
            Some((_, operation)) => Self::Table(operation.to_owned()),
            None => Self::Mail(Mail::of(&body())),
        }
    }

    /// The operation's name in reports.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Table(name) => name,
            Self::Sales(_) => "SendMessage-sales",
            Self::DeadLetter(_) => "SendMessage-dead-letter",
            Self::Mail(_) => "SendEmail",
        }
    }
}

impl Mail {
    fn of(body: &Value) -> Self {
        let tag = |name: &str| {
            let tags = body["EmailTags"].as_array()?;
            let value = tags.iter().find(|tag| tag["Name"] == name)?["Value"].as_str()?;
            String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(value).ok()?).ok()
        };
        let tag = |name| tag(name).unwrap_or_default();
        Self { buyer: tag("buyer"), effect: tag("effect"), nonce: tag("nonce") }
    }
}

impl Aws {
    pub(crate) async fn start() -> io::Result<Arc<Self>> {
        let database = tables::create();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let engine = format!("http://{}", listener.local_addr()?);
        let serving = tokio::spawn(dynoxide::server::serve_on(listener, database.clone()));
        let (client, received) = (reqwest::Client::new(), Mutex::default());
        Ok(Arc::new(Self { database, engine, client, received, serving }))
    }

    pub(crate) fn received(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the arrival of a request, before any fault.
    pub(crate) fn arrived(&self, operation: &Operation) {
        if let Operation::Mail(mail) = operation {
            self.received().requested_mails.push(mail.clone());
        }
    }

    /// Performs a request. Returns the answer.
    pub(crate) async fn perform(&self, operation: &Operation, request: Message) -> Message {
        match operation {
            Operation::Table(_) => self.ask_engine(request).await.unwrap(),
            Operation::Sales(body) => {
                self.received().sales.push(body.clone());
                taken("sqs")
            }
            Operation::DeadLetter(body) => {
                self.received().dead_letters.push(body.clone());
                taken("sqs")
            }
            Operation::Mail(mail) => {
                self.received().taken_mails.push(mail.clone());
                taken("ses")
            }
        }
    }

    async fn ask_engine(&self, request: Message) -> reqwest::Result<Message> {
        let mut asking = self.client.post(&self.engine).body(request.body);
        for (name, value) in &request.headers {
            if !matches!(name.as_str(), "host" | "content-length" | "connection") {
                asking = asking.header(name, value);
            }
        }
        let answer = asking.send().await?;
        let start = format!("HTTP/1.1 {} \r\n", answer.status().as_u16());
        let text = |(name, value): (_, &reqwest::header::HeaderValue)| {
            (format!("{name}"), value.to_str().unwrap_or_default().to_owned())
        };
        let headers = answer
            .headers()
            .iter()
            .map(|(name, value)| text((name, value)))
            .filter(|(name, _)| name != "connection")
            .collect();
        Ok(Message { start, headers, body: answer.bytes().await?.to_vec() })
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn taken(by: &str) -> Message {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    let body = json!({ "MessageId": format!("{by}-1") }).to_string().into_bytes();
    Message { start: "HTTP/1.1 200 OK\r\n".to_owned(), headers, body }
}

/// Chooses the fault for each request of a process. It is called in the order of arrival.
pub(crate) type Script = dyn Fn(&Operation) -> Option<Fault> + Send + Sync;

/// Listens until the process has ended. Returns the URL.
pub(crate) async fn proxy(aws: Arc<Aws>, life: Arc<Life>, script: Arc<Script>) -> io::Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let Ok((stream, _)) = accepted else { return };
                    connections.spawn(converse(stream, Arc::clone(&aws), Arc::clone(&life), Arc::clone(&script)));
                }
                () = life.ended() => break,
            }
        }
        // Requests of the ended process that AWS has begun still take effect; withheld answers end here.
        connections.detach_all();
    });
    Ok(url)
}

async fn converse(stream: TcpStream, aws: Arc<Aws>, life: Arc<Life>, script: Arc<Script>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = receive(&mut stream).await? {
        if let Err(refused) = check(&Request::from(request.clone()), dummy_secret) {
            let Reply { status, headers, body } = refused.reply();
            aws.received().refused.push(refused);
            send(stream.get_mut(), format!("HTTP/1.1 {status} \r\n"), headers, &body).await?;
            continue;
        }
        let operation = Operation::of(&request);
        aws.arrived(&operation);
        let fault = script(&operation);
        if fault == Some(Fault::KillBefore) {
            life.kill().await;
            return Ok(());
        }
        let Message { start, headers, body } = aws.perform(&operation, request).await;
        match fault {
            None | Some(Fault::KillBefore) => send(stream.get_mut(), start, headers, &body).await?,
            Some(Fault::KillAfter) => {
                life.kill().await;
                return Ok(());
            }
            Some(Fault::Reset) => return stream.get_ref().set_zero_linger(),
            Some(Fault::Cut) => {
                let half = body.get(..body.len() / 2).unwrap_or_default();
                let begin = format!("{start}content-length: {}\r\n\r\n", body.len());
                stream.get_mut().write_all(&[begin.as_bytes(), half].concat()).await?;
                return stream.get_mut().shutdown().await;
            }
            Some(Fault::Error) => {
                let headers = vec![("x-amzn-errortype".to_owned(), "InternalServerError".to_owned())];
                let body = br#"{"__type":"InternalServerError","message":"injected by the test"}"#;
                send(stream.get_mut(), "HTTP/1.1 500 \r\n".to_owned(), headers, body).await?;
            }
            Some(Fault::Garbage) => {
                send(stream.get_mut(), "HTTP/1.1 200 \r\n".to_owned(), vec![], b"<html>not JSON</html>")
                    .await?;
            }
            Some(Fault::Silence) => {
                tokio::select! {
                    () = pending() => {}
                    () = life.ended() => {}
                }
                return Ok(());
            }
        }
    }
    Ok(())
}

/// A fault injected at one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process is killed; the request never reaches AWS.
    KillBefore,
    /// AWS performs the request; the process is killed before it gets the answer.
    KillAfter,
    /// AWS performs the request; the connection is reset.
    Reset,
    /// AWS performs the request; the connection closes after half of the answer.
    Cut,
    /// AWS performs the request; the answer is an internal error.
    Error,
    /// AWS performs the request; no answer ever comes.
    Silence,
    /// AWS performs the request; the answer is not JSON.
    Garbage,
}

impl Fault {
    /// The fault's name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::KillBefore => "killed-before",
            Self::KillAfter => "killed-after",
            Self::Reset => "reset",
            Self::Cut => "cut",
            Self::Error => "error",
            Self::Silence => "silence",
            Self::Garbage => "garbage",
        }
    }

    /// Whether the fault kills the process.
    #[must_use]
    pub const fn kills(self) -> bool {
        matches!(self, Self::KillBefore | Self::KillAfter)
    }

    /// A random fault, mostly a kill. Silence takes a time-out in real time, so it is chosen only if that is allowed.
    pub(crate) const fn any(chance: &mut Chance, may_be_silent: bool) -> Self {
        if may_be_silent && chance.per_mille(10) {
            return Self::Silence;
        }
        match chance.below(20) {
            0..9 => Self::KillBefore,
            9..18 => Self::KillAfter,
            18 => Self::Cut,
            _ => {
                if chance.per_mille(500) {
                    Self::Reset
                } else {
                    Self::Error
                }
            }
        }
    }
}
