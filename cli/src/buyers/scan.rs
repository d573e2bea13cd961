//! Finds every buyer by scanning the streams table, and draws a sample.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::BuyerId;
use futures::future::{Either, select};
use sha2::{Digest as _, Sha256};

use crate::output::count;
use crate::progress::Progress;
use crate::{Failure, Tables};

/// Every buyer with a stream, from the keys of the whole streams table. Reads at most `rate` units per second. `None`
/// if interrupted.
///
/// A scan is not a snapshot of the table: a buyer first recorded while it runs may be missing.
pub(super) async fn scan(
    tables: &Tables,
    rate: u32,
    interrupted: &mut (impl Future<Output = ()> + Unpin),
    progress: &Progress,
) -> Result<Option<BTreeSet<BuyerId>>, Failure> {
    let (mut buyers, mut commits, mut place) = (BTreeSet::new(), 0, None);
    loop {
        let reading = Box::pin(tables.streams.keys(place));
        let page = match select(reading, &mut *interrupted).await {
            Either::Left((page, _)) => page.map_err(Failure::Streams)?,
            Either::Right(_) => return Ok(None),
        };
        commits += page.keys.len() as u64;
        buyers.extend(page.keys.into_iter().map(|key| key.buyer));
        progress.note(format!(" of {}", count(buyers.len() as u64, "buyer")));
        progress.at(commits);
        place = page.next;
        if place.is_none() {
            return Ok(Some(buyers));
        }
        let rest = Duration::from_secs_f64(page.read_units / f64::from(rate.max(1)));
        if let Either::Right(_) = select(Box::pin(tokio::time::sleep(rest)), &mut *interrupted).await {
            return Ok(None);
        }
    }
}

/// A sample of these buyers, chosen by a hash of their ids: the same buyers give the same sample, and a few more or
/// fewer buyers change it only a little.
#[must_use]
pub fn sample(buyers: impl IntoIterator<Item = BuyerId>, size: u64) -> Vec<BuyerId> {
    let mut hashed: Vec<_> =
        buyers.into_iter().map(|buyer| (Sha256::digest(buyer.as_str().as_bytes()), buyer)).collect();
    hashed.sort();
    hashed.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    let mut sample: Vec<BuyerId> = hashed.into_iter().map(|(_, buyer)| buyer).collect();
    sample.sort();
    sample
}

#[cfg(test)]
mod tests {
    use domain::BuyerId;

    use super::sample;

    fn buyers(numbers: std::ops::Range<u32>) -> impl Iterator<Item = BuyerId> {
        numbers.filter_map(|number| BuyerId::parse(&format!("buyer-{number}")).ok())
    }

    #[test]
    fn a_sample_does_not_depend_on_the_order_of_the_buyers() {
        let one = sample(buyers(0..1000), 50);
        let mut turned: Vec<_> = buyers(0..1000).collect();
        turned.reverse();
        assert_eq!(sample(turned, 50), one);
        assert_eq!(one.len(), 50);
        let smaller = sample(buyers(0..1000), 10);
        assert!(
            smaller.iter().all(|buyer| one.contains(buyer)),
            "a larger sample contains every smaller one"
        );
        assert_eq!(sample(buyers(0..3), 50).len(), 3);
    }

    #[test]
    fn a_few_new_buyers_change_a_sample_only_a_little() {
        let (before, after) = (sample(buyers(0..1000), 100), sample(buyers(0..1010), 100));
        let kept = before.iter().filter(|buyer| after.contains(buyer)).count();
        assert!(kept >= 95, "{kept}");
    }
}
