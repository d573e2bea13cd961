//! Operators who void gaps, and reset, erase or take live buyers or pause effects while everything else goes on, and the
//! take-over from a former system: the settings of the stack over time, and events older than our queue.

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use domain::{BuyerId, Known, OfferVersion};
use event_store::{erase, go_live, load, reset, void};
use leads_store::{Pausable, Pause};
use legacy::{Answer, Legacy, LegacyUnavailable};

use crate::adapters::{Aws, LOST};
use crate::call::Machine;
use crate::chance::{Chance, HOUR, MINUTE, timestamp};
use crate::fault::Site;
use crate::history::{Post, Sent};
use crate::plan::{Operation, Setting, Settings, Takeover};
use crate::platform::{Former, Platform, Request};
use crate::rules::{counting, facts_of};
use crate::sight::Sight;
use crate::unguarded;

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
        Operation::Pause(kinds) => {
            aws.0.platform.borrow_mut().pause(kinds);
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

impl Takeover {
    /// Sets up the platform before the run.
    pub(crate) fn begin(self, platform: &mut Platform) {
        if self.has_former || !self.known.is_empty() {
            let mut former = Former::default();
            for event in &self.known {
                former.schedule(0, event, &mut platform.chance);
            }
            let announced = former.finish_all();
            platform.announce_theirs(announced);
            platform.former = Some(former);
            platform.known = self.known;
            platform.setting.has_former = true;
        }
        if self.is_shadow {
            platform.setting.percent = 0;
        }
        let by_name = |operation: &Operation| matches!(operation, Operation::GoLive(_));
        platform.may_hand_over = !self.is_shadow || self.operations.iter().any(by_name);
        platform.operations.extend(self.operations);
    }
}

impl Platform {
    /// An operator pauses effects for an hour.
    pub(crate) fn pause(&mut self, kinds: &[Pausable]) {
        let now = self.now;
        self.log(format_args!("{kinds:?} are paused"));
        let pause =
            Pause { since: timestamp(now), by: "an operator".to_owned(), reason: "a test".to_owned() };
        self.leads.pauses = self.leads.pauses.paused(kinds, &pause);
        self.pauses.begin(kinds, now);
    }

    /// Ends the pause once its hour is over.
    pub(crate) fn resume_in_time(&mut self) {
        let now = self.now;
        if self.pauses.end_in_time(now) {
            self.log(format_args!("the pause ends"));
            self.leads.pauses = self.leads.pauses.resumed(&Pausable::ALL, timestamp(now));
        }
    }

    /// The operations at the end of a run. A buyer that the former system has handed over but that is still in shadow
    /// goes live, as an operator would do by `leads parity` and `leads go-live`. In some runs all other buyers with a
    /// recorded answer go live too.
    pub(crate) fn final_operations(&mut self) -> Vec<Operation> {
        let Some(former) = &self.former else { return Vec::new() };
        let is_asked = |buyer: &str| {
            let stream = self.streams.buyers.get(buyer).into_iter().flatten();
            let facts: Vec<_> = stream.filter_map(|(_, commit)| facts_of(commit)).flatten().collect();
            counting(&facts).iter().any(|fact| fact.answer.is_some())
        };
        let buyers: BTreeSet<String> =
            self.streams.buyers.keys().cloned().chain(former.buyers().map(str::to_owned)).collect();
        let (mut goes_live, mut violations, mut is_left) = (Vec::new(), Vec::new(), false);
        for buyer in buyers.iter().filter(|buyer| !self.is_live(buyer)) {
            let is_handed_over = former.has_handed_over(buyer);
            if is_handed_over && !self.may_hand_over {
                violations.push(format!("{buyer}: handed over although no buyer was to go live"));
            }
            is_left |= is_handed_over;
            if is_handed_over || self.all_go_live && is_asked(buyer) {
                goes_live.extend(BuyerId::parse(buyer).ok().map(Operation::GoLive));
            }
        }
        if is_left {
            self.sights.add(Sight::LeftInShadow);
        }
        self.violations.extend(violations);
        goes_live
    }
}

/// Chooses at random whether a former system exists, how long effects are left to it, and what operators decide.
pub(crate) fn take_over(
    platform: &mut Platform,
    posts: &[Post],
    outbox: &mut VecDeque<usize>,
    chance: &mut Chance,
) -> Settings {
    let has_former = chance.per_mille(450);
    let mut settings = settings(has_former, posts.len(), chance);
    if let Some((_, first)) = settings.pop_front() {
        platform.setting = first;
        platform.may_hand_over = first.percent > 0;
    }
    if has_former {
        let mut former = random_former(chance);
        deliver_old_events(&mut former, platform, posts, outbox, chance);
        platform.all_go_live = chance.per_mille(500);
        platform.former = Some(former);
    }
    let buyers: BTreeSet<&str> = posts.iter().map(|post| post.group.as_str()).collect();
    for buyer in buyers.into_iter().filter_map(|name| BuyerId::parse(name).ok()) {
        let shares = [
            (150, Operation::Void(buyer.clone())),
            (if has_former { 200 } else { 0 }, Operation::Reset(buyer.clone())),
            (60, Operation::Erase(buyer.clone())),
            (if has_former { 150 } else { 30 }, Operation::GoLive(buyer.clone())),
        ];
        for (share, operation) in shares {
            if chance.per_mille(share) {
                platform.operations.push(operation);
            }
        }
    }
    // Some runs stay in shadow from the beginning to the end.
    let by_name = |operation: &Operation| matches!(operation, Operation::GoLive(_));
    if settings.iter().all(|(_, setting)| setting.percent == 0) && !platform.may_hand_over {
        platform.operations.retain(|operation| !by_name(operation) || chance.per_mille(500));
    }
    platform.may_hand_over |= platform.operations.iter().any(by_name);
    settings
}

/// Random settings: mostly shadow first, then live for all or some buyers, and perhaps back and live again. In some
/// runs the former system is configured only after a while.
fn settings(has_former: bool, posts: usize, chance: &mut Chance) -> Settings {
    let begins_in_shadow = chance.per_mille(if has_former { 750 } else { 200 });
    let is_blind = has_former && begins_in_shadow && chance.per_mille(200);
    let changes = if !begins_in_shadow && !has_former { 0 } else { chance.pick(&[0, 1, 1, 1, 3, 4, 5]) };
    let mut moments: Vec<usize> =
        (0..changes + usize::from(is_blind)).map(|_| chance.below(posts + 1)).collect();
    moments.sort_unstable();
    let mut setting =
        Setting { percent: if begins_in_shadow { 0 } else { 100 }, has_former: has_former && !is_blind };
    let mut settings = Settings::from([(usize::MAX, setting)]);
    while let Some(left) = moments.pop() {
        if has_former && !setting.has_former {
            setting.has_former = true;
        } else {
            setting.percent = if setting.percent > 0 { 0 } else { chance.pick(&[100, 100, 100, 50, 30]) };
        }
        settings.push_back((left, setting));
    }
    settings
}

fn random_former(chance: &mut Chance) -> Former {
    let mut former = Former::default();
    former.receives_within = chance.pick(&[0, 200, 2_000, MINUTE, HOUR]);
    former.announces_within = chance.pick(&[0, 200, 2_000, MINUTE, 10 * MINUTE]);
    former.leaves_out_acceptances = chance.per_mille(150);
    former.leaves_out_contact = chance.per_mille(100).then(|| "o0".to_owned());
    former
}

/// The former system receives some events before the run and performs everything that they call for. These events are
/// posted to Leadstream as well, or not.
fn deliver_old_events(
    former: &mut Former,
    platform: &mut Platform,
    posts: &[Post],
    outbox: &mut VecDeque<usize>,
    chance: &mut Chance,
) {
    let buyers: BTreeSet<&str> = posts.iter().map(|post| post.group.as_str()).collect();
    for buyer in buyers {
        let knows = u32::try_from(chance.below(4)).unwrap_or(0);
        let is_known = |event: &Sent| event.buyer == buyer && !event.is_odd && event.version <= knows;
        let is_old = |post: &Post| post.event.as_ref().is_some_and(is_known);
        let mut no_delay = Chance::of(0);
        let unsent = platform.unsent.iter().filter(|event| is_known(event));
        for event in
            posts.iter().filter_map(|post| post.event.as_ref()).filter(|event| is_known(event)).chain(unsent)
        {
            former.schedule(-HOUR - former.receives_within, event, &mut no_delay);
        }
        if chance.per_mille(500) {
            outbox.retain(|at| posts.get(*at).is_none_or(|post| !is_old(post)));
        }
    }
    let announced = former.finish_all();
    platform.announce_theirs(announced);
    // It may also receive the events that are never posted to Leadstream.
    if chance.per_mille(500) {
        for event in &platform.unsent {
            former.schedule(0, event, chance);
        }
    }
}
