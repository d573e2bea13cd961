//! One life of a function's binary: from its start to the first `/next`, through some events, to its end.

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use binaries::runtime_api::{Answered, RuntimeApi};
use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::aws::{Aws, STREAMS};

/// Longer than any of it takes, also under callgrind.
const PATIENCE: Duration = Duration::from_mins(1);

/// So long without any use of the processor, a process waits for its next event.
const IDLE: Duration = Duration::from_millis(150);

/// A binary that is measured.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) path: PathBuf,
    /// Whether it brings the roots that it trusts along, and so is told of the throwaway one only.
    pub(crate) has_roots: bool,
}

/// A started binary.
pub(crate) struct Life {
    child: Child,
    api: RuntimeApi,
    begun: Instant,
    events: u64,
}

impl Life {
    /// Starts a binary, under a tool if one is given: its words come before the binary's path.
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

    /// Waits for the first `/next`; tells how long that took from the start on.
    pub(crate) async fn started(&mut self) -> Result<Duration, Box<dyn Error>> {
        self.asked(1).await?;
        Ok(self.begun.elapsed())
    }

    /// One event, of a buyer who was never seen before; tells how long it took until it was answered.
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
        self.asked(self.events + 1).await?;
        Ok(took)
    }

    /// Waits until the process waits: what follows an answer is done too.
    pub(crate) async fn idle(&self) -> io::Result<()> {
        let mut used = String::new();
        loop {
            let now = self.file("stat")?;
            // Times in user and in kernel mode. Before them, in parentheses, stands a name that may hold anything.
            let fields = now.rsplit(')').next().unwrap_or_default().split(' ').skip(12).take(2);
            let now = fields.collect::<Vec<_>>().join(" ");
            if now == used {
                return Ok(());
            }
            used = now;
            sleep(IDLE).await;
        }
    }

    /// The most memory that was resident so far, in kibibytes.
    pub(crate) fn memory(&self) -> io::Result<u64> {
        let status = self.file("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        number.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }

    /// Asks the process to end, as nothing in it handles, and waits until it has.
    pub(crate) async fn end(mut self) -> Result<(), Box<dyn Error>> {
        let pid = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        kill_process(pid.ok_or("the process has ended already")?, Signal::TERM)?;
        timeout(PATIENCE, self.child.wait()).await??;
        Ok(())
    }

    async fn asked(&mut self, times: u64) -> Result<(), Box<dyn Error>> {
        tokio::select! {
            () = self.api.asked(times) => Ok(()),
            ended = self.child.wait() => Err(format!("it ended: {}", ended?).into()),
            () = sleep(PATIENCE) => Err("it does not ask for an event".into()),
        }
    }

    fn file(&self, name: &str) -> io::Result<String> {
        fs::read_to_string(
            Path::new("/proc").join(self.child.id().unwrap_or_default().to_string()).join(name),
        )
    }
}

/// What Lambda and the template put into the environment, and nothing else.
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

/// A batch of one offer made by a buyer who was never seen before.
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
