//! A local DynamoDB behind a proxy that counts requests, and a proxy that delays every response, so that the number of
//! responses awaited in sequence can be measured by time.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use binaries::tables::scan;
use dynoxide::Database;
use serde_json::Value;
use testkit::wire::{Answer, Exchange, Wire};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpStream};
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

/// The delay of each response, which is far longer than any computation.
const DELAY: Duration = Duration::from_millis(50);

/// A proxy on loopback. Dropping it ends it.
#[derive(Debug)]
pub struct Slow {
    url: String,
    delays: Arc<AtomicBool>,
    serving: JoinHandle<()>,
}

impl Slow {
    /// Starts a proxy in front of this URL. It does not delay responses yet.
    pub async fn before(url: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let own = format!("http://{}", listener.local_addr().unwrap());
        let upstream = url.trim_start_matches("http://").to_owned();
        let delays = Arc::<AtomicBool>::default();
        let shared = Arc::clone(&delays);
        let serving = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, upstream.clone(), Arc::clone(&shared)));
            }
        });
        Self { url: own, delays, serving }
    }

    /// The URL of the proxy.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Delays responses from now on.
    pub fn begin(&self) {
        self.delays.store(true, Ordering::Relaxed);
    }

    /// The number of responses that can be awaited in sequence in this time.
    #[must_use]
    pub fn round_trips(took: Duration) -> u32 {
        u32::try_from(took.as_millis() / DELAY.as_millis()).unwrap()
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn pass(mut client: TcpStream, upstream: String, delays: Arc<AtomicBool>) -> io::Result<()> {
    let mut upstream = TcpStream::connect(upstream).await?;
    let (mut requests, mut responses) = client.split();
    let (mut answers, mut asked) = upstream.split();
    let answered = async {
        let mut part = vec![0; 1 << 20];
        loop {
            let length = answers.read(&mut part).await?;
            if length == 0 {
                return responses.shutdown().await;
            }
            if delays.load(Ordering::Relaxed) {
                tokio::time::sleep(DELAY).await;
            }
            responses.write_all(&part[..length]).await?;
        }
    };
    tokio::try_join!(copy(&mut requests, &mut asked), answered).map(drop)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use aws_sdk_dynamodb::types::AttributeValue;
    use serde_json::json;
    use testkit::wire::{Answer, Reply, Wire, in_turn};

    use super::Slow;
    use crate::recorders::access;

    #[tokio::test]
    async fn responses_awaited_in_sequence_are_counted_by_time() {
        let wire = Wire::start(in_turn([Answer::Reply(Reply::json(200, &json!({})))])).await;
        let slow = Slow::before(wire.url()).await;
        let client = access(slow.url()).dynamodb();
        let key = || AttributeValue::S("b1".to_owned());
        let ask =
            async || drop(client.get_item().table_name("any").key("buyer", key()).send().await.unwrap());
        ask().await;
        slow.begin();
        let begin = Instant::now();
        ask().await;
        tokio::join!(ask(), ask(), ask());
        assert!(Slow::round_trips(begin.elapsed()) >= 2);
        assert_eq!(wire.operations().len(), 5);
    }
}
