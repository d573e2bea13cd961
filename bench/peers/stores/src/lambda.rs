//! The Lambda: decodes a batch, drops repeats, and passes each buyer's events to the store in one call. Also the
//! peers by name, and the two kinds of store behind them.

use std::collections::BTreeMap;
use std::str::FromStr;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region, SharedAsyncSleep};
use aws_smithy_async::rt::sleep::TokioSleep;

use crate::{Answer, Failure, Message};
use crate::adapter::{Adapter, self};
use crate::buyer::{OfferEvent, decode};
use crate::cqrs::{Cqrs, Truth, self};
use crate::idempotency::{Claim, Idempotency, self};

pub(crate) struct Lambda {
    peer: Peer,
    endpoint: String,
    warm: Option<Warm>,
}

/// The state that a cold start creates and warm invocations reuse.
struct Warm {
    store: Store,
    idempotency: Option<Idempotency>,
}

impl Lambda {
    pub(crate) const fn new(peer: Peer, endpoint: String) -> Self {
        Self { peer, endpoint, warm: None }
    }

    pub(crate) async fn create(&mut self) -> Result<Answer, Failure> {
        let client = client(&self.endpoint);
        let tables = self.peer.kind.create(&client).await?;
        if self.peer.has_idempotency {
            idempotency::create(&client).await?;
        }
        self.warm().await?;
        Ok(Answer::Created { tables, idempotency: self.peer.has_idempotency.then_some(idempotency::TABLE) })
    }

    pub(crate) async fn lay(&mut self, buyer: &str, bodies: &[String]) -> Result<(), Failure> {
        let decoded = bodies.iter().map(|body| decode(body).map(|(_, event)| event));
        let undecodable = |source| Failure::Undecodable { id: format!("to store for {buyer}"), source };
        let events = decoded.collect::<Result<_, _>>().map_err(undecodable)?;
        self.warm().await?.store.lay(buyer, events).await
    }

    /// Handles a batch. Returns the number of newly recorded events.
    pub(crate) async fn deliver(&mut self, messages: Vec<Message>) -> Result<usize, Failure> {
        let mut buyers: BTreeMap<String, Vec<(String, OfferEvent)>> = BTreeMap::new();
        for Message { id, body } in messages {
            match decode(&body) {
                Ok((buyer, event)) => buyers.entry(buyer).or_default().push((id, event)),
                Err(source) => return Err(Failure::Undecodable { id, source }),
            }
        }
        let warm = self.warm().await?;
        let mut recorded = 0;
        for (buyer, events) in buyers {
            recorded += warm.record(&buyer, events).await?;
        }
        Ok(recorded)
    }

    pub(crate) fn restart(&mut self) {
        self.warm = None;
    }

    async fn warm(&mut self) -> Result<&Warm, Failure> {
        let warm = match self.warm.take() {
            Some(warm) => warm,
            None => {
                let client = client(&self.endpoint);
                let idempotency = self.peer.has_idempotency.then(|| Idempotency::new(client.clone()));
                Warm { store: self.peer.kind.open(client).await?, idempotency }
            }
        };
        Ok(self.warm.insert(warm))
    }
}

impl Warm {
    /// Records the events of one buyer in a batch. All are claimed first, so that the store still gets them in one
    /// call.
    async fn record(&self, buyer: &str, messages: Vec<(String, OfferEvent)>) -> Result<usize, Failure> {
        let Some(idempotency) = &self.idempotency else {
            return self.store.record(buyer, messages.into_iter().map(|(_, event)| event).collect()).await;
        };
        let mut claimed = Vec::new();
        let mut events = Vec::new();
        for (id, event) in messages {
            match idempotency.claim(&id).await? {
                Claim::Ours => {
                    claimed.push(id);
                    events.push(event);
                }
                Claim::InProgress if !claimed.contains(&id) => return Err(Failure::InProgress { id }),
                Claim::InProgress | Claim::Completed => {}
            }
        }
        if events.is_empty() {
            return Ok(0);
        }
        let recorded = self.store.record(buyer, events).await;
        for id in &claimed {
            match &recorded {
                Ok(_) => idempotency.complete(id).await?,
                Err(_) => idempotency.release(id).await?,
            }
        }
        recorded
    }
}

/// A client with its own connection pool, as after a cold start, configured as `aws-config` would do it.
fn client(endpoint: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(endpoint);
    Client::from_conf(config.build())
}

/// A peer: a store, with or without an idempotency record for every message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) kind: Kind,
    pub(crate) has_idempotency: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Cqrs(Truth),
    Adapter,
}

impl FromStr for Peer {
    type Err = Failure;

    fn from_str(name: &str) -> Result<Self, Failure> {
        let plain = name.strip_suffix("+idempotency");
        let kind = match plain.unwrap_or(name) {
            "cqrs-es" => Kind::Cqrs(Truth::Events),
            "cqrs-es-aggregate" => Kind::Cqrs(Truth::Aggregate),
            "cqrs-es-snapshot" => Kind::Cqrs(Truth::Snapshots),
            "event-store-adapter" => Kind::Adapter,
            _ => return Err(Failure::Peer(name.to_owned())),
        };
        Ok(Self { kind, has_idempotency: plain.is_some() })
    }
}

impl Kind {
    /// Creates the tables. Returns their names.
    pub(crate) async fn create(self, client: &Client) -> Result<Vec<&'static str>, Failure> {
        match self {
            Self::Cqrs(truth) => cqrs::create(client, truth).await,
            Self::Adapter => adapter::create(client).await,
        }
    }

    /// Opens the store, as a cold start does.
    pub(crate) async fn open(self, client: Client) -> Result<Store, Failure> {
        Ok(match self {
            Self::Cqrs(truth) => Store::Cqrs(Cqrs::open(client, truth)),
            Self::Adapter => Store::Adapter(Adapter::open(client).await?),
        })
    }
}

pub(crate) enum Store {
    Cqrs(Cqrs),
    Adapter(Adapter),
}

impl Store {
    /// Appends the new events. Returns their number.
    pub(crate) async fn record(&self, buyer: &str, events: Vec<OfferEvent>) -> Result<usize, Failure> {
        match self {
            Self::Cqrs(store) => store.record(buyer, events).await,
            Self::Adapter(store) => store.record(buyer, events).await,
        }
    }

    /// Stores a whole stream, as if each event had been a commit of its own.
    pub(crate) async fn lay(&self, buyer: &str, events: Vec<OfferEvent>) -> Result<(), Failure> {
        match self {
            Self::Cqrs(store) => store.lay(buyer, events).await,
            Self::Adapter(store) => store.lay(buyer, events).await,
        }
    }
}
