//! Runs `leads` in this process or as a child process, on test files and on a local stand-in for AWS.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_types::SdkConfig;
use cli::{Exit, Failure};
use serde_json::Value;

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

pub(crate) async fn run(
    arguments: &[&str],
    connect: impl AsyncFnOnce() -> Result<SdkConfig, Failure>,
) -> Ended {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let arguments = std::iter::once("leads").chain(arguments.iter().copied()).map(OsString::from);
    let exit = cli::run_on(arguments, connect, &mut out, &mut err).await;
    Ended { exit, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
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

/// Runs a `leads` process on the local AWS at this URL and sends it SIGINT once `is_time` returns true. Returns its
/// exit code and standard output.
pub(crate) async fn interrupted(
    url: &str,
    legacy_url: &str,
    arguments: &[&str],
    is_time: impl Fn() -> bool,
) -> (Option<i32>, String) {
    let mut leads = tokio::process::Command::new(env!("CARGO_BIN_EXE_leads"));
    leads.args(arguments).env_clear().envs(environment(url)).env("LEGACY_URL", legacy_url);
    leads.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let leads = leads.spawn().unwrap();
    while !is_time() {
        tokio::task::yield_now().await;
    }
    let id = leads.id().unwrap().to_string();
    assert!(tokio::process::Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
    let ended = leads.wait_with_output().await.unwrap();
    (ended.status.code(), String::from_utf8(ended.stdout).unwrap())
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

    pub(crate) fn name(&self) -> &str {
        self.path.to_str().unwrap()
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The published examples in a folder: name and content, sorted by name.
pub(crate) fn examples(folder: &str) -> Vec<(String, String)> {
    let folder = examples_folder().join(folder);
    let mut examples: Vec<(String, String)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    examples.sort();
    examples
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
