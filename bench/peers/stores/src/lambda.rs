//! The Lambda: decodes a batch, drops repeats, and passes each buyer's events to the store in one call.

use std::collections::BTreeMap;

use crate::buyer::OfferEvent;
use crate::client::client;
use crate::failure::Failure;
use crate::idempotency::{self, Claim, Idempotency};
use crate::incoming::decode;
use crate::peer::{Peer, Store};
use crate::protocol::{Answer, Message};

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
