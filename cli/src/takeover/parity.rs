//! `leads parity`: a buyer here beside the same buyer in the former system, which is asked without handing the buyer over.

use std::collections::BTreeSet;
use std::io::Write;

use domain::{BuyerId, Offer, OfferId, Sequence, Stage, State};
use event_store::load;
use legacy::HttpLegacy;
use serde_json::{Value, json};

use crate::output::{Output, count, or_dash, table};
use crate::show::unknown;
use crate::{Exit, Failure, Tables};

/// An offer here and there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parity {
    /// Which offer.
    pub offer: OfferId,
    /// As it is here.
    pub ours: Option<Offer>,
    /// As it is there.
    pub theirs: Option<Offer>,
    /// How the two compare.
    pub stands: Stands,
}

/// How an offer here compares with the same offer there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// Both know the same.
    Same,
    /// The former system knows more: events are on their way, held, or lost.
    Behind,
    /// We know more: the former system gets its events later, or no more.
    Ahead,
    /// The same version, and another stage: one of the two is wrong.
    OtherStage,
    /// The same version and stage, and another car or contact.
    OtherData,
    /// Only the former system knows it.
    OnlyThere,
    /// Only we know it.
    OnlyHere,
}

impl Stands {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Behind => "behind",
            Self::Ahead => "ahead",
            Self::OtherStage => "other-stage",
            Self::OtherData => "other-data",
            Self::OnlyThere => "only-there",
            Self::OnlyHere => "only-here",
        }
    }

    fn of(ours: Option<&Offer>, theirs: Option<&Offer>) -> Self {
        let is_same_stage = |ours: &Offer, theirs: &Offer| match (ours.stage, theirs.stage) {
            (Stage::Pending, Stage::Pending)
            | (Stage::Closed, Stage::Closed)
            | (Stage::Accepted { .. }, Stage::Accepted { .. }) => true,
            (Stage::Pending | Stage::Closed | Stage::Accepted { .. }, _) => false,
        };
        match (ours, theirs) {
            (None, _) => Self::OnlyThere,
            (Some(_), None) => Self::OnlyHere,
            (Some(ours), Some(theirs)) if ours.version < theirs.version => Self::Behind,
            (Some(ours), Some(theirs)) if ours.version > theirs.version => Self::Ahead,
            (Some(ours), Some(theirs)) if !is_same_stage(ours, theirs) => Self::OtherStage,
            (Some(ours), Some(theirs)) if ours.car != theirs.car || ours.contact != theirs.contact => {
                Self::OtherData
            }
            (Some(_), Some(_)) => Self::Same,
        }
    }
}

/// Every offer that is known here or there, by id.
#[must_use]
pub fn parity(ours: &State, theirs: &State) -> Vec<Parity> {
    let known: BTreeSet<&OfferId> = ours.offers.keys().chain(theirs.offers.keys()).collect();
    let compare = |id: &OfferId| {
        let (ours, theirs) = (ours.offers.get(id).cloned(), theirs.offers.get(id).cloned());
        let stands = Stands::of(ours.as_ref(), theirs.as_ref());
        Parity { offer: id.clone(), ours, theirs, stands }
    };
    known.into_iter().map(compare).collect()
}

pub(crate) async fn command<O: Write, E: Write>(
    buyer: &BuyerId,
    former: &HttpLegacy,
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let theirs = former.known_of(buyer).await.map_err(Failure::Legacy)?.unwrap_or_default();
    let ours = load(&tables.streams, buyer).await;
    let ours = ours.map_err(|source| Failure::Stream { buyer: buyer.clone(), source })?.state;
    if ours.sequence == Sequence::START && theirs.offers.is_empty() {
        return unknown(buyer, output);
    }
    let offers = parity(&ours, &theirs);
    let differing = offers.iter().filter(|offer| offer.stands != Stands::Same).count();
    if output.is_json {
        let offers: Vec<Value> = offers.iter().map(Parity::json).collect();
        output.json(&json!({ "buyerId": buyer.as_str(), "differing": differing, "offers": offers }))?;
    } else {
        let rows = offers.iter().map(Parity::row);
        let table = table(&["offer", "here", "there", "stands"], rows);
        output.line(&format!("{table}\n{buyer}: {} stand otherwise", count(differing as u64, "offer")))?;
    }
    Ok(if differing == 0 { Exit::Good } else { Exit::Findings })
}

const fn stage(offer: &Offer) -> &'static str {
    match offer.stage {
        Stage::Pending => "pending",
        Stage::Accepted { .. } => "accepted",
        Stage::Closed => "closed",
    }
}

impl Parity {
    fn row(&self) -> [String; 4] {
        let known = |offer: &Offer| format!("v{} {}", offer.version, stage(offer));
        [
            self.offer.to_string(),
            or_dash(self.ours.as_ref().map(known)),
            or_dash(self.theirs.as_ref().map(known)),
            self.stands.name().to_owned(),
        ]
    }

    /// The comparison for programs; nothing personal.
    #[must_use]
    pub fn json(&self) -> Value {
        let known = |offer: &Offer| json!({ "version": offer.version.get(), "stage": stage(offer) });
        json!({
            "offerId": self.offer.as_str(),
            "here": self.ours.as_ref().map(known),
            "there": self.theirs.as_ref().map(known),
            "stands": self.stands.name(),
        })
    }
}
