//! One look at a stack: every request of `leads status`. A source that cannot be read leaves the others alone.

use std::cell::Cell;
use std::collections::BTreeMap;

use aws_sdk_sqs::types::QueueAttributeName::{
    ApproximateNumberOfMessages, ApproximateNumberOfMessagesDelayed, ApproximateNumberOfMessagesNotVisible,
};
use aws_types::SdkConfig;
use futures::future::{join, join_all, join5};
use jiff::{SignedDuration, Timestamp};
use leads_store::{LeadsStore as _, LeadsUnavailable, Pauses, SeenWork, WorkKind, WorkLook};
use platform::clock::{Clock as _, SystemClock};

use super::metrics::{self, Metrics, of_hours, of_minutes, queue_name};
use crate::aws::Aws;
use crate::config::{Places, Tables};
use crate::dead_letters::DeadLetterQueue;
use crate::failure::{Failure, why};
use crate::profile::Profile;
use crate::stack::Stack;

/// The number of items read from each shard of open work.
const WORK_AT_MOST: u16 = 100;

/// The number of times letters are received from the dead-letter queue: at most 30 letters.
const RECEIVES: u64 = 3;

/// How far back the newest minutes are read.
const MINUTES: SignedDuration = SignedDuration::from_mins(15);

/// How far back ends of e-mails are counted.
const HOURS: SignedDuration = SignedDuration::from_hours(24);

/// Where a look is taken.
pub(crate) struct Source<'a> {
    pub(crate) aws: Aws,
    pub(crate) profile: Profile,
    pub(crate) config: SdkConfig,
    /// The places from options, which win over the stack's.
    pub(crate) given: &'a Places,
}

/// What a source says, or why it cannot be read.
pub(super) type Read<T> = Result<T, String>;

/// What was seen.
pub(crate) struct Seen {
    pub(crate) at: Timestamp,
    pub(crate) stack: Stack,
    /// The states of alarms by their names in the template.
    pub(super) alarms: Read<BTreeMap<String, String>>,
    pub(super) minutes: Read<Metrics>,
    pub(super) hours: Read<Metrics>,
    /// The queues by their names in the template.
    pub(super) queues: BTreeMap<&'static str, Read<Depth>>,
    /// Dead letters by reason, of those looked at.
    pub(super) reasons: Read<BTreeMap<String, u64>>,
    pub(super) open: BTreeMap<WorkKind, Read<Open>>,
    /// How far the sweeper has walked.
    pub(super) walked: Read<Option<Timestamp>>,
    /// What operators have paused.
    pub(super) pauses: Read<Pauses>,
    /// The number of requests, without the SDK's own retries.
    pub(crate) requests: u64,
}

/// The approximate number of messages in a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Depth {
    pub(super) waiting: u64,
    pub(super) in_flight: u64,
}

impl Depth {
    pub(super) const fn all(self) -> u64 {
        self.waiting + self.in_flight
    }
}

/// Open work of one kind.
#[derive(Debug, Default)]
pub(crate) struct Open {
    pub(crate) items: Vec<SeenWork>,
    pub(super) unreadable: u64,
    /// Whether there is more than was read.
    pub(crate) is_cut: bool,
}

const DEAD_LETTERS: &str = "OfferEventsDeadLetters";

/// The queues by their names in the template.
const QUEUES: [&str; 6] = [
    "OfferEvents",
    DEAD_LETTERS,
    "ReactorFailures",
    "SalesTeam",
    "EmailReceipts",
    "EmailReceiptsDeadLetters",
];

impl Seen {
    pub(super) fn depth(&self, queue: &str) -> Read<Depth> {
        self.queues.get(queue).cloned().unwrap_or_else(|| Err("the queue is unknown".to_owned()))
    }

    /// How long something has lasted by the clocks of e-mails, which stand still while they are paused.
    pub(super) fn lasted(&self, since: Timestamp) -> SignedDuration {
        let paused = self.pauses.as_ref().map(|pauses| pauses.emails_paused(since, self.at));
        self.at.duration_since(since) - paused.unwrap_or_default()
    }

    pub(super) fn open(&self, kind: WorkKind) -> Read<&Open> {
        match self.open.get(&kind) {
            Some(open) => open.as_ref().map_err(Clone::clone),
            None => Err("this kind of work is unknown".to_owned()),
        }
    }
}

/// Looks once.
///
/// # Errors
/// Those of [`Stack::find`], and of places that are missing.
pub(crate) async fn look(source: &Source<'_>) -> Result<Seen, Failure> {
    let stack = Stack::find(&source.aws, &source.profile).await?;
    let places = stack.places(source.given);
    let tables = places.tables(async || Ok(source.config.clone())).await?;
    let queues = QUEUES.map(|name| {
        let url = match name {
            "OfferEvents" => places.queue_url.clone(),
            DEAD_LETTERS => places.dead_letters_url.clone(),
            "SalesTeam" => places.sales_team_url.clone(),
            _ => stack.output(&format!("{name}QueueUrl")).map(str::to_owned),
        };
        (name, url)
    });
    let at = SystemClock.now();
    let looking =
        Looking { source, stack: &stack.name, at, queues: &queues, tables: &tables, requests: Cell::new(1) };
    let (alarms, (minutes, hours), (depths, reasons), open, (walked, pauses)) = Box::pin(join5(
        looking.alarms(),
        looking.metrics(),
        looking.queues(),
        looking.work(),
        join(looking.walked(), looking.pauses()),
    ))
    .await;
    let requests = looking.requests.get();
    Ok(Seen { at, stack, alarms, minutes, hours, queues: depths, reasons, open, walked, pauses, requests })
}

/// A look in progress.
struct Looking<'a> {
    source: &'a Source<'a>,
    stack: &'a str,
    at: Timestamp,
    /// The URLs of queues, as far as the stack names them.
    queues: &'a [(&'static str, Option<String>)],
    tables: &'a Tables,
    requests: Cell<u64>,
}

impl Looking<'_> {
    fn count(&self, requests: u64) {
        self.requests.set(self.requests.get() + requests);
    }

    async fn alarms(&self) -> Read<BTreeMap<String, String>> {
        let (alarms, pages) = metrics::alarms(&self.source.aws, self.stack).await;
        self.count(pages);
        alarms.map_err(|error| why(&error))
    }

    async fn metrics(&self) -> (Read<Metrics>, Read<Metrics>) {
        let read = async |wanted: &[_], back, period| {
            self.count(1);
            let since = self.at.checked_sub(back).unwrap_or(self.at);
            let read = metrics::read(&self.source.aws, wanted, (since, self.at), period).await;
            read.map_err(|error| why(&error))
        };
        let named = self.queues.iter().filter_map(|(name, url)| Some((*name, queue_name(url.as_deref()?))));
        let (minutes, hours) = (of_minutes(self.stack, named), of_hours(self.stack));
        join(
            read(&minutes, MINUTES, SignedDuration::from_mins(1)),
            read(&hours, HOURS, SignedDuration::from_hours(1)),
        )
        .await
    }

    /// The depths of all queues, and then the reasons of some dead letters, if there are any.
    async fn queues(&self) -> (BTreeMap<&'static str, Read<Depth>>, Read<BTreeMap<String, u64>>) {
        let sqs = aws_sdk_sqs::Client::new(&self.source.config);
        let depths = self.queues.iter().map(async |(name, url)| match url {
            Some(url) => {
                self.count(1);
                (*name, depth(&sqs, url).await)
            }
            None => (*name, Err(format!("the stack has no output {name}QueueUrl: deploy this version"))),
        });
        let depths = BTreeMap::from_iter(join_all(depths).await);
        let waiting = match depths.get(DEAD_LETTERS) {
            Some(Ok(depth)) => depth.waiting,
            Some(Err(_)) | None => 0,
        };
        let url = self.queues.iter().find_map(|(name, url)| url.clone().filter(|_| *name == DEAD_LETTERS));
        let Some(url) = url.filter(|_| waiting > 0) else { return (depths, Ok(BTreeMap::new())) };
        let (reasons, requests) = DeadLetterQueue::new(sqs, url, None).glance(RECEIVES, waiting).await;
        self.count(requests);
        (depths, reasons.map_err(|error| why(&error)))
    }

    async fn work(&self) -> BTreeMap<WorkKind, Read<Open>> {
        let kinds = WorkKind::ALL.map(async |kind| {
            self.count(kind.shards().count() as u64);
            (kind, open_work(self.tables, kind).await.map_err(|error| why(&error)))
        });
        BTreeMap::from_iter(join_all(kinds).await)
    }

    async fn walked(&self) -> Read<Option<Timestamp>> {
        self.count(1);
        let walked = self.tables.leads.walked().await.map_err(|error| why(&error))?;
        Ok(walked.map(|walked| walked.through))
    }

    async fn pauses(&self) -> Read<Pauses> {
        self.count(1);
        self.tables.leads.pauses().await.map_err(|error| why(&error))
    }
}

async fn depth(sqs: &aws_sdk_sqs::Client, url: &str) -> Read<Depth> {
    let names = [
        ApproximateNumberOfMessages,
        ApproximateNumberOfMessagesDelayed,
        ApproximateNumberOfMessagesNotVisible,
    ];
    let [visible, delayed, in_flight] = names.clone();
    let asked = sqs.get_queue_attributes().queue_url(url).set_attribute_names(Some(names.to_vec()));
    let answer = asked.send().await.map_err(|error| why(&error))?;
    let number = |name| answer.attributes()?.get(&name)?.parse::<u64>().ok();
    let number = |name| number(name).unwrap_or_default();
    Ok(Depth { waiting: number(visible) + number(delayed), in_flight: number(in_flight) })
}

/// The open work of a kind, from at most so many items of each shard that one page shows.
pub(crate) async fn open_work(tables: &Tables, kind: WorkKind) -> Result<Open, LeadsUnavailable> {
    let looks = kind.shards().map(|shard| tables.leads.look_at_work(shard, WORK_AT_MOST));
    let mut open = Open::default();
    for look in join_all(looks).await {
        let WorkLook { items, unreadable, is_cut } = look?;
        open.items.extend(items);
        open.unreadable += unreadable;
        open.is_cut |= is_cut;
    }
    Ok(open)
}
