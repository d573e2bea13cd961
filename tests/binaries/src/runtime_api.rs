//! Lambda's Runtime API for one process: delivers events and takes the answers.
//!
//! Source: AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes".

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use testkit::wire::message::{Message, receive, send};
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

/// The process's answer to an invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// The handler's result.
    Response(Value),
    /// The handler's error.
    Error(Value),
}

struct Call {
    id: String,
    event: Value,
    deadline: i64,
    answer: oneshot::Sender<Answered>,
}

struct Inner {
    calls: tokio::sync::Mutex<mpsc::UnboundedReceiver<Call>>,
    begun: Mutex<BTreeMap<String, oneshot::Sender<Answered>>>,
    asked: watch::Sender<u64>,
}

/// A Runtime API on a free port. Each process has its own, so that a killed process cannot take its successor's event.
#[derive(Debug)]
pub struct RuntimeApi {
    address: String,
    calls: mpsc::UnboundedSender<Call>,
    asked: watch::Receiver<u64>,
    serving: JoinHandle<()>,
}

impl RuntimeApi {
    /// Starts to listen on a free port.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?.to_string();
        let (calls, receiver) = mpsc::unbounded_channel();
        let (asking, asked) = watch::channel(0);
        let inner =
            Arc::new(Inner { calls: receiver.into(), begun: Mutex::new(BTreeMap::new()), asked: asking });
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(converse(stream, Arc::clone(&inner)));
            }
        });
        Ok(Self { address, calls, asked, serving })
    }

    /// The value for `AWS_LAMBDA_RUNTIME_API`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Waits for the first `/next` request, that is, until the process has started.
    pub async fn wait_for_first_next(&self) {
        self.wait_for_next(1).await;
    }

    /// Waits until the process has asked for an event this many times. All events before the last request are then
    /// completely handled.
    pub async fn wait_for_next(&self, times: u64) {
        let _ = self.asked.clone().wait_for(|asked| *asked >= times).await;
    }

    /// Delivers an event, with its deadline in milliseconds since 1970, and returns the answer, or `None` if the API
    /// has ended. A process that ends never answers, so the caller must watch it.
    pub async fn invoke(&self, id: &str, event: Value, deadline: i64) -> Option<Answered> {
        let (answer, answered) = oneshot::channel();
        self.calls.send(Call { id: id.to_owned(), event, deadline, answer }).ok()?;
        answered.await.ok()
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn converse(stream: TcpStream, inner: Arc<Inner>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(Message { start, body, .. }) = receive(&mut stream).await? {
        let path = start.split_whitespace().nth(1).unwrap_or_default();
        let steps: Vec<&str> = path.trim_start_matches("/2018-06-01/runtime/").split('/').collect();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        match *steps.as_slice() {
            ["invocation", "next"] => {
                inner.asked.send_modify(|asked| *asked += 1);
                let Some(call) = inner.calls.lock().await.recv().await else { return Ok(()) };
                next(&mut stream, &inner, call).await?;
            }
            ["invocation", id, "response"] => {
                inner.end(id, Answered::Response(body));
                accepted(&mut stream).await?;
            }
            ["invocation", id, "error"] => {
                inner.end(id, Answered::Error(body));
                accepted(&mut stream).await?;
            }
            // An initialization error: the process reports why it does not start, and ends.
            _ => accepted(&mut stream).await?,
        }
    }
    Ok(())
}

async fn next(stream: &mut BufReader<TcpStream>, inner: &Inner, call: Call) -> io::Result<()> {
    let Call { id, event, deadline, answer } = call;
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let headers = vec![
        header("content-type", "application/json"),
        header("lambda-runtime-aws-request-id", &id),
        header("lambda-runtime-deadline-ms", &deadline.to_string()),
        header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:local"),
        header("lambda-runtime-trace-id", "Root=1-00000000-000000000000000000000000;Sampled=0"),
    ];
    inner.begun.lock().unwrap_or_else(PoisonError::into_inner).insert(id, answer);
    send(stream.get_mut(), "HTTP/1.1 200 OK\r\n".to_owned(), headers, event.to_string().as_bytes()).await
}

async fn accepted(stream: &mut BufReader<TcpStream>) -> io::Result<()> {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    send(stream.get_mut(), "HTTP/1.1 202 Accepted\r\n".to_owned(), headers, b"{\"status\":\"OK\"}").await
}

impl Inner {
    fn end(&self, id: &str, answered: Answered) {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        if let Some(answer) = begun {
            // Sending fails if the caller has given up the process and no longer waits.
            let _ = answer.send(answered);
        }
    }
}
