//! Operators who void gaps, and reset, erase or take live buyers while everything else goes on.

use std::rc::Rc;

use domain::{BuyerId, Known, OfferVersion};
use event_store::{erase, go_live, load, reset, void};
use legacy::Legacy as _;

use crate::adapters::Aws;
use crate::call::Machine;
use crate::sight::Sight;
use crate::takeover::Setting;
use crate::world::MINUTE;

/// A decision of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Void the buyer's first gap.
    Void(BuyerId),
    /// Reset a buyer in shadow.
    Reset(BuyerId),
    /// Erase the buyer.
    Erase(BuyerId),
    /// Take the buyer live by name.
    GoLive(BuyerId),
    /// Let this percentage of buyers go live with their next event.
    Live(u8),
}

/// Performs an operation, and removes it from the list once it is done or refused. An operator who fails or is cut off
/// repeats it, even if another operator did the same meanwhile: that one may have been refused after this one had begun
/// to write.
pub(crate) async fn operate(machine: Rc<Machine>, operation: Operation) {
    let cut_off = machine.platform.borrow().operators_cut_off;
    let mut taken = Taken { machine: Rc::clone(&machine), operation, cut_off, is_done: false };
    let aws = Aws(machine);
    taken.is_done = match &taken.operation {
        Operation::Void(buyer) => void_first_gap(&aws, buyer).await,
        Operation::Reset(buyer) => reset_buyer(&aws, buyer).await,
        Operation::Erase(buyer) => {
            let erased = erase(&aws, &aws, buyer).await;
            erased.map(|erased| note(&aws.0, Sight::Erased, erased.is_ok())).is_ok()
        }
        Operation::GoLive(buyer) => make_live(&aws, buyer).await,
        Operation::Live(percent) => {
            let mut platform = aws.0.platform.borrow_mut();
            let setting = Setting { percent: *percent, ..platform.setting };
            platform.set(setting);
            true
        }
    };
}

/// An operation that an operator has begun.
struct Taken {
    machine: Rc<Machine>,
    operation: Operation,
    /// The number of operators that had failed or been cut off when this one began.
    cut_off: usize,
    is_done: bool,
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut platform = self.machine.platform.borrow_mut();
        if self.is_done {
            if platform.operators_cut_off == self.cut_off {
                platform.operations.retain(|other| *other != self.operation);
            }
            return;
        }
        platform.operators_cut_off += 1;
        platform.operators_back_at = platform.now + MINUTE;
        if !platform.operations.contains(&self.operation) {
            platform.operations.push(self.operation.clone());
        }
    }
}

/// Records a sight if the operation was done.
fn note(machine: &Machine, sight: Sight, is_done: bool) {
    if is_done {
        machine.platform.borrow_mut().sights.add(sight);
    }
}

async fn void_first_gap(aws: &Aws, buyer: &BuyerId) -> bool {
    let Ok(head) = load(aws, buyer).await else { return false };
    // The former system may know an offer whose events have not been received here yet.
    let has_former = aws.0.platform.borrow().former.is_some();
    let gap = head.state.held.iter().find_map(|(offer, held)| {
        let first = held.keys().next()?;
        let is_known = head.state.version_of(offer).is_some();
        (is_known || !has_former).then(|| (offer.clone(), OfferVersion::new(first.get() - 1)))
    });
    let Some((offer, Some(through))) = gap else { return true };
    let voided = void(aws, aws, buyer, &offer, through).await;
    voided.map(|voided| note(&aws.0, Sight::Voided, voided.is_ok())).is_ok()
}

/// Whether a former system exists that is not configured yet, so that it cannot be asked.
fn lacks_former(aws: &Aws) -> bool {
    let platform = aws.0.platform.borrow();
    platform.former.is_some() && !platform.setting.has_former
}

async fn reset_buyer(aws: &Aws, buyer: &BuyerId) -> bool {
    if lacks_former(aws) {
        return false;
    }
    let Ok(answer) = aws.look_up(buyer).await else { return false };
    let Ok(done) = reset(aws, aws, buyer, &answer).await else { return false };
    note(&aws.0, if done.is_ok() { Sight::Reset } else { Sight::ResetRefused }, true);
    true
}

async fn make_live(aws: &Aws, buyer: &BuyerId) -> bool {
    if lacks_former(aws) {
        return false;
    }
    let has_former = aws.0.platform.borrow().former.is_some();
    let known = if has_former { aws.hand_over(buyer).await.ok() } else { Some(Known::default()) };
    let Some(known) = known else { return false };
    let is_live = aws.0.platform.borrow().is_live(buyer.as_str());
    let done = go_live(aws, aws, buyer, &known).await;
    done.map(|_| note(&aws.0, Sight::LiveByName, !is_live)).is_ok()
}
