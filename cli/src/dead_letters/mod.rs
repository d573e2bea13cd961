//! `leads dead-letters`: lists, shows, redrives and drops messages that the recorder or SQS set aside.

mod queue;
mod work;

use std::collections::BTreeMap;
use std::io::Write;

use aws_types::SdkConfig;
use platform::clock::{Clock as _, SystemClock};
pub use queue::{DeadLetterQueue, Letter, Selection};
use serde_json::{Value, json};
pub use work::{Doing, Done, find, work};

use crate::args::{DeadLetters, Picked};
use crate::output::{CtrlC, Output, Progress, count, harmless, moment, or_dash, table};
use crate::{Exit, Failure, Places};

pub(crate) async fn command<O: Write, E: Write>(
    command: &DeadLetters,
    places: &Places,
    connect: impl AsyncFnOnce() -> Result<SdkConfig, Failure>,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let url = places.dead_letters_url()?.to_owned();
    let offer_events = match command {
        DeadLetters::Redrive { .. } => Some(places.queue_url()?.to_owned()),
        DeadLetters::List { .. } | DeadLetters::Show { .. } | DeadLetters::Drop { .. } => None,
    };
    if offer_events.as_ref() == Some(&url) {
        return Err(Failure::SameQueue);
    }
    let queue = DeadLetterQueue::new(aws_sdk_sqs::Client::new(&connect().await?), url, offer_events);
    match command {
        DeadLetters::List { picked } => {
            let done = watched(&queue, &picked.selection(), Doing::Looking).await?;
            done.report(Doing::Looking, output)?;
            Ok(if done.is_interrupted { Exit::Interrupted } else { Exit::Good })
        }
        DeadLetters::Show { id, body } => show(&queue, id, *body, output).await,
        DeadLetters::Redrive { picked, yes, .. } => {
            change(&queue, picked, Doing::Redriving, *yes, output).await
        }
        DeadLetters::Drop { picked, yes, .. } => change(&queue, picked, Doing::Dropping, *yes, output).await,
    }
}

/// Redrives or drops letters. Without confirmation only shows them.
async fn change<O: Write, E: Write>(
    queue: &DeadLetterQueue,
    picked: &Picked,
    doing: Doing,
    is_confirmed: bool,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let selection = picked.selection();
    let (what, how) = match doing {
        Doing::Redriving => ("Redriving", ", in order within each buyer"),
        Doing::Dropping | Doing::Looking => ("Dropping", " permanently"),
    };
    if !is_confirmed {
        let done = watched(queue, &selection, Doing::Looking).await?;
        done.report(Doing::Looking, output)?;
        if done.is_interrupted {
            return Ok(Exit::Interrupted);
        }
        return if done.letters.is_empty() {
            Ok(Exit::Good)
        } else {
            Err(Failure::NotConfirmed { what: format!("{} {selection}", what.to_lowercase()) })
        };
    }
    output.aside(&format!("{what} {selection}{how}."))?;
    finish(watched(queue, &selection, doing).await?, doing, &selection, output)
}

/// Works through the queue with progress, until it is done or Ctrl-C is pressed.
async fn watched(queue: &DeadLetterQueue, selection: &Selection, doing: Doing) -> Result<Done, Failure> {
    let progress = Progress::counting("dead letters seen");
    let mut ctrl_c = CtrlC::listening();
    let done = work(queue, selection, doing, SystemClock.now(), |seen| {
        progress.at(seen);
        !ctrl_c.is_pressed()
    })
    .await;
    progress.end();
    done
}

async fn show<O: Write, E: Write>(
    queue: &DeadLetterQueue,
    id: &str,
    with_body: bool,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let Some(letter) = find(queue, id).await? else {
        output.aside(&format!(
            "{id} was not found. It may be waiting behind ten other letters of its buyer: SQS hands out at most ten of a \
             buyer at once."
        ))?;
        return Ok(Exit::Findings);
    };
    if output.is_json {
        output.json(&letter.json(with_body))?;
    } else {
        output.line(&letter.text(with_body))?;
    }
    Ok(Exit::Good)
}

fn finish<O: Write, E: Write>(
    mut done: Done,
    doing: Doing,
    selection: &Selection,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    done.report(doing, output)?;
    if !done.failures.is_empty() {
        return Err(done.failures.swap_remove(0).1);
    }
    if done.is_interrupted {
        return Ok(Exit::Interrupted);
    }
    let is_missing = |id: &&String| !done.letters.iter().any(|letter| letter.id == **id);
    let missing: Vec<&str> = selection.ids.iter().filter(is_missing).map(String::as_str).collect();
    if missing.is_empty() {
        return Ok(if done.is_cut_short { Exit::Findings } else { Exit::Good });
    }
    output.aside(&format!("not found, or excluded by the other options: {}", missing.join(", ")))?;
    Ok(Exit::Findings)
}

impl Picked {
    fn selection(&self) -> Selection {
        Selection {
            reasons: self.reason.clone(),
            buyers: self.buyer.clone(),
            ids: self.id.clone(),
            older_than: self.older_than,
            newer_than: self.newer_than,
        }
    }
}

impl Letter {
    /// The letter as text.
    #[must_use]
    pub fn text(&self, with_body: bool) -> String {
        let rows = [
            ("id", self.id.clone()),
            ("buyer", harmless(&self.buyer)),
            ("sent", or_dash(self.sent_at.map(moment))),
            ("reason", harmless(&self.reason)),
            ("detail", or_dash(self.detail.as_deref().map(harmless))),
            ("source", or_dash(self.source.as_deref().map(harmless))),
            ("body", if with_body { harmless(&self.body) } else { "not shown; use --body".to_owned() }),
        ];
        rows.map(|(name, value)| format!("{name:8}{value}")).join("\n")
    }

    /// The letter as JSON.
    #[must_use]
    pub fn json(&self, with_body: bool) -> Value {
        let source = self.source.as_deref();
        let mut document = json!({
            "id": self.id,
            "buyerId": self.buyer,
            "sentAt": self.sent_at.map(|sent| sent.to_string()),
            "reason": self.reason,
            "detail": self.detail,
            "source": source.map(|text| serde_json::from_str(text).unwrap_or_else(|_| json!(text))),
        });
        if with_body {
            document["body"] = json!(self.body);
        }
        document
    }
}

impl Done {
    fn report<O: Write, E: Write>(&self, doing: Doing, output: &mut Output<'_, O, E>) -> Result<(), Failure> {
        if output.is_json { output.json(&self.json(doing)) } else { output.line(&self.text(doing)) }
    }

    /// The result as text.
    #[must_use]
    pub fn text(&self, doing: Doing) -> String {
        let mut parts = Vec::new();
        if !self.letters.is_empty() {
            let rows = self.letters.iter().map(|letter| {
                [
                    letter.id.clone(),
                    harmless(&letter.buyer),
                    or_dash(letter.sent_at.map(moment)),
                    harmless(&letter.reason),
                    or_dash(letter.detail.as_deref().map(harmless)),
                ]
            });
            parts.push(table(&["id", "buyer", "sent", "reason", "detail"], rows));
        }
        let word = match doing {
            Doing::Looking => "found",
            Doing::Redriving => "redriven",
            Doing::Dropping => "dropped",
        };
        let mut number = count(self.letters.len() as u64, "dead letter");
        let mut kinds = BTreeMap::<&str, usize>::new();
        for letter in &self.letters {
            *kinds.entry(&letter.reason).or_default() += 1;
        }
        if kinds.len() > 1 {
            let kinds = kinds.into_iter().map(|(reason, times)| format!("{times} {}", harmless(reason)));
            number = format!("{number} ({})", kinds.collect::<Vec<_>>().join(", "));
        }
        let others = match self.others {
            0 => String::new(),
            others => format!(", {others} other seen and left alone"),
        };
        parts.push(format!("{number} {word}{others}; the queue held about {}.", self.about));
        for (letter, failure) in &self.failures {
            parts.push(format!(
                "Stopped at {} of {}; the later letters of this buyer stay in the queue: {}",
                letter.id,
                harmless(&letter.buyer),
                platform::telemetry::chain(failure)
            ));
        }
        if !self.hiding.is_empty() {
            let buyers: Vec<String> = self.hiding.iter().map(|buyer| harmless(buyer)).collect();
            parts.push(format!(
                "More letters may be waiting behind ten that are left of: {}. SQS hands out at most ten of a buyer at once.",
                buyers.join(", ")
            ));
        }
        if self.is_cut_short {
            parts.push("Stopped before the whole queue was seen; run it again to continue.".to_owned());
        }
        parts.join("\n")
    }

    /// The result as JSON.
    #[must_use]
    pub fn json(&self, doing: Doing) -> Value {
        let name = match doing {
            Doing::Looking => "deadLetters",
            Doing::Redriving => "redriven",
            Doing::Dropping => "dropped",
        };
        let letters: Vec<Value> = self.letters.iter().map(|letter| letter.json(false)).collect();
        let failures = self.failures.iter().map(|(letter, failure)| {
            json!({ "id": letter.id, "buyerId": letter.buyer, "error": platform::telemetry::chain(failure) })
        });
        json!({
            name: letters,
            "seenAndLeft": self.others,
            "aboutInTheQueueBefore": self.about,
            "mayHideMore": self.hiding,
            "failures": failures.collect::<Vec<_>>(),
            "isCutShort": self.is_cut_short,
        })
    }
}
