//! The take-over from a former system: the settings of the stack over time, events older than our queue, and the
//! decisions of operators.

use std::collections::{BTreeSet, VecDeque};

use domain::BuyerId;
use recorder::LiveShare;

use crate::chance::Chance;
use crate::history::{Post, Sent};
use crate::operator::Operation;
use crate::platform::{Former, Platform};
use crate::rules::{counting, facts_of};
use crate::sight::Sight;
use crate::world::{HOUR, MINUTE};

/// The parameters `Effects`, `LivePercent` and `LegacyUrl` of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Setting {
    /// The percentage of buyers that go live; 0 in shadow.
    pub(crate) percent: u8,
    /// Whether the former system is configured.
    pub(crate) has_former: bool,
}

impl Setting {
    pub(crate) fn share(self) -> LiveShare {
        LiveShare::percent(self.percent).unwrap_or(LiveShare::EVERYBODY)
    }
}

/// The settings of a run. Each applies once no more than this number of posts is left.
pub(crate) type Settings = VecDeque<(usize, Setting)>;

/// A given former system, and given decisions of operators.
#[derive(Debug, Clone, Default)]
pub struct Takeover {
    /// The events that the former system received before Leadstream existed.
    pub(crate) known: Vec<Sent>,
    /// Whether a former system exists, even if it received no events.
    pub(crate) has_former: bool,
    /// Whether the stack begins in shadow.
    pub(crate) is_shadow: bool,
    /// The operations to perform once everything has come to rest.
    pub(crate) operations: Vec<Operation>,
    /// The number of posts that come after the operations.
    pub(crate) later: usize,
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
    /// Changes the settings of the stack. They apply to new execution environments, not to running invocations.
    pub(crate) fn set(&mut self, setting: Setting) {
        if setting.percent < self.setting.percent {
            self.sights.add(Sight::FlippedBack);
        }
        self.log(format_args!("{setting:?}"));
        self.setting = setting;
        self.epoch += 1;
        self.may_hand_over |= setting.percent > 0;
    }

    /// Whether the buyer is live by its newest commit.
    pub(crate) fn is_live(&self, buyer: &str) -> bool {
        let stream = self.streams.buyers.get(buyer);
        stream.and_then(|stream| stream.values().next_back()).is_some_and(|commit| !commit.shadow)
    }

    /// Checks that a buyer does not stay in shadow if it was handed over before this step and all its messages were
    /// received again.
    pub(crate) fn must_be_live(&mut self, buyer: &str, step: u64) {
        let is_over = self.handed_over_at.get(buyer).is_some_and(|at| *at < step);
        if is_over && self.panics == 0 && self.streams.has(buyer, 1) && !self.is_live(buyer) {
            self.violations.push(format!(
                "{buyer}: handed over, but still in shadow after a repeated message was handled"
            ));
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
