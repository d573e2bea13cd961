//! The adapter through which the product queries the former system.

use domain::{BuyerId, Known};
use legacy::{Answer, Legacy, LegacyUnavailable};

use crate::adapters::{Aws, LOST};
use crate::fault::Site;
use crate::platform::{Platform, Request};
use crate::unguarded;

impl Legacy for Aws {
    async fn look_up(&self, buyer: &BuyerId) -> Result<Answer, LegacyUnavailable> {
        let perform = |platform: &mut Platform| Ok(platform.look_up(buyer.as_str()));
        let lost = |_| Err(unavailable(buyer, LOST));
        read(buyer, self.0.call(Site::LookUp, perform, lost, || None).await?)
    }

    async fn hand_over(&self, buyer: &BuyerId) -> Result<Known, LegacyUnavailable> {
        let perform = |platform: &mut Platform| {
            platform.hand_over(buyer.as_str()).map_err(|_| unavailable(buyer, "announcements are pending"))
        };
        let lost = |_| Err(unavailable(buyer, LOST));
        let request = || Some(Request::HandOver(buyer.clone()));
        let answer = self.0.call(Site::Handover, perform, lost, request).await?;
        let off = self.0.platform.borrow().off;
        Ok(unguarded::as_understood(read(buyer, answer)?.known, off))
    }
}

/// Decodes an answer. `None` stands for 404: the former system does not know the buyer.
fn read(buyer: &BuyerId, answer: Option<String>) -> Result<Answer, LegacyUnavailable> {
    let Some(answer) = answer else { return Ok(Answer::default()) };
    let read = contract::legacy::decode(buyer, answer.as_bytes());
    read.map_err(|source| LegacyUnavailable { buyer: buyer.clone(), source: source.into() })
}

fn unavailable(buyer: &BuyerId, why: &'static str) -> LegacyUnavailable {
    LegacyUnavailable { buyer: buyer.clone(), source: why.into() }
}
