//! Both tables in this process, in an engine that serves DynamoDB's protocol on a free port.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use dynoxide::Database;
use event_store::DynamoStreams;
use leads_store::{DynamoLeads, DynamoReceipts};
use platform::RetryConflicts;
use platform::https::{Https, Trust};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::clauses::Front;

/// The streams table's name.
pub const STREAMS: &str = "streams";

/// The leads table's name.
pub const LEADS: &str = "leads";

/// Both tables, empty, without a server.
#[must_use]
pub fn database() -> Database {
    let database = Database::memory().unwrap();
    for definition in [streams(), leads()] {
        database.create_table(serde_json::from_value(definition).unwrap()).unwrap();
    }
    database
}

/// Both tables, deleted when they are dropped.
pub struct Engine {
    /// The address at which it serves the protocol.
    pub url: String,
    database: Database,
    _front: Front,
    serving: JoinHandle<()>,
}

impl Engine {
    /// Empty tables.
    pub async fn start() -> Self {
        let database = database();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let front = Front::before(format!("http://{}", listener.local_addr().unwrap())).await;
        let serving = tokio::spawn(dynoxide::server::serve_on(listener, database.clone()));
        Self { url: front.url().to_owned(), database, _front: front, serving }
    }

    /// All items of the leads table by buyer and kind, read directly, without the code under test.
    #[must_use]
    pub fn items(&self) -> Vec<Value> {
        self.scan(&json!({ "TableName": LEADS }))
    }

    /// All items in this index of the leads table.
    #[must_use]
    pub fn index(&self, name: &str) -> Vec<Value> {
        self.scan(&json!({ "TableName": LEADS, "IndexName": name }))
    }

    /// A function that writes items directly into the leads table, overwriting existing ones, even during a request.
    pub fn putting(&self) -> impl Fn(&Value) + Send + use<> {
        let database = self.database.clone();
        move |item| put_into(&database, LEADS, item)
    }

    /// Writes an item directly into a table, overwriting an existing one.
    pub fn put(&self, table: &str, item: &Value) {
        put_into(&self.database, table, item);
    }

    /// All items of the streams table, read directly.
    #[must_use]
    pub fn commits(&self) -> Vec<Value> {
        self.scan(&json!({ "TableName": STREAMS }))
    }

    fn scan(&self, request: &Value) -> Vec<Value> {
        let answer = self.database.scan(serde_json::from_value(request.clone()).unwrap()).unwrap();
        let mut items = serde_json::to_value(answer).unwrap()["Items"].as_array().unwrap().clone();
        items.sort_by_key(|item| (item["buyer"].to_string(), item["kind"].to_string()));
        items
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn streams() -> Value {
    let mut attributes = vec![attribute("sequence", "N")];
    attributes.extend(["buyer", "feed", "recordedAt"].map(|name| attribute(name, "S")));
    json!({
        "TableName": STREAMS,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": attributes,
        "KeySchema": keys("buyer", "sequence"),
        "GlobalSecondaryIndexes": [index("feed", "feed", "recordedAt", "KEYS_ONLY")],
    })
}

fn leads() -> Value {
    let names = ["buyer", "kind", "openLeads", "openedAt", "openWork", "due"];
    json!({
        "TableName": LEADS,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": names.map(|name| attribute(name, "S")),
        "KeySchema": keys("buyer", "kind"),
        "GlobalSecondaryIndexes": [
            index("open-leads", "openLeads", "openedAt", "ALL"),
            index("open-work", "openWork", "due", "ALL"),
        ],
    })
}

fn attribute(name: &str, kind: &str) -> Value {
    json!({ "AttributeName": name, "AttributeType": kind })
}

fn index(name: &str, partition: &str, sort: &str, projected: &str) -> Value {
    json!({
        "IndexName": name,
        "KeySchema": keys(partition, sort),
        "Projection": { "ProjectionType": projected },
    })
}

fn keys(partition: &str, sort: &str) -> Value {
    json!([
        { "AttributeName": partition, "KeyType": "HASH" },
        { "AttributeName": sort, "KeyType": "RANGE" },
    ])
}

/// A client like that of the functions.
fn client(url: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(url)
        .http_client(Https::trusting(Trust::BuiltIn).unwrap())
        .retry_config(RetryConfig::standard().with_initial_backoff(std::time::Duration::from_millis(1)))
        .retry_classifier(RetryConflicts);
    Client::from_conf(config.build())
}

/// The streams table at this address.
#[must_use]
pub fn streams_at(url: &str) -> DynamoStreams {
    DynamoStreams::new(client(url), STREAMS.to_owned())
}

/// The leads table at this address.
#[must_use]
pub fn leads_at(url: &str) -> DynamoLeads {
    DynamoLeads::new(client(url), LEADS.to_owned(), STREAMS.to_owned())
}

/// The leads table at this address, as far as receipts need it.
#[must_use]
pub fn receipts_at(url: &str) -> DynamoReceipts {
    DynamoReceipts::new(client(url), LEADS.to_owned())
}

fn put_into(database: &Database, table: &str, item: &Value) {
    let put = json!({ "TableName": table, "Item": item });
    database.put_item(serde_json::from_value(put).unwrap()).unwrap();
}
