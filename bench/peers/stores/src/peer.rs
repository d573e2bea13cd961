//! The peers by name, and the two kinds of store behind them.

use std::str::FromStr;

use aws_sdk_dynamodb::Client;

use crate::adapter::{self, Adapter};
use crate::buyer::OfferEvent;
use crate::cqrs::{self, Cqrs, Truth};
use crate::failure::Failure;

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
