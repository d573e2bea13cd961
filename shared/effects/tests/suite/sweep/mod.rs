//! Tests of the sweep, which does the work that no doorbell triggers.

mod buyers;
mod ends;
mod held;
mod mails;
mod pace;
mod races;
mod reports;

use std::num::NonZeroU32;

use domain::BuyerId;
use effects::mail::Email;
use effects::outside::{Delivery, Outside, SalesMessage, SalesUnavailable};
use effects::{Advance, CannotMark, KnownPauses, MailPace, Swept, sweep};
use event_store::{Commits, Feed};
use jiff::SignedDuration;
use leads_store::{LeadsStore, Status};
use testkit::leads::record;
use testkit::{at, made};

use crate::world::World;

/// A pace of `count` e-mails per second for one day.
pub(crate) fn per_second(count: u32) -> MailPace {
    MailPace::new(NonZeroU32::new(count).unwrap(), NonZeroU32::new(24).unwrap())
}

pub(crate) const fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

pub(crate) fn throttled() -> Delivery {
    Delivery::NotSent { reason: "TooManyRequestsException".to_owned() }
}

impl World {
    pub(crate) async fn sweep(&self) -> Swept {
        self.sweep_over(&*self.streams, &self.leads, &self.outside).await
    }

    /// Sweeps with other adapters, which must allow every buyer to be marked behind.
    pub(crate) async fn sweep_over(
        &self,
        streams: &(impl Commits + Feed),
        leads: &impl LeadsStore,
        outside: &impl Outside,
    ) -> Swept {
        let (swept, ended) = self.sweep_as(per_second(10), streams, leads, outside).await;
        ended.unwrap();
        swept
    }

    pub(crate) async fn sweep_as(
        &self,
        pace: MailPace,
        streams: &(impl Commits + Feed),
        leads: &impl LeadsStore,
        outside: &impl Outside,
    ) -> (Swept, Result<(), CannotMark>) {
        let (clock, letterhead) = (&self.clock, &self.letterhead);
        let advance = Advance { streams, leads, outside, clock, letterhead, pauses: &KnownPauses::default() };
        let mut swept = Swept::default();
        let ended = sweep(&advance, pace, self.deadline(), &mut swept).await;
        (swept, ended)
    }

    /// Sweeps and returns the number of buyers that were advanced.
    async fn advanced(&self) -> usize {
        self.sweep().await.advanced.len()
    }

    /// Records an offer for each of these buyers and advances them. The first attempt of each invitation, at ten
    /// o'clock, has this result.
    pub(crate) async fn invite(
        &self,
        names: impl IntoIterator<Item = String>,
        delivery: Delivery,
    ) -> Vec<BuyerId> {
        let mut buyers = Vec::new();
        for name in names {
            let buyer = testkit::buyer(&name);
            record(&*self.streams, &buyer, &[made("car-1")], at("10:00:00")).await;
            self.outside.deliver_as([delivery.clone()]);
            let advance = Advance {
                streams: &*self.streams,
                leads: &self.leads,
                outside: &self.outside,
                clock: &self.clock,
                letterhead: &self.letterhead,
                pauses: &KnownPauses::default(),
            };
            assert_eq!(advance.advance(&buyer, self.deadline()).await.unwrap().behind, None);
            buyers.push(buyer);
        }
        buyers
    }

    /// The number of ledger entries with this status.
    fn count(&self, status: Status) -> usize {
        self.tables().ledger.values().filter(|entry| entry.status == status).count()
    }
}

/// SES in memory that always gives the same answer.
struct Always(Delivery);

impl Outside for Always {
    async fn send_email(&self, _: &Email) -> Delivery {
        self.0.clone()
    }

    async fn notify_sales(&self, message: &SalesMessage) -> Result<(), SalesUnavailable> {
        panic!("this message was already sent: {}", message.effect_id)
    }
}

/// The e-mails that a sweep changed, as `<key> <status>`.
pub(crate) fn changed_emails(swept: &Swept) -> Vec<String> {
    swept.emails.iter().map(|(_, key, status)| format!("{key} {}", status.name())).collect()
}
