//! AWS as far as the functions use it: both tables in a DynamoDB engine, and two queues and SES, which record the
//! requests that they receive.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use dynoxide::Database;
use serde_json::{Value, json};
use testkit::strict::Refused;
use testkit::wire::message::{Message, header};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

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
