//! A walk of the sweeper over settled commits, which are nearly all commits that it meets.

use std::num::NonZeroU32;
use std::time::Duration;

use contract::stored::written;
use domain::Sequence;
use effects::mail::Letterhead;
use effects::outside::MemoryOutside;
use effects::{Advance, KnownPauses, MailPace, Swept};
use event_store::{Appended, Appending, DynamoStreams, EventStore as _, Head};
use jiff::{SignedDuration, Timestamp};
use leads_store::{DynamoLeads, LeadsStore as _, Progress};
use platform::clock::{Clock, Deadline, Sleep};
use serde_json::json;

use crate::engine::Engine;
use crate::recorders::{LEADS, STREAMS, Still, access, database};

/// The time between two commits. It is short enough for all commits to fit into one hour.
const APART: SignedDuration = SignedDuration::from_millis(100);

/// The sweeper's clock, an hour after the recorder's.
#[derive(Debug, Clone, Copy)]
struct AnHourLater;

impl Clock for AnHourLater {
    fn now(&self) -> Timestamp {
        Still.now() + SignedDuration::from_hours(1)
    }

    fn nonce(&self) -> String {
        Still.nonce()
    }
}

impl Sleep for AnHourLater {
    async fn sleep(&self, _: Duration) {}
}

fn stores(url: &str) -> (DynamoStreams, DynamoLeads) {
    let dynamodb = || access(url).dynamodb();
    let streams = DynamoStreams::new(dynamodb(), STREAMS.to_owned());
    (streams, DynamoLeads::new(dynamodb(), LEADS.to_owned(), STREAMS.to_owned()))
}

/// A local DynamoDB with this number of settled commits, each of another buyer, that no walk has reached yet. No
/// second walk is due.
///
/// # Panics
/// The commits do not fit into an hour.
pub async fn settled(commits: u32) -> Engine {
    let database = database();
    let place = json!({ "TableName": LEADS, "Item": {
        "buyer": { "S": "sweeper/place" }, "kind": { "S": "place" },
        "walkedThrough": { "S": written(Still.now()) }, "walkedAgainAt": { "S": written(AnHourLater.now()) },
    }});
    database.put_item(serde_json::from_value(place).unwrap()).unwrap();
    let engine = Engine::start(database).await;
    let (streams, leads) = stores(engine.direct());
    let progress = Progress { through: Sequence::new(1), ..Progress::default() };
    for number in 1..=commits {
        let buyer = testkit::buyer(&format!("buyer-{}", 20_000 + number));
        let at = Still.now() + APART * i32::try_from(number).unwrap();
        assert!(
            at < AnHourLater.now() - SignedDuration::from_mins(2),
            "{commits} commits do not fit into an hour"
        );
        let mut appending = Appending::onto(Head::default()).live();
        appending.take(testkit::made("car-1").into());
        let (commit, _) = appending.commit(&buyer, at).unwrap();
        assert_eq!(streams.append(&commit).await.unwrap(), Appended::Written);
        leads.move_cursor(&buyer, &progress, None).await.unwrap();
    }
    engine
}

/// Makes one sweep with the DynamoDB at this URL.
///
/// # Panics
/// The sweep finds work, or does not finish.
pub async fn sweep(url: &str) {
    let (streams, leads) = stores(url);
    let outside = MemoryOutside::default();
    let letterhead = Letterhead { site: "Cars".to_owned(), site_url: "https://cars.example".to_owned() };
    let advance = Advance {
        streams: &streams,
        leads: &leads,
        outside: &outside,
        clock: &AnHourLater,
        letterhead: &letterhead,
        pauses: &KnownPauses::default(),
    };
    let deadline = Deadline::at(AnHourLater.now() + SignedDuration::from_mins(4));
    let mut swept = Swept::default();
    effects::sweep(&advance, MailPace::new(NonZeroU32::MIN, NonZeroU32::MIN), deadline, &mut swept)
        .await
        .unwrap();
    let Swept { is_under_way, advanced, left, .. } = swept;
    assert!(!is_under_way && advanced.is_empty() && left.is_empty(), "{advanced:?}, {left:?}");
}

#[cfg(test)]
mod tests {
    use super::{settled, sweep};

    #[tokio::test]
    async fn a_sweep_reads_every_cursor_and_the_next_sweep_reads_none() {
        let engine = settled(250).await;
        let mut cursors = Vec::new();
        for _ in 0..2 {
            let ((), exchanges) = engine.watch(sweep(engine.counted())).await;
            let batches = exchanges.iter().filter(|exchange| exchange.request.operation() == "BatchGetItem");
            cursors.push(batches.count());
        }
        assert_eq!(cursors, [3, 0]);
    }
}
