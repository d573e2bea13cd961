//! People who declare gaps void, give buyers back and erase them, in the middle of everything else.

use std::rc::Rc;

use contract::legacy;
use domain::{BuyerId, OfferVersion, State};
use effects::leads::Cursors as _;
use event_store::{Performing, ResetGrounds, erase, load, reset, void};

use crate::adapters::Aws;
use crate::call::Machine;
use crate::history::Sent;
use crate::platform::Platform;
use crate::sight::Sight;

/// What somebody has decided about a buyer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    /// The first gap of the buyer is declared void.
    Void(BuyerId),
    /// The buyer is given back to the former system.
    Reset(BuyerId),
    /// The buyer is erased.
    Erase(BuyerId),
}

/// A former system, and what people decide, where that is not left to chance.
#[derive(Debug, Clone, Default)]
pub struct Takeover {
    /// What the former system was told and we are not.
    pub(crate) known: Vec<Sent>,
    /// Whether there is one, even if it was told of nothing.
    pub(crate) has_former: bool,
    /// What is decided once all has come to rest.
    pub(crate) operations: Vec<Operation>,
    /// So many of the posts come after that.
    pub(crate) later: usize,
}

/// Does it, and takes it off the list once it is done or refused; whatever breaks off is done again.
pub(crate) async fn operate(machine: Rc<Machine>, operation: Operation, performing: Performing) {
    let aws = Aws(Rc::clone(&machine));
    let is_done = match &operation {
        Operation::Void(buyer) => void_first_gap(&aws, buyer, performing).await,
        Operation::Reset(buyer) => give_back(&aws, buyer, performing).await,
        Operation::Erase(buyer) => {
            let erased = erase(&aws, &aws, performing, buyer).await;
            erased.map(|erased| saw(&machine, Sight::Erased, erased.is_ok())).is_ok()
        }
    };
    if is_done {
        machine.platform.borrow_mut().operations.retain(|other| *other != operation);
    }
}

fn saw(machine: &Machine, sight: Sight, is_done: bool) {
    if is_done {
        machine.platform.borrow_mut().sights.add(sight);
    }
}

async fn void_first_gap(aws: &Aws, buyer: &BuyerId, performing: Performing) -> bool {
    let Ok(head) = load(aws, buyer).await else { return false };
    // The former system may know an offer of which nothing has come yet.
    let has_former = aws.0.platform.borrow().former.is_some();
    let gap = head.state.held.iter().find_map(|(offer, held)| {
        let first = held.keys().next()?;
        let is_known = head.state.version_of(offer).is_some();
        (is_known || !has_former).then(|| (offer.clone(), OfferVersion::new(first.get() - 1)))
    });
    let Some((offer, Some(through))) = gap else { return true };
    let voided = void(aws, aws, performing, buyer, &offer, through).await;
    voided.map(|voided| saw(&aws.0, Sight::Voided, voided.is_ok())).is_ok()
}

async fn give_back(aws: &Aws, buyer: &BuyerId, performing: Performing) -> bool {
    let known = |platform: &mut Platform| platform.former.as_mut()?.look(buyer.as_str());
    let Ok(answer) = aws.0.call(crate::Site::Handover, |platform| Ok(known(platform)), Err, || None).await
    else {
        return false;
    };
    let former = answer.and_then(|answer| legacy::decode(buyer, answer.as_bytes()).ok());
    let former = former.unwrap_or_else(State::default);
    let Ok(cursor) = aws.cursor(buyer).await else { return false };
    let grounds = ResetGrounds { settled_through: cursor.through, former: &former };
    let given_back = reset(aws, aws, performing, buyer, grounds).await;
    given_back.map(|given_back| saw(&aws.0, Sight::GivenBack, given_back.is_ok())).is_ok()
}
