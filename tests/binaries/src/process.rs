//! Runs a function's binary as a process that can be killed at any time.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::{Notify, watch};

use crate::runtime_api::{Answered, RuntimeApi};
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
            Self::Reactor | Self::Sweeper => 60_000,
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

    /// Waits until the process asks for its first event. Returns `false` if it ended before.
    pub async fn has_started(&self) -> bool {
        tokio::select! {
            () = self.life.ended() => false,
            () = self.api.wait_for_first_next() => true,
        }
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
