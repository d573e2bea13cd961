use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use aws_lambda_events::event::{dynamodb, sqs};
use effects::MailPace;
use effects::mail::Letterhead;
use futures::future::join_all;
use platform::clock::Deadline;
use platform::telemetry::chain;
use reactor::Reactor;
use receipts::Listener;
use recorder::Recorder;
use serde_dynamo::AttributeValue;
use sweeper::Sweeper;

use crate::adapters::Aws;
use crate::call::Machine;
use crate::chance::timestamp;
use crate::fault::Site;
use crate::history::BREAKS;
use crate::operator::operate;
use crate::plan::{Safeguard, Setting, Strategy};
use crate::platform::{Doorbell, Platform, Received, message_id};
use crate::sight::Sight;
use crate::unguarded;

/// The time-outs of the functions in milliseconds, as in the template.
const RECORDER_TIME_OUT: i64 = 30_000;
const REACTOR_TIME_OUT: i64 = 60_000;
const SWEEPER_TIME_OUT: i64 = 240_000;
const RECEIPTS_TIME_OUT: i64 = 60_000;

/// The workers: the four functions and the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Recorder,
    Reactor,
    Sweeper,
    Receipts,
    Operator,
}

impl Kind {
    /// Whether the worker appends to streams.
    pub(crate) const fn appends(self) -> bool {
        matches!(self, Self::Recorder | Self::Operator)
    }
}

/// A warm execution environment. Its memory survives from one invocation to the next.
#[derive(Debug, Clone)]
pub(crate) enum Warm {
    Recorder(Rc<Machine>, Rc<Recorder<Aws, Aws, Aws, Aws>>),
    Reactor(Rc<Machine>, Rc<Reactor<Aws, Aws, Aws, Aws>>),
    Sweeper(Rc<Machine>, Rc<Sweeper<Aws, Aws, Aws, Aws>>),
    Receipts(Rc<Machine>, Rc<Listener<Aws, Aws>>),
    Operator(Rc<Machine>),
}

/// An invocation in progress.
pub(crate) struct Invocation {
    pub(crate) kind: Kind,
    pub(crate) machine: Rc<Machine>,
    pub(crate) future: Pin<Box<dyn Future<Output = ()>>>,
    /// The end of its freeze.
    pub(crate) wakes_at: i64,
    /// The duration of its freeze.
    pub(crate) slept: i64,
    /// The slot in which it runs; `None` once it was frozen.
    pub(crate) slot: Option<usize>,
    /// The doorbells that are delivered again if it fails.
    pub(crate) doorbells: Vec<Doorbell>,
    pub(crate) has_failed: Rc<RefCell<bool>>,
}

impl Invocation {
    /// Whether one of its calls waits for a verdict.
    pub(crate) fn is_awake(&self, now: i64) -> bool {
        self.wakes_at <= now && !self.machine.only_sleeps()
    }

    /// The time at which it continues, if it is frozen or sleeps.
    pub(crate) fn goes_on_at(&self) -> i64 {
        let sleeps_until = self.machine.wakes_at().filter(|_| self.machine.only_sleeps());
        self.wakes_at.max(sleeps_until.unwrap_or(self.wakes_at))
    }
}

impl Warm {
    pub(crate) fn start(
        kind: Kind,
        name: String,
        platform: &Rc<RefCell<Platform>>,
        skew: i64,
        letterhead: &Letterhead,
        (setting, pace): (Setting, MailPace),
    ) -> Self {
        let machine = Rc::new(Machine::new(name, Rc::clone(platform), skew));
        let aws = || Aws(Rc::clone(&machine));
        match kind {
            Kind::Recorder => {
                let former = setting.has_former.then(aws);
                let recorder = Recorder::new(aws(), aws(), aws()).beside(former).live(setting.share());
                Self::Recorder(Rc::clone(&machine), Rc::new(recorder))
            }
            Kind::Reactor => {
                let reactor = Reactor::new(aws(), aws(), aws(), aws(), letterhead.clone());
                Self::Reactor(Rc::clone(&machine), Rc::new(reactor))
            }
            Kind::Sweeper => {
                let sweeper = Sweeper::new(aws(), aws(), aws(), aws(), letterhead.clone(), pace);
                Self::Sweeper(Rc::clone(&machine), Rc::new(sweeper))
            }
            Kind::Receipts => Self::Receipts(Rc::clone(&machine), Rc::new(Listener::new(aws(), aws()))),
            Kind::Operator => Self::Operator(machine),
        }
    }

    const fn kind(&self) -> Kind {
        match self {
            Self::Recorder(..) => Kind::Recorder,
            Self::Reactor(..) => Kind::Reactor,
            Self::Sweeper(..) => Kind::Sweeper,
            Self::Receipts(..) => Kind::Receipts,
            Self::Operator(_) => Kind::Operator,
        }
    }

    /// Starts an invocation, if there is work for it.
    pub(crate) fn invoke(&self, platform: &mut Platform, slot: usize) -> Option<Invocation> {
        let has_failed = Rc::new(RefCell::new(false));
        let now = platform.now;
        let mut chance = platform.chance.clone();
        let (machine, future, doorbells): (_, Pin<Box<dyn Future<Output = ()>>>, _) = match self {
            Self::Recorder(machine, recorder) => {
                let mut batch = platform.queue.receive(now, &mut chance);
                platform.chance = chance;
                let is_sent_again = platform.is(Strategy::Requeue);
                if is_sent_again || platform.is_off(Safeguard::Holding) {
                    unguarded::remove_early(platform, &mut batch, is_sent_again);
                }
                if batch.is_empty() {
                    return None;
                }
                if batch.iter().any(|message| message.receives > 1) {
                    platform.sights.add(Sight::ReceivedAgain);
                }
                if platform.is_off(Safeguard::OneByOne) {
                    for message in &mut batch {
                        message.receives = 1;
                    }
                }
                platform.log(format_args!("{} receives {}", machine.name, Ids(&batch)));
                let began = (now, platform.step());
                (machine, Box::pin(record(Rc::clone(machine), Rc::clone(recorder), batch, began)), Vec::new())
            }
            Self::Reactor(machine, reactor) => {
                let trusts = platform.is(Strategy::TrustFeed);
                if platform.feed.trim(now) {
                    platform.sights.add(Sight::TrimmedDoorbell);
                }
                let batch = platform.feed.receive(now, &mut chance, if trusts { 1 } else { 3 });
                platform.chance = chance;
                if batch.is_empty() {
                    return None;
                }
                if let Some(doorbell) = batch.first().filter(|_| trusts) {
                    machine.trust(&doorbell.buyer, doorbell.sequence);
                }
                platform.log(format_args!("{} receives {} doorbells", machine.name, batch.len()));
                let work = react(
                    Rc::clone(machine),
                    Rc::clone(reactor),
                    records(&batch),
                    now,
                    Rc::clone(&has_failed),
                );
                (machine, Box::pin(work), batch)
            }
            Self::Sweeper(machine, sweeper) => {
                platform.log(format_args!("{} sweeps", machine.name));
                if platform.pauses.is_on() {
                    platform.sights.add(Sight::SweptInPause);
                }
                (machine, Box::pin(sweep(Rc::clone(machine), Rc::clone(sweeper))), Vec::new())
            }
            Self::Operator(machine) => {
                let operation = platform.operations.first()?.clone();
                platform.log(format_args!("{} begins {operation:?}", machine.name));
                let work = operate(Rc::clone(machine), operation);
                (machine, Box::pin(work), Vec::new())
            }
            Self::Receipts(machine, listener) => {
                let batch = platform.events.receive(now, &mut chance);
                platform.chance = chance;
                if batch.is_empty() {
                    return None;
                }
                platform.log(format_args!("{} receives {} receipts", machine.name, batch.len()));
                let work = take_receipts(Rc::clone(machine), Rc::clone(listener), batch, now);
                (machine, Box::pin(work), Vec::new())
            }
        };
        let machine = Rc::clone(machine);
        machine.begin(now);
        Some(Invocation {
            kind: self.kind(),
            machine,
            future,
            wakes_at: 0,
            slept: 0,
            slot: Some(slot),
            doorbells,
            has_failed,
        })
    }
}

struct Ids<'a>(&'a [Received]);

impl std::fmt::Display for Ids<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|message| write!(f, "{}/{} ", message.group, message_id(message.id)))
    }
}

async fn record(
    machine: Rc<Machine>,
    recorder: Rc<Recorder<Aws, Aws, Aws, Aws>>,
    batch: Vec<Received>,
    (began, step): (i64, u64),
) {
    let deadline = Deadline::at(deadline_of(&machine, RECORDER_TIME_OUT));
    let each = if machine.platform.borrow().is(Strategy::PartialBatch) { 1 } else { batch.len() };
    let answers = join_all(batch.chunks(each).map(|messages| {
        let mut event = sqs::SqsEvent::default();
        event.records = messages.iter().map(message).collect();
        recorder.handle(event, deadline)
    }));
    let mut failed = BTreeSet::new();
    for answer in answers.await {
        let Ok(answer) = answer else { return };
        failed.extend(answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier));
    }
    if !failed.is_empty() && machine.platform.borrow().is(Strategy::WholeBatch) {
        return;
    }
    let is_stopped = !machine.platform.borrow().is_off(Safeguard::GroupStop);
    let mut settled = Vec::new();
    let mut stopped = BTreeSet::new();
    let groups_received_again = groups_received_again(&batch);
    for message in batch {
        let is_failed = failed.contains(&message_id(message.id));
        // Without the group stop, only the first failed message of a buyer is returned.
        if is_failed && (is_stopped || stopped.insert(message.group.clone())) {
            continue;
        }
        settled.push(message);
    }
    for message in
        settled.iter().filter(|message| groups_received_again.contains(&message.group) && is_event(message))
    {
        machine.platform.borrow_mut().must_be_live(&message.group, step);
    }
    let delete = |platform: &mut Platform| {
        // The answer of an invocation that has timed out is ignored.
        if platform.now <= began + RECORDER_TIME_OUT {
            let now = platform.now;
            platform.queue.delete(now, &settled);
        }
    };
    machine.call(Site::Answer, delete, |_| (), || None).await;
}

/// The groups whose messages in this batch were all received before.
fn groups_received_again(batch: &[Received]) -> BTreeSet<String> {
    let is_again = |group: &String| {
        let mut of_group = batch.iter().filter(|message| message.group == *group);
        of_group.all(|message| message.receives > 1)
    };
    batch.iter().map(|message| message.group.clone()).filter(is_again).collect()
}

/// Whether a message can be recorded.
fn is_event(message: &Received) -> bool {
    let of_buyer = format!(r#""buyerId":"{}""#, message.group);
    message.body.contains(&of_buyer) && message.body.contains(".v1") && !message.body.contains(BREAKS)
}

async fn react(
    machine: Rc<Machine>,
    reactor: Rc<Reactor<Aws, Aws, Aws, Aws>>,
    event: dynamodb::Event,
    began: i64,
    has_failed: Rc<RefCell<bool>>,
) {
    let deadline = Deadline::at(deadline_of(&machine, REACTOR_TIME_OUT));
    let result = reactor.handle(event, deadline).await;
    if let Err(error) = &result {
        // Lambda logs this error.
        machine.platform.borrow_mut().check_not_personal(&chain(error));
    }
    let is_late = machine.platform.borrow().now > began + REACTOR_TIME_OUT;
    *has_failed.borrow_mut() = result.is_err() || is_late;
}

async fn sweep(machine: Rc<Machine>, sweeper: Rc<Sweeper<Aws, Aws, Aws, Aws>>) {
    let result = sweeper.handle(Deadline::at(deadline_of(&machine, SWEEPER_TIME_OUT))).await;
    // A failed sweep is not repeated; the next one does the remaining work. Lambda logs the error.
    if let Err(error) = result {
        machine.platform.borrow_mut().check_not_personal(&chain(&error));
    }
}

async fn take_receipts(
    machine: Rc<Machine>,
    listener: Rc<Listener<Aws, Aws>>,
    batch: Vec<(String, String)>,
    began: i64,
) {
    let deadline = Deadline::at(deadline_of(&machine, RECEIPTS_TIME_OUT));
    let mut event = sqs::SqsEvent::default();
    event.records = batch
        .iter()
        .map(|(id, body)| {
            let mut message = sqs::SqsMessage::default();
            message.message_id = Some(id.clone());
            message.body = Some(body.clone());
            message
        })
        .collect();
    let answer = listener.handle(event, deadline).await;
    let failed: BTreeSet<String> =
        answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
    let settled: Vec<String> =
        batch.into_iter().map(|(id, _)| id).filter(|id| !failed.contains(id)).collect();
    let delete = |platform: &mut Platform| {
        if platform.now <= began + RECEIPTS_TIME_OUT {
            platform.events.delete(&settled);
        }
    };
    machine.call(Site::ReceiptsAnswer, delete, |_| (), || None).await;
}

/// The invocation's deadline by the machine's own clock, as Lambda's runtime gives it.
fn deadline_of(machine: &Rc<Machine>, time_out: i64) -> jiff::Timestamp {
    use platform::clock::Clock as _;
    let now = Aws(Rc::clone(machine)).now();
    now.saturating_add(jiff::SignedDuration::from_millis(time_out)).unwrap_or_else(|_| timestamp(0))
}

fn message(received: &Received) -> sqs::SqsMessage {
    let mut message = sqs::SqsMessage::default();
    message.message_id = Some(message_id(received.id));
    message.body = Some(received.body.clone());
    message.attributes.insert("MessageGroupId".to_owned(), received.group.clone());
    message.attributes.insert("MessageDeduplicationId".to_owned(), received.dedup.clone());
    message.attributes.insert("ApproximateReceiveCount".to_owned(), received.receives.to_string());
    message
}

fn records(batch: &[Doorbell]) -> dynamodb::Event {
    let mut event = dynamodb::Event::default();
    for doorbell in batch {
        let mut record = dynamodb::EventRecord::default();
        let keys = &mut record.change.keys;
        keys.insert("buyer".to_owned(), AttributeValue::S(doorbell.buyer.clone()));
        keys.insert("sequence".to_owned(), AttributeValue::N(doorbell.sequence.to_string()));
        event.records.push(record);
    }
    event
}
