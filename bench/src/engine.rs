//! A local DynamoDB behind a proxy that counts requests.

use binaries::tables::scan;
use dynoxide::Database;
use serde_json::Value;
use testkit::wire::{Answer, Exchange, Wire};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::count::{Count, item_bytes, request_capacity_report};

/// A local DynamoDB. Dropping it deletes everything in it.
pub struct Engine {
    database: Database,
    direct: String,
    wire: Wire,
    serving: JoinHandle<()>,
}

impl Engine {
    /// Starts a local DynamoDB with this database.
    pub async fn start(database: Database) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let direct = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(dynoxide::server::serve_on(listener, database.clone()));
        let upstream = direct.clone();
        let wire = Wire::start(move |request| {
            request_capacity_report(request);
            Answer::Forward(upstream.clone())
        })
        .await;
        Self { database, direct, wire, serving }
    }

    /// The URL at which requests are counted.
    #[must_use]
    pub fn counted(&self) -> &str {
        self.wire.url()
    }

    /// The URL at which requests are not counted.
    #[must_use]
    pub fn direct(&self) -> &str {
        &self.direct
    }

    /// Does the work. Returns its result and the exchanges during it.
    pub async fn watch<T>(&self, work: impl Future<Output = T>) -> (T, Vec<Exchange>) {
        let begin = self.wire.exchanges().len();
        let done = work.await;
        (done, self.wire.exchanges().split_off(begin))
    }

    /// Does the work. Returns its result and its cost.
    pub async fn count<T>(&self, work: impl Future<Output = T>) -> (T, Count) {
        let (done, exchanges) = self.watch(work).await;
        (done, Count::of(&exchanges))
    }

    /// The bytes stored in these tables, as DynamoDB counts them.
    #[must_use]
    pub fn stored_bytes(&self, tables: &[String]) -> usize {
        tables.iter().map(|table| scan(&self.database, table).iter().map(item_bytes).sum::<usize>()).sum()
    }

    /// The number of facts in the commits of this table.
    #[must_use]
    pub fn recorded(&self, table: &str) -> usize {
        let number = |item: &Value, name: &str| item[name]["N"].as_str().unwrap().parse::<usize>().unwrap();
        scan(&self.database, table)
            .iter()
            .map(|item| number(item, "last") + 1 - number(item, "sequence"))
            .sum()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
