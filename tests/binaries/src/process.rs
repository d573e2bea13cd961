//! Runs a function's binary as a process that can be killed at any time, with Lambda's Runtime API, which delivers
//! events and takes the answers.
//!
//! Source: AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes".

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::Value;
use testkit::wire::{Message, receive, send};
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::tables::{LEADS, STREAMS};

/// A function of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Function {
    /// Records batches of the queue as commits.
    Recorder,
    /// Performs effects, invoked by the change feed.
    Reactor,
    /// Performs effects, invoked by the schedule.
    Sweeper,
}

impl Function {
    /// The name of the function's binary.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Recorder => "recorder",
            Self::Reactor => "reactor",
            Self::Sweeper => "sweeper",
        }
    }

    /// The path of the function's binary, which is in the folder of the running binary.
    ///
    /// # Panics
    /// The binary does not exist; `make build-local` builds it.
    #[must_use]
    pub fn path(self) -> PathBuf {
        let here = std::env::current_exe().unwrap();
        let folder =
            here.ancestors().skip(1).find(|folder| !folder.ends_with("deps")).unwrap_or(Path::new(""));
        let path = folder.join(self.name());
        assert!(path.exists(), "{} is not built", path.display());
        path
    }

    /// The function's time-out in milliseconds, as in `infra/template.yaml`.
    const fn time_out(self) -> i64 {
        match self {
            Self::Recorder => 30_000,
            Self::Reactor => 60_000,
            Self::Sweeper => 240_000,
        }
    }
}

/// The life of a process. When `kill` returns, the process has ended.
#[derive(Debug)]
pub struct Life {
    kill: Notify,
    is_over: watch::Sender<bool>,
}

impl Life {
    fn begin() -> Arc<Self> {
        Arc::new(Self { kill: Notify::new(), is_over: watch::channel(false).0 })
    }

    /// Sends `SIGKILL` and waits until the process has ended.
    pub async fn kill(&self) {
        self.kill.notify_one();
        self.ended().await;
    }

    /// Waits until the process has ended.
    pub(crate) async fn ended(&self) {
        let _ = self.is_over.subscribe().wait_for(|is_over| *is_over).await;
    }
}

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The handler's result.
    Response(Value),
    /// The handler's error.
    Error(Value),
    /// The process ended before it answered.
    Died,
}

/// A started function. Dropping it kills the process.
#[derive(Debug)]
pub struct Process {
    api: RuntimeApi,
    life: Arc<Life>,
    function: Function,
    invocations: AtomicU64,
}

impl Process {
    /// Starts a function. `aws` starts the proxy for the new process and returns the URL that the function uses as AWS.
    ///
    /// # Errors
    /// No port or no process is available.
    pub async fn start<F: Future<Output = std::io::Result<String>>>(
        function: Function,
        aws: impl FnOnce(Arc<Life>) -> F,
    ) -> std::io::Result<Self> {
        let api = RuntimeApi::start().await?;
        let life = Life::begin();
        let url = aws(Arc::clone(&life)).await?;
        let mut command = Command::new(function.path());
        command.env_clear().envs(environment(function, &url, api.address()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let watched = Arc::clone(&life);
        tokio::spawn(async move {
            tokio::select! {
                _ = child.wait() => {}
                () = watched.kill.notified() => {
                    // An error means that the process has already ended.
                    let _ = child.kill().await;
                }
            }
            watched.is_over.send_replace(true);
        });
        Ok(Self { api, life, function, invocations: AtomicU64::new(0) })
    }

    /// Invokes the function with an event and waits until the invocation has ended.
    pub async fn invoke(&self, event: Value) -> Ended {
        let number = self.invocations.fetch_add(1, Ordering::Relaxed);
        let id = format!("00000000-0000-4000-8000-{number:012}");
        let deadline = Timestamp::now().as_millisecond() + self.function.time_out();
        tokio::select! {
            biased;
            answered = self.api.invoke(&id, event, deadline) => match answered {
                Some(Answered::Response(value)) => Ended::Response(value),
                Some(Answered::Error(value)) => Ended::Error(value),
                None => Ended::Died,
            },
            () = self.life.ended() => Ended::Died,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.life.kill.notify_one();
    }
}

/// The environment variables that Lambda and the template set, and no others.
fn environment(function: Function, aws: &str, api: &str) -> Vec<(&'static str, String)> {
    let mut all = vec![
        ("AWS_LAMBDA_RUNTIME_API", api.to_owned()),
        ("AWS_LAMBDA_FUNCTION_NAME", function.name().to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
        ("AWS_ACCESS_KEY_ID", "key".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ENDPOINT_URL", aws.to_owned()),
        ("STREAMS_TABLE", STREAMS.to_owned()),
    ];
    all.extend(match function {
        Function::Recorder => {
            vec![("OFFER_EVENTS_DEAD_LETTERS_QUEUE_URL", format!("{aws}/0/OfferEventsDeadLetters.fifo"))]
        }
        Function::Reactor | Function::Sweeper => vec![
            ("LEADS_TABLE", LEADS.to_owned()),
            ("SALES_TEAM_QUEUE_URL", format!("{aws}/0/SalesTeam.fifo")),
            ("EMAIL_SENDER", "Cars <offers@example.com>".to_owned()),
            ("EMAIL_CONFIGURATION_SET", "leadstream".to_owned()),
            ("SITE_URL", "https://cars.example.com".to_owned()),
        ],
    });
    all
}

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
