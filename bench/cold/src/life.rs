//! The life of one process of a function's binary: its start up to the first `/next`, some events, and its end.

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use binaries::{Answered, RuntimeApi};
use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::aws::{Aws, STREAMS};

/// The longest time to wait, which exceeds every step even under callgrind.
const PATIENCE: Duration = Duration::from_mins(1);

/// A process that uses no processor time for this long is waiting for its next event.
const IDLE: Duration = Duration::from_millis(150);

/// A binary to measure.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) path: PathBuf,
    /// Whether it has built-in root certificates, so that it is given only the throwaway root.
    pub(crate) has_roots: bool,
}

/// A started process.
pub(crate) struct Life {
    child: Child,
    api: RuntimeApi,
    begun: Instant,
    events: u64,
}

impl Life {
    /// Starts a binary. If `tool` is not empty, it is the command that precedes the binary's path.
    pub(crate) async fn begin(subject: &Subject, tool: &[OsString], aws: &Aws) -> io::Result<Self> {
        let api = RuntimeApi::start().await?;
        let mut words = tool.iter().cloned().chain([subject.path.clone().into_os_string()]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).env_clear().envs(environment(aws, api.address()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let begun = Instant::now();
        let child = command.spawn()?;
        Ok(Self { child, api, begun, events: 0 })
    }

    /// Waits for the first `/next`. Returns the time since the start.
    pub(crate) async fn started(&mut self) -> Result<Duration, Box<dyn Error>> {
        self.wait_for_next(1).await?;
        Ok(self.begun.elapsed())
    }

    /// Sends one event of a new buyer. Returns the time until it was answered.
    pub(crate) async fn event(&mut self) -> Result<Duration, Box<dyn Error>> {
        self.events += 1;
        let id = format!("00000000-0000-4000-8000-{:012}", self.events);
        let deadline = Timestamp::now().as_millisecond() + 300_000;
        let event = event(self.events);
        let begun = Instant::now();
        let answered = timeout(PATIENCE, self.api.invoke(&id, event, deadline)).await?;
        let took = begun.elapsed();
        match answered {
            Some(Answered::Response(answer))
                if answer["batchItemFailures"].as_array().is_none_or(Vec::is_empty) => {}
            other => return Err(format!("the event was not recorded: {other:?}").into()),
        }
        self.wait_for_next(self.events + 1).await?;
        Ok(took)
    }

    /// Waits until the process is idle, so that work after its answer is done too.
    pub(crate) async fn idle(&self) -> io::Result<()> {
        let mut used = String::new();
        loop {
            let now = self.file("stat")?;
            // The times in user and kernel mode. The process's name before them, in parentheses, may contain anything.
            let fields = now.rsplit(')').next().unwrap_or_default().split(' ').skip(12).take(2);
            let now = fields.collect::<Vec<_>>().join(" ");
            if now == used {
                return Ok(());
            }
            used = now;
            sleep(IDLE).await;
        }
    }

    /// The peak resident memory so far, in kibibytes.
    pub(crate) fn memory(&self) -> io::Result<u64> {
        let status = self.file("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        number.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }

    /// Ends the process by `SIGTERM`, which it does not handle, and waits until it has ended.
    pub(crate) async fn end(mut self) -> Result<(), Box<dyn Error>> {
        let pid = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        kill_process(pid.ok_or("the process has ended already")?, Signal::TERM)?;
        timeout(PATIENCE, self.child.wait()).await??;
        Ok(())
    }

    async fn wait_for_next(&mut self, times: u64) -> Result<(), Box<dyn Error>> {
        tokio::select! {
            () = self.api.wait_for_next(times) => Ok(()),
            ended = self.child.wait() => Err(format!("the process ended: {}", ended?).into()),
            () = sleep(PATIENCE) => Err("the process does not ask for an event".into()),
        }
    }

    fn file(&self, name: &str) -> io::Result<String> {
        fs::read_to_string(
            Path::new("/proc").join(self.child.id().unwrap_or_default().to_string()).join(name),
        )
    }
}

/// The environment variables that Lambda and the template set, and no others.
fn environment(aws: &Aws, api: &str) -> Vec<(&'static str, OsString)> {
    let url = aws.url();
    let mut all: Vec<(&str, OsString)> = [
        ("AWS_LAMBDA_RUNTIME_API", api.to_owned()),
        ("AWS_LAMBDA_FUNCTION_NAME", "recorder".to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
        ("AWS_ACCESS_KEY_ID", "key".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
        ("AWS_SESSION_TOKEN", "token".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ENDPOINT_URL", url.to_owned()),
        ("STREAMS_TABLE", STREAMS.to_owned()),
        ("OFFER_EVENTS_DEAD_LETTERS_QUEUE_URL", format!("{url}/0/OfferEventsDeadLetters.fifo")),
    ]
    .map(|(name, value)| (name, value.into()))
    .into();
    all.push(("SSL_CERT_FILE", aws.trusted().into()));
    all
}

/// A batch with the event of one offer made to a new buyer.
fn event(number: u64) -> Value {
    let buyer = testkit::buyer(&format!("buyer-{number}"));
    json!({ "Records": [{
        "messageId": format!("m{number}"),
        "receiptHandle": format!("m{number}"),
        "body": testkit::body(&buyer, &testkit::made("car-1")),
        "attributes": {
            "ApproximateReceiveCount": "1",
            "MessageGroupId": buyer.as_str(),
            "MessageDeduplicationId": format!("m{number}"),
            "SentTimestamp": "1763978400000",
        },
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:OfferEvents.fifo",
        "awsRegion": "us-east-1",
    }] })
}
