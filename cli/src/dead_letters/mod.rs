//! `leads dead-letters`: lists, shows, redrives and drops messages that the recorder or SQS set aside.

mod letter;
mod page;
mod queue;
mod work;

use std::io::Write;

use aws_types::SdkConfig;
pub use letter::{Letter, Selection, TOO_MANY_RECEIVES};
use platform::clock::{Clock as _, SystemClock};
pub use queue::DeadLetterQueue;
pub use work::{Doing, Done, find, work};

use crate::args::{DeadLetters, Picked};
use crate::output::Output;
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
    let now = SystemClock.now();
    match command {
        DeadLetters::List { picked } => {
            let done = work(&queue, &picked.selection(), Doing::Looking, now).await?;
            done.report(Doing::Looking, output)?;
            Ok(Exit::Good)
        }
        DeadLetters::Show { id, body } => show(&queue, id, *body, output).await,
        DeadLetters::Redrive { picked, .. } => {
            let selection = picked.selection();
            output.aside(&format!("Redriving {selection}, in order within each buyer."))?;
            finish(
                work(&queue, &selection, Doing::Redriving, now).await?,
                Doing::Redriving,
                &selection,
                output,
            )
        }
        DeadLetters::Drop { picked, yes, .. } => {
            let selection = picked.selection();
            if !yes {
                let done = work(&queue, &selection, Doing::Looking, now).await?;
                done.report(Doing::Looking, output)?;
                return Err(Failure::NotConfirmed { what: format!("dropping {selection}") });
            }
            output.aside(&format!("Dropping {selection} permanently."))?;
            finish(work(&queue, &selection, Doing::Dropping, now).await?, Doing::Dropping, &selection, output)
        }
    }
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
