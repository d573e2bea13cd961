//! People who declare gaps void, give buyers back and erase them, in the middle of everything else.

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use contract::legacy;
use domain::{BuyerId, OfferVersion, State};
use effects::leads::Cursors as _;
use event_store::{Performing, ResetGrounds, erase, load, reset, void};

use crate::adapters::Aws;
use crate::call::Machine;
use crate::chance::Chance;
use crate::history::{Post, Sent};
use crate::platform::{Former, Platform};
use crate::sight::Sight;
use crate::world::{HOUR, MINUTE};

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

/// By chance there was a system before this one, which knows some of the events, effects are left to it for a while, and
/// people decide about buyers.
pub(crate) fn take_over(
    platform: &mut Platform,
    posts: &[Post],
    outbox: &mut VecDeque<usize>,
    chance: &mut Chance,
) {
    if chance.per_mille(150) {
        platform.goes_live_at = chance.pick(&[MINUTE, 10 * MINUTE, HOUR, i64::MAX]);
    }
    let buyers: BTreeSet<&str> = posts.iter().map(|post| post.group.as_str()).collect();
    let has_former = chance.per_mille(300);
    let mut former = Former::default();
    former.is_prompt = chance.per_mille(500);
    for name in buyers {
        let Ok(buyer) = BuyerId::parse(name) else { continue };
        if has_former {
            let knows = u32::try_from(chance.below(4)).unwrap_or(0);
            let is_known = |event: &Sent| event.buyer == name && !event.is_odd && event.version <= knows;
            let is_told = |post: &Post| post.event.as_ref().is_some_and(is_known);
            for event in posts.iter().filter(|post| is_told(post)).filter_map(|post| post.event.as_ref()) {
                former.tell(event);
            }
            // The sender has told us of them as well, or only the former system.
            if chance.per_mille(500) {
                outbox.retain(|at| posts.get(*at).is_none_or(|post| !is_told(post)));
            }
        }
        if chance.per_mille(150) {
            platform.operations.push(Operation::Void(buyer.clone()));
        }
        if has_former && chance.per_mille(300) {
            platform.operations.push(Operation::Reset(buyer.clone()));
        }
        if chance.per_mille(60) {
            platform.operations.push(Operation::Erase(buyer));
        }
    }
    platform.former = has_former.then_some(former);
}
