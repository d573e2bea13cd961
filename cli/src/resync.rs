//! `leads resync`: sends the sales team's messages again, for a consumer that lost its data. Each message has the id and
//! the bytes with which it was sent first.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use aws_sdk_sqs::Client;
use contract::outgoing::announcement;
use contract::stored::Commit;
use domain::BuyerId;
use jiff::Timestamp;
use leads_store::About;
use platform::telemetry::chain;
use serde_json::{Value, json};

use crate::args::Resync;
use crate::buyers::Which;
use crate::explain::explained;
use crate::output::{Output, Progress, count, interrupted};
use crate::pass::in_order;
use crate::send::{self, Message};
use crate::takeover::replay;
use crate::{Exit, Explained, Failure, Settled, Tables};

/// The messages of one buyer that were sent, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repeats {
    /// The messages.
    pub messages: Vec<Repeat>,
    /// The number of messages that cannot be written again, because the buyer's contact was erased since.
    pub without_contact: u64,
}

/// A message that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeat {
    /// The id of the effect and of the message.
    pub id: String,
    /// The kind of effect, as in `lead-opened`.
    pub kind: &'static str,
    /// The message, identical to the byte.
    pub body: String,
}

/// The messages of one buyer that were sent for commits recorded at or after `since`. Left out are effects that are
/// pending, were overtaken, or belong to a commit in shadow: no message was sent for them.
#[must_use]
pub fn repeats(commits: &[Commit], about: &About, since: Option<Timestamp>) -> Repeats {
    // A contact never changes once an effect needs it, except that it is erased. An opening that an erasure followed is
    // not repeated, but its closing is.
    let head = replay(commits).state;
    let mut found = Repeats::default();
    for commit in commits.iter().filter(|commit| since.is_none_or(|since| commit.recorded_at >= since)) {
        for effect in commit.effects.iter().filter(|effect| !effect.kind.is_email()) {
            let Explained { effect, settled, .. } = explained(effect, commit, about);
            if settled != Settled::Sent {
                continue;
            }
            match announcement(&effect, commit, &head) {
                Some(body) => found.messages.push(Repeat {
                    id: effect.id(&commit.buyer),
                    kind: effect.kind.name(),
                    body,
                }),
                None => found.without_contact += 1,
            }
        }
    }
    found
}

async fn read(tables: &Tables, buyer: &BuyerId, since: Option<Timestamp>) -> Result<Repeats, Failure> {
    let commits = event_store::history(&tables.streams, buyer).await;
    let commits = commits.map_err(|source| Failure::Stream { buyer: buyer.clone(), source })?;
    let about = tables.leads.about(buyer).await;
    let about = about.map_err(|source| Failure::Leads { buyer: buyer.clone(), source })?;
    Ok(repeats(&commits, &about, since))
}

/// Where the messages go.
enum Sink<'a> {
    /// They are only counted.
    Nowhere,
    /// To the sales team's queue.
    Queue { sqs: Client, url: &'a str },
    /// To a file, one message per line.
    File { name: String, file: File },
}

impl Sink<'_> {
    fn file(path: &Path, goes_on: bool) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let mut options = OpenOptions::new();
        let options = if goes_on { options.append(true) } else { options.write(true).create_new(true) };
        let file = options.open(path).map_err(|source| Failure::WriteFile { file: name.clone(), source })?;
        Ok(Self::File { name, file })
    }

    const fn name(&self) -> Option<&'static str> {
        match self {
            Self::Nowhere => None,
            Self::Queue { .. } => Some("queue"),
            Self::File { .. } => Some("file"),
        }
    }

    async fn take(&mut self, messages: &[(&BuyerId, &Repeat)]) -> Result<(), Failure> {
        match self {
            Self::Nowhere => Ok(()),
            Self::File { name, file } => {
                let lines: String =
                    messages.iter().flat_map(|(_, message)| [message.body.as_str(), "\n"]).collect();
                let written = file.write_all(lines.as_bytes());
                written.map_err(|source| Failure::WriteFile { file: name.clone(), source })
            }
            Self::Queue { sqs, url } => {
                let message = |(line, (buyer, message)): (u64, &(&BuyerId, &Repeat))| {
                    Ok(Message {
                        line,
                        buyer: (*buyer).clone(),
                        // SQS accepts a repeated one without delivering it for five minutes, even after the first was
                        // deleted (Amazon SQS Developer Guide, "FIFO queue key terms").
                        deduplication_id: send::fresh(&message.id),
                        body: message.body.clone(),
                        attempts: 0,
                    })
                };
                let posted = send::post(sqs, url, (1..).zip(messages).map(message), |_| true).await;
                let refused = |line: u64| messages.get(usize::try_from(line).ok()?.checked_sub(1)?);
                match posted.failure {
                    None => Ok(()),
                    Some(Failure::Refused { line, code }) => Err(Failure::MessageRefused {
                        id: refused(line).map(|(_, message)| message.id.clone()).unwrap_or_default(),
                        code,
                    }),
                    Some(Failure::Post(source)) => Err(Failure::SalesTeam(source)),
                    Some(failure) => Err(failure),
                }
            }
        }
    }
}

/// What a run did.
#[derive(Debug, Default)]
struct Tally {
    selected: u64,
    buyers: u64,
    messages: BTreeMap<&'static str, u64>,
    without_contact: u64,
    failed: BTreeMap<BuyerId, String>,
}

impl Tally {
    fn total(&self) -> u64 {
        self.messages.values().sum()
    }

    fn text(&self, sink: Option<&str>) -> String {
        let kinds: Vec<String> =
            self.messages.iter().map(|(kind, number)| format!("{number} {kind}")).collect();
        let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
        let end = match sink {
            Some(sink) => format!("sent to the {sink} again."),
            None => "can be sent again.".to_owned(),
        };
        let mut lines: Vec<String> =
            self.failed.iter().map(|(buyer, why)| format!("{buyer} was left out: {why}")).collect();
        if self.without_contact > 0 {
            let messages = count(self.without_contact, "message");
            lines.push(format!("{messages} left out, because the buyer's contact was erased since."));
        }
        let (done, messages) = (count(self.buyers, "buyer"), count(self.total(), "message"));
        lines.push(format!("{done} of {}: {messages}{kinds} {end}", self.selected));
        lines.join("\n")
    }

    fn json(&self, sink: Option<&str>, next: Option<&BuyerId>, is_early: bool) -> Value {
        let failed = self.failed.iter().map(|(buyer, why)| json!({ "buyerId": buyer.as_str(), "why": why }));
        json!({
            "isComplete": !is_early,
            "sentTo": sink,
            "selected": self.selected,
            "buyers": self.buyers,
            "messages": self.messages,
            "withoutContact": self.without_contact,
            "failed": failed.collect::<Vec<_>>(),
            "next": next.map(BuyerId::as_str),
        })
    }
}

pub(crate) async fn command<O: Write, E: Write>(
    resync: &Resync,
    tables: &Tables,
    queue: Option<(Client, &str)>,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let mut stop = Box::pin(interrupted());
    let mut tally = Tally::default();
    let Some(buyers) = select(resync, tables, &mut stop, output).await? else {
        return end(&tally, None, resync.from.as_ref(), true, output);
    };
    // Only now, so that an early end leaves no empty file.
    let mut sink = match (&resync.to_file, queue) {
        (Some(path), _) if resync.yes => Sink::file(path, resync.from.is_some())?,
        (None, Some((sqs, url))) if resync.yes => Sink::Queue { sqs, url },
        _ => Sink::Nowhere,
    };
    tally.selected = buyers.len() as u64;
    let progress = Progress::towards(tally.selected, if resync.yes { "sent again" } else { "counted" });
    let reading = async |buyer| read(tables, buyer, resync.since).await;
    let passed = in_order(&buyers, resync.rate, &mut stop, reading, async |group| {
        let mut messages = Vec::new();
        for (buyer, read) in &group {
            match read {
                Ok(repeats) => messages.extend(repeats.messages.iter().map(|message| (*buyer, message))),
                // A table that does not answer is not one buyer's fault.
                Err(failure) if group.iter().all(|(_, read)| read.is_err()) => {
                    return Err(Failure::Usage(chain(failure)));
                }
                Err(failure) => drop(tally.failed.insert((*buyer).clone(), chain(failure))),
            }
        }
        sink.take(&messages).await?;
        for (_, message) in &messages {
            *tally.messages.entry(message.kind).or_default() += 1;
        }
        let read = group.iter().filter_map(|(_, read)| read.as_ref().ok());
        for repeats in read {
            tally.buyers += 1;
            tally.without_contact += repeats.without_contact;
        }
        progress.at(tally.buyers);
        Ok(if resync.yes { f64::from(u32::try_from(messages.len()).unwrap_or(u32::MAX)) } else { 0.0 })
    })
    .await;
    progress.end();
    let exit = end(&tally, sink.name(), passed.next, passed.next.is_some(), output)?;
    if let Some(failure) = passed.failure {
        return Err(failure);
    }
    if exit == Exit::Good && !resync.yes && tally.total() > 0 {
        let messages = count(tally.total(), "message");
        return Err(Failure::NotConfirmed {
            what: format!("sending {messages} again, --to-queue or --to-file,"),
        });
    }
    Ok(exit)
}

/// The selected buyers in the order of their ids; `None` if interrupted.
async fn select<O: Write, E: Write>(
    resync: &Resync,
    tables: &Tables,
    stop: &mut (impl Future<Output = ()> + Unpin),
    output: &mut Output<'_, O, E>,
) -> Result<Option<Vec<BuyerId>>, Failure> {
    let which = if resync.buyer.is_empty() { Which::All } else { Which::Named(resync.buyer.clone()) };
    let listed = which.listed()?;
    let found = which.resolve_since(listed, resync.since, resync.read_rate, tables, stop, output).await?;
    let goes_on = |buyer: &BuyerId| resync.from.as_ref().is_none_or(|from| buyer >= from);
    let sorted = |buyers: Vec<BuyerId>| buyers.into_iter().filter(goes_on).collect::<BTreeSet<_>>();
    Ok(found.map(|buyers| sorted(buyers).into_iter().collect()))
}

fn end<O: Write, E: Write>(
    tally: &Tally,
    sink: Option<&str>,
    next: Option<&BuyerId>,
    is_early: bool,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    if output.is_json {
        output.json(&tally.json(sink, next, is_early))?;
    } else {
        output.line(&tally.text(sink))?;
    }
    if is_early {
        let from = next.map(|buyer| format!(", with --from {buyer}")).unwrap_or_default();
        output.aside(&format!("INCOMPLETE. Run it again to go on{from}."))?;
        return Ok(Exit::Interrupted);
    }
    Ok(if tally.failed.is_empty() { Exit::Good } else { Exit::Failed })
}
