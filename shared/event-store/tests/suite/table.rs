//! A streams table in this process that serves DynamoDB's protocol on a free port.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use contract::stored::StoredCommit;
use dynoxide::Database;
use event_store::DynamoStreams;
use platform::RetryConflicts;
use platform::https::{Https, Trust};
use serde_json::{Value, json};
use testkit::clauses::Front;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) const STREAMS: &str = "streams";

/// A streams table, deleted when it is dropped.
pub(crate) struct Table {
    pub(crate) url: String,
    database: Database,
    _front: Front,
    serving: JoinHandle<()>,
}

impl Table {
    pub(crate) async fn start() -> Self {
        let database = Database::memory().unwrap();
        let definition = json!({
            "TableName": STREAMS,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                { "AttributeName": "buyer", "AttributeType": "S" },
                { "AttributeName": "sequence", "AttributeType": "N" },
                { "AttributeName": "feed", "AttributeType": "S" },
                { "AttributeName": "recordedAt", "AttributeType": "S" },
            ],
            "KeySchema": [
                { "AttributeName": "buyer", "KeyType": "HASH" },
                { "AttributeName": "sequence", "KeyType": "RANGE" },
            ],
            "GlobalSecondaryIndexes": [{
                "IndexName": "feed",
                "KeySchema": [
                    { "AttributeName": "feed", "KeyType": "HASH" },
                    { "AttributeName": "recordedAt", "KeyType": "RANGE" },
                ],
                "Projection": { "ProjectionType": "KEYS_ONLY" },
            }],
        });
        database.create_table(serde_json::from_value(definition).unwrap()).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let front = Front::before(format!("http://{}", listener.local_addr().unwrap())).await;
        let serving = tokio::spawn(dynoxide::server::serve_on(listener, database.clone()));
        Self { url: front.url().to_owned(), database, _front: front, serving }
    }

    /// Writes commits directly into the table, bypassing the code under test, which is much faster.
    pub(crate) fn lay<'a>(&self, commits: impl IntoIterator<Item = &'a StoredCommit>) {
        for commit in commits {
            self.put(&item(commit));
        }
    }

    /// Writes any item, overwriting an existing one.
    pub(crate) fn put(&self, item: &Value) {
        let put = json!({ "TableName": STREAMS, "Item": item });
        self.database.put_item(serde_json::from_value(put).unwrap()).unwrap();
    }

    /// All items of the table.
    pub(crate) fn items(&self) -> Vec<Value> {
        let scan = serde_json::from_value(json!({ "TableName": STREAMS })).unwrap();
        let found = serde_json::to_value(self.database.scan(scan).unwrap()).unwrap();
        found["Items"].as_array().unwrap().clone()
    }
}

/// The stored item of a commit. The attribute names never change, because every later version reads them.
pub(crate) fn item(commit: &StoredCommit) -> Value {
    let mut item = json!({
        "buyer": { "S": commit.buyer },
        "sequence": { "N": commit.sequence.to_string() },
        "last": { "N": commit.last.to_string() },
        "format": { "N": commit.format.to_string() },
        "facts": { "S": commit.facts },
        "recordedAt": { "S": commit.recorded_at },
    });
    for (name, value) in
        [("effects", &commit.effects), ("snapshot", &commit.snapshot), ("feed", &commit.feed)]
    {
        if let Some(value) = value {
            item[name] = json!({ "S": value });
        }
    }
    item
}

impl Drop for Table {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A client like that of the functions, but with three attempts and almost no delay between them.
pub(crate) fn client(url: &str) -> Client {
    client_with_timeout(Duration::from_secs(20), url)
}

/// The same client with this timeout per attempt.
pub(crate) fn client_with_timeout(attempt: Duration, url: &str) -> Client {
    let retries = RetryConfig::standard()
        .with_max_attempts(3)
        .with_initial_backoff(Duration::from_millis(1))
        .with_max_backoff(Duration::from_millis(5));
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(url)
        .http_client(Https::trusting(Trust::BuiltIn).unwrap())
        .retry_config(retries)
        .retry_classifier(RetryConflicts)
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(attempt).build());
    Client::from_conf(config.build())
}

pub(crate) fn streams_at(url: &str) -> DynamoStreams {
    DynamoStreams::new(client(url), STREAMS.to_owned())
}
