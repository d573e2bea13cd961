//! Runs `leads` in this process or as a child process, on test files, on a local stand-in for AWS and beside a simulated
//! former system.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_types::SdkConfig;
use cli::{Exit, Failure};
use serde_json::{Value, json};
use testkit::wire::{Answer, Reply, Wire};

use crate::schemas::assert_answer;

/// The exit and the output of one run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) exit: Exit,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

/// Runs a command that must not connect to AWS.
pub(crate) async fn offline(arguments: &[&str]) -> Ended {
    run(arguments, async || panic!("connected to AWS")).await
}

/// Runs a command on the local AWS at this URL.
pub(crate) async fn online(url: &str, arguments: &[&str]) -> Ended {
    let places = [
        "--queue-url",
        "http://127.0.0.1/1/events.fifo",
        "--dead-letters-url",
        "http://127.0.0.1/1/letters.fifo",
        "--streams-table",
        "streams",
        "--leads-table",
        "leads",
    ];
    let arguments: Vec<&str> = arguments.iter().copied().chain(places).collect();
    run(&arguments, async || Ok(aws_at(url))).await
}

/// Runs a command. An answer in JSON must follow the schema of its command.
pub(crate) async fn run(
    arguments: &[&str],
    connect: impl AsyncFnOnce() -> Result<SdkConfig, Failure>,
) -> Ended {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let words = std::iter::once("leads").chain(arguments.iter().copied()).map(OsString::from);
    let exit = cli::run_on(words, async |_| connect().await, &mut out, &mut err).await;
    let (out, err) = (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap());
    assert_answer(arguments, &out);
    Ended { exit, out, err }
}

/// The environment of a `leads` process on the local AWS at this URL.
pub(crate) fn environment(url: &str) -> Vec<(&'static str, String)> {
    let pairs = [
        ("AWS_ENDPOINT_URL", url),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("STREAMS_TABLE", "streams"),
        ("LEADS_TABLE", "leads"),
    ];
    pairs.map(|(name, value)| (name, value.to_owned())).into()
}

/// A `leads` process on the local AWS at this URL, not started yet.
pub(crate) fn process(url: &str, arguments: &[&str]) -> tokio::process::Command {
    let mut leads = tokio::process::Command::new(env!("CARGO_BIN_EXE_leads"));
    leads.args(arguments).env_clear().envs(environment(url));
    leads.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    leads
}

/// Sends SIGINT to a process, as a terminal does.
pub(crate) async fn press_ctrl_c(process: &tokio::process::Child) {
    let id = process.id().unwrap().to_string();
    assert!(tokio::process::Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
}

/// Runs a `leads` process on the local AWS at this URL and sends it SIGINT once `is_time` returns true. Returns its
/// exit code and standard output, which must follow the schema if it is JSON.
pub(crate) async fn interrupted(
    url: &str,
    legacy_url: &str,
    arguments: &[&str],
    is_time: impl Fn() -> bool,
) -> (Option<i32>, String) {
    let leads = process(url, arguments).env("LEGACY_URL", legacy_url).spawn().unwrap();
    while !is_time() {
        tokio::task::yield_now().await;
    }
    press_ctrl_c(&leads).await;
    let ended = leads.wait_with_output().await.unwrap();
    let out = String::from_utf8(ended.stdout).unwrap();
    assert_answer(arguments, &out);
    (ended.status.code(), out)
}

/// An SDK configuration with two attempts and hardly any pause between them.
pub(crate) fn aws_at(url: &str) -> SdkConfig {
    let retries = RetryConfig::standard()
        .with_max_attempts(2)
        .with_initial_backoff(Duration::from_millis(1))
        .with_max_backoff(Duration::from_millis(5));
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "test", "test", None, None, "test",
        )))
        .endpoint_url(url)
        .retry_config(retries)
        .build()
}

/// A temporary file, deleted when this is dropped.
pub(crate) struct TestFile {
    path: PathBuf,
}

impl TestFile {
    pub(crate) fn of(content: impl AsRef<[u8]>) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("leads-{}-{number}.jsonl", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, content).unwrap();
        Self { path }
    }

    /// The name of a file that does not exist yet.
    pub(crate) fn free() -> Self {
        let file = Self::of("");
        fs::remove_file(&file.path).unwrap();
        file
    }

    pub(crate) fn name(&self) -> &str {
        self.path.to_str().unwrap()
    }

    pub(crate) fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// A temporary folder, deleted when this is dropped.
pub(crate) struct TestFolder {
    path: PathBuf,
}

impl TestFolder {
    pub(crate) fn new() -> Self {
        let path = TestFile::free().path.with_extension("folder");
        fs::create_dir(&path).unwrap();
        Self { path }
    }

    /// The path of something in the folder; of the folder itself for an empty name.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.path.join(inside)
    }

    pub(crate) fn write(&self, inside: &str, content: impl AsRef<[u8]>) {
        let path = self.path(inside);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// The published examples in a file: name, and event exactly as written there.
pub(crate) fn examples(file: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(examples_folder().join(file)).unwrap();
    let example = |line: &str| {
        let name = serde_json::from_str::<Value>(line).unwrap()["name"].to_string();
        let (_, event) = line.split_once("\"event\":").unwrap();
        (name, event.strip_suffix('}').unwrap().to_owned())
    };
    text.lines().map(example).collect()
}

pub(crate) fn examples_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/contract/examples")
}

/// Compares with `tests/golden/<name>` byte by byte. A missing file is written, for review, and fails the test.
#[track_caller]
pub(crate) fn assert_golden(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if !path.exists() {
        fs::write(&path, actual).unwrap();
        panic!("{name} was missing and has been written: review it, then run the test again");
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert!(actual == expected, "{name} differs. If the change is intended, replace the file by:\n{actual}");
}

type Answers = Arc<Mutex<BTreeMap<String, Answer>>>;

/// A former system. It gives the configured answer for each buyer, with `handedOver` after a handover, and 404 for all
/// others.
pub(crate) struct Former {
    wire: Wire,
    answers: Answers,
}

/// An offer for the car `<id>`, made by the person of most tests.
pub(crate) fn known(id: &str, version: u32, stage: &str) -> Value {
    json!({
        "offerId": id, "offerVersion": version, "stage": stage, "carId": id,
        "buyer": { "name": "Ada Canary", "email": "ada.canary@example.com", "phone": "+61 400 000 000" },
    })
}

/// Adds an open high lead to an offer.
pub(crate) fn with_lead(mut offer: Value, lead: &str) -> Value {
    offer["leadId"] = json!(lead);
    offer
}

impl Former {
    pub(crate) async fn start() -> Self {
        let answers = Answers::default();
        let shared = Arc::clone(&answers);
        let wire = Wire::start(move |request| {
            let path = request.path.trim_start_matches("/buyers/");
            let buyer = path.trim_end_matches("/handover");
            let mut answers = shared.lock().unwrap();
            let answer = answers.get(buyer).cloned();
            if request.method == "POST"
                && let Some(Answer::Reply(reply)) = answers.get_mut(buyer)
                && reply.status == 200
            {
                let mut body = reply.body_json();
                body["handedOver"] = json!(true);
                *reply = Reply::json(200, &body);
            }
            answer.unwrap_or_else(|| Answer::Reply(Reply::json(404, &json!({}))))
        })
        .await;
        Self { wire, answers }
    }

    pub(crate) fn url(&self) -> &str {
        self.wire.url()
    }

    /// Sets the offers it knows of a buyer.
    pub(crate) fn knows(&self, buyer: &str, offers: &[Value]) {
        self.knows_also(buyer, offers, &json!({}));
    }

    /// Sets the offers it knows of a buyer, and further fields of the answer.
    pub(crate) fn knows_also(&self, buyer: &str, offers: &[Value], fields: &Value) {
        let mut answer = json!({ "buyerId": buyer, "wasInvited": true, "offers": offers });
        for (name, value) in fields.as_object().unwrap() {
            answer[name] = value.clone();
        }
        self.answers(buyer, Answer::Reply(Reply::json(200, &answer)));
    }

    pub(crate) fn answers(&self, buyer: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(buyer.to_owned(), answer);
    }

    /// The requests it received, as in `GET /buyers/ada`, sorted.
    pub(crate) fn asked(&self) -> Vec<String> {
        let exchanges = self.wire.exchanges();
        let mut asked: Vec<String> = exchanges
            .iter()
            .map(|exchange| format!("{} {}", exchange.request.method, exchange.request.path))
            .collect();
        asked.sort();
        asked
    }
}
