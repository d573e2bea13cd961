//! A local DynamoDB behind a wire that counts.

use binaries::tables::scan;
use dynoxide::Database;
use serde_json::Value;
use testkit::wire::{Answer, Exchange, Wire};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::count::{Count, ask_for_the_bill, item_bytes};

/// An engine with no tables; gone with everything in it when it is dropped.
pub struct Engine {
    database: Database,
    direct: String,
    wire: Wire,
    serving: JoinHandle<()>,
}

impl Engine {
    /// One with what this database holds.
    pub async fn start(database: Database) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let direct = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(dynoxide::server::serve_on(listener, database.clone()));
        let upstream = direct.clone();
        let wire = Wire::start(move |request| {
            ask_for_the_bill(request);
            Answer::Forward(upstream.clone())
        })
        .await;
        Self { database, direct, wire, serving }
    }

    /// Where requests are counted.
    #[must_use]
    pub fn counted(&self) -> &str {
        self.wire.url()
    }

    /// Where they are not.
    #[must_use]
    pub fn direct(&self) -> &str {
        &self.direct
    }

    /// What is done while `work` runs, and its exchanges.
    pub async fn watch<T>(&self, work: impl Future<Output = T>) -> (T, Vec<Exchange>) {
        let begin = self.wire.exchanges().len();
        let done = work.await;
        (done, self.wire.exchanges().split_off(begin))
    }

    /// The same, with what it costs.
    pub async fn count<T>(&self, work: impl Future<Output = T>) -> (T, Count) {
        let (done, exchanges) = self.watch(work).await;
        (done, Count::of(&exchanges))
    }

    /// The bytes of everything that lies in these tables, as DynamoDB counts them.
    #[must_use]
    pub fn stored_bytes(&self, tables: &[String]) -> usize {
        tables.iter().map(|table| scan(&self.database, table).iter().map(item_bytes).sum::<usize>()).sum()
    }

    /// How many facts the commits of this table hold.
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
