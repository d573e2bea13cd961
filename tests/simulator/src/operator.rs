//! People who declare gaps void, reset buyers, erase them and make them live, in the middle of everything else.

use std::rc::Rc;

use domain::{BuyerId, Known, OfferVersion};
use event_store::{erase, go_live, load, reset, void};
use legacy::Legacy as _;

use crate::adapters::Aws;
use crate::call::Machine;
use crate::sight::Sight;
use crate::takeover::Setting;
use crate::world::MINUTE;

/// What somebody has decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    /// The first gap of the buyer is declared void.
    Void(BuyerId),
    /// What was recorded of the buyer in shadow does not count any more.
    Reset(BuyerId),
    /// The buyer is erased.
    Erase(BuyerId),
    /// The buyer goes live.
    GoLive(BuyerId),
    /// So many of a hundred buyers go live with their next event.
    Live(u8),
}

/// Does it, and takes it off the list once it is done or refused. Whoever fails or is cut off repeats it, even if another operator
/// did the same meanwhile: that one may have been refused where this one had begun to write.
pub(crate) async fn operate(machine: Rc<Machine>, operation: Operation) {
    let cut_off = machine.platform.borrow().operators_cut_off;
    let mut taken = Taken { machine: Rc::clone(&machine), operation, cut_off, is_done: false };
    let aws = Aws(machine);
    taken.is_done = match &taken.operation {
        Operation::Void(buyer) => void_first_gap(&aws, buyer).await,
        Operation::Reset(buyer) => forget(&aws, buyer).await,
        Operation::Erase(buyer) => {
            let erased = erase(&aws, &aws, buyer).await;
            erased.map(|erased| saw(&aws.0, Sight::Erased, erased.is_ok())).is_ok()
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

/// An operation that an operator has set about.
struct Taken {
    machine: Rc<Machine>,
    operation: Operation,
    /// How many operators had failed or been cut off when this one began.
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

fn saw(machine: &Machine, sight: Sight, is_done: bool) {
    if is_done {
        machine.platform.borrow_mut().sights.add(sight);
    }
}

async fn void_first_gap(aws: &Aws, buyer: &BuyerId) -> bool {
    let Ok(head) = load(aws, buyer).await else { return false };
    // The former system may know an offer of which nothing has come yet.
    let has_former = aws.0.platform.borrow().former.is_some();
    let gap = head.state.held.iter().find_map(|(offer, held)| {
        let first = held.keys().next()?;
        let is_known = head.state.version_of(offer).is_some();
        (is_known || !has_former).then(|| (offer.clone(), OfferVersion::new(first.get() - 1)))
    });
    let Some((offer, Some(through))) = gap else { return true };
    let voided = void(aws, aws, buyer, &offer, through).await;
    voided.map(|voided| saw(&aws.0, Sight::Voided, voided.is_ok())).is_ok()
}

/// Whether there is a former system that is not configured yet: nobody asks it then.
fn is_blind(aws: &Aws) -> bool {
    let platform = aws.0.platform.borrow();
    platform.former.is_some() && !platform.setting.has_former
}

async fn forget(aws: &Aws, buyer: &BuyerId) -> bool {
    if is_blind(aws) {
        return false;
    }
    let Ok(answer) = aws.look_up(buyer).await else { return false };
    let Ok(done) = reset(aws, aws, buyer, &answer).await else { return false };
    saw(&aws.0, if done.is_ok() { Sight::Reset } else { Sight::ResetRefused }, true);
    true
}

async fn make_live(aws: &Aws, buyer: &BuyerId) -> bool {
    if is_blind(aws) {
        return false;
    }
    let has_former = aws.0.platform.borrow().former.is_some();
    let known = if has_former { aws.hand_over(buyer).await.ok() } else { Some(Known::default()) };
    let Some(known) = known else { return false };
    let is_live = aws.0.platform.borrow().is_live(buyer.as_str());
    let done = go_live(aws, aws, buyer, &known).await;
    done.map(|_| saw(&aws.0, Sight::LiveByName, !is_live)).is_ok()
}
