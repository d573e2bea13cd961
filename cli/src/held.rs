//! `leads held`: the gaps in offers' versions and the events held behind them, for all buyers or for one.

use std::collections::BTreeMap;
use std::io::Write;

use domain::{BuyerId, Fact, OfferId, OfferVersion, Sequence};
use event_store::tail_after;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use leads_store::{Open, WorkKind};
use serde_json::{Value, json};

use crate::output::{Output, count, moment, or_dash, table};
use crate::show::unknown;
use crate::{Exit, Failure, Tables};

/// The number of buyers whose streams are read concurrently.
const AT_ONCE: usize = 16;

/// A gap in an offer's versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The buyer.
    pub buyer: BuyerId,
    /// The offer.
    pub offer: OfferId,
    /// The held versions.
    pub held: Vec<OfferVersion>,
    /// The missing version that they wait for.
    pub waits_for: OfferVersion,
    /// When the first of the held events was recorded, as far as the stream was read.
    pub since: Option<Timestamp>,
}

/// Every gap, longest open first. Buyers are found in the index of open work, which lags slightly; the gaps themselves
/// are read from each buyer's stream.
///
/// # Errors
/// [`Failure::LeadsTable`], [`Failure::Stream`].
pub async fn gaps(tables: &Tables) -> Result<Vec<Gap>, Failure> {
    let work = tables.leads.open_work_of(&[WorkKind::Held]).await.map_err(Failure::LeadsTable)?;
    let held = work.into_iter().filter_map(|work| match work.what {
        Open::Held(held) => Some((work.buyer, held.sequence)),
        Open::Behind | Open::Email { .. } => None,
    });
    gaps_behind(tables, held).await
}

/// The gaps of these buyers, longest open first. Each stream is read back to its oldest held event.
pub(crate) async fn gaps_behind(
    tables: &Tables,
    held: impl Iterator<Item = (BuyerId, Sequence)>,
) -> Result<Vec<Gap>, Failure> {
    let gaps = stream::iter(held).map(async |(buyer, sequence)| gaps_of(tables, &buyer, sequence).await);
    let gaps: Vec<Vec<Gap>> = gaps.buffered(AT_ONCE).try_collect().await?;
    let mut gaps: Vec<Gap> = gaps.into_iter().flatten().collect();
    gaps.sort_by(|one, other| {
        (one.since, &one.buyer, &one.offer).cmp(&(other.since, &other.buyer, &other.offer))
    });
    Ok(gaps)
}

/// The gaps of one buyer. The stream is read back to the sequence number `from`, to find out when the held events were
/// recorded.
///
/// # Errors
/// [`Failure::Stream`].
pub async fn gaps_of(tables: &Tables, buyer: &BuyerId, from: Sequence) -> Result<Vec<Gap>, Failure> {
    Ok(read(tables, buyer, from).await?.1)
}

/// The gaps of one buyer, with the stream's last sequence number.
async fn read(tables: &Tables, buyer: &BuyerId, from: Sequence) -> Result<(Sequence, Vec<Gap>), Failure> {
    let before = Sequence::new(from.get().saturating_sub(1));
    let (head, commits) = tail_after(&tables.streams, buyer, Some(before))
        .await
        .map_err(|source| Failure::Stream { buyer: buyer.clone(), source })?;
    let mut recorded = BTreeMap::new();
    for commit in &commits {
        for event in commit.facts.iter().filter_map(Fact::event) {
            recorded.entry((&event.offer, event.version)).or_insert(commit.recorded_at);
        }
    }
    let gaps = head.state.gaps().map(|domain::Gap { offer, waits_for, held }| Gap {
        buyer: buyer.clone(),
        offer: offer.clone(),
        since: held.iter().filter_map(|version| recorded.get(&(offer, *version)).copied()).min(),
        held,
        waits_for,
    });
    Ok((head.state.sequence, gaps.collect()))
}

pub(crate) async fn command<O: Write, E: Write>(
    buyer: Option<&BuyerId>,
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let gaps = match buyer {
        Some(buyer) => {
            let (head, gaps) = read(tables, buyer, Sequence::START).await?;
            if head == Sequence::START {
                return unknown(buyer, output);
            }
            gaps
        }
        None => gaps(tables).await?,
    };
    if output.is_json {
        output.json(&json!({ "gaps": gaps.iter().map(Gap::json).collect::<Vec<_>>() }))?;
    } else {
        output.line(&text(&gaps))?;
    }
    Ok(if gaps.is_empty() { Exit::Good } else { Exit::Findings })
}

fn text(gaps: &[Gap]) -> String {
    if gaps.is_empty() {
        return "No events are held.".to_owned();
    }
    let rows = gaps.iter().map(|gap| {
        let held: Vec<String> = gap.held.iter().map(ToString::to_string).collect();
        [
            gap.buyer.to_string(),
            gap.offer.to_string(),
            gap.waits_for.to_string(),
            held.join(", "),
            or_dash(gap.since.map(moment)),
        ]
    });
    let table = table(&["buyer", "offer", "waits for version", "held versions", "since"], rows);
    format!("{table}\n{}", count(gaps.len() as u64, "gap"))
}

impl Gap {
    /// The gap as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "buyerId": self.buyer.as_str(),
            "offerId": self.offer.as_str(),
            "waitsForVersion": self.waits_for.get(),
            "heldVersions": self.held.iter().map(|version| version.get()).collect::<Vec<_>>(),
            "since": self.since.map(|since| since.to_string()),
        })
    }
}
