//! A network that is far away: every answer takes its time, so that what waits for what can be told by the clock.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How long each answer is kept: far longer than anybody needs to think.
const KEPT: Duration = Duration::from_millis(50);

/// A loopback endpoint before another. Gone when it is dropped.
#[derive(Debug)]
pub struct Slow {
    url: String,
    keeps: Arc<AtomicBool>,
    serving: JoinHandle<()>,
}

impl Slow {
    /// One before this URL, which keeps nothing yet.
    pub async fn before(url: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let own = format!("http://{}", listener.local_addr().unwrap());
        let upstream = url.trim_start_matches("http://").to_owned();
        let keeps = Arc::<AtomicBool>::default();
        let shared = Arc::clone(&keeps);
        let serving = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, upstream.clone(), Arc::clone(&shared)));
            }
        });
        Self { url: own, keeps, serving }
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From here on answers are kept.
    pub fn begin(&self) {
        self.keeps.store(true, Ordering::Relaxed);
    }

    /// How many answers, one after the other, were waited for in this time.
    #[must_use]
    pub fn round_trips(took: Duration) -> u32 {
        u32::try_from(took.as_millis() / KEPT.as_millis()).unwrap()
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn pass(mut client: TcpStream, upstream: String, keeps: Arc<AtomicBool>) -> io::Result<()> {
    let mut upstream = TcpStream::connect(upstream).await?;
    let (mut asks, mut hears) = client.split();
    let (mut answers, mut asked) = upstream.split();
    let answered = async {
        let mut part = vec![0; 1 << 20];
        loop {
            let length = answers.read(&mut part).await?;
            if length == 0 {
                return hears.shutdown().await;
            }
            if keeps.load(Ordering::Relaxed) {
                tokio::time::sleep(KEPT).await;
            }
            hears.write_all(&part[..length]).await?;
        }
    };
    tokio::try_join!(copy(&mut asks, &mut asked), answered).map(drop)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use aws_sdk_dynamodb::types::AttributeValue;
    use serde_json::json;
    use testkit::wire::{Answer, Reply, Wire, in_turn};

    use super::Slow;
    use crate::ours::access;

    #[tokio::test]
    async fn what_waits_for_what_is_told_by_the_clock() {
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
