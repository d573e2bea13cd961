//! `leads pause` and `leads resume`: effects wait while events are recorded as before.

use std::io::Write;

use contract::stored::Act;
use futures::future::try_join_all;
use jiff::Timestamp;
use leads_store::{LeadsStore as _, LeadsUnavailable, Pausable, Pause, Pauses, WorkKind, WorkShard};
use platform::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::output::{Output, count, harmless, moment, table};
use crate::{Exit, Failure, Tables};

/// When a pause holds. A running invocation reads the pauses again after ten seconds, and an e-mail that it has claimed
/// by then is sent within thirty.
const TAKES_HOLD: &str = "It holds within 40 seconds: what is being sent now is still sent.";

/// Pauses effects of these kinds. A kind that is paused already keeps its pause.
pub(crate) async fn pause<O: Write, E: Write>(
    kinds: &[Pausable],
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let found = tables.leads.pauses().await.map_err(Failure::LeadsTable)?;
    let kinds: Vec<Pausable> = kinds.iter().copied().filter(|kind| found.of(*kind).is_none()).collect();
    if kinds.is_empty() {
        print(&found, output)?;
        output.aside("Nothing was changed: this is paused already.")?;
        return Ok(Exit::Findings);
    }
    let Act { by, because } = tables.act.clone();
    let pause = Pause { since: SystemClock.now(), by, reason: because };
    let after = found.paused(&kinds, &pause);
    change(&found, &after, tables).await?;
    print(&after, output)?;
    output.aside(&format!(
        "{TAKES_HOLD} Events are recorded as before, and `leads resume` lets what waits be performed."
    ))?;
    Ok(Exit::Good)
}

/// Ends the pauses of these kinds. Without confirmation only shows what waits.
pub(crate) async fn resume<O: Write, E: Write>(
    kinds: &[Pausable],
    is_confirmed: bool,
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let found = tables.leads.pauses().await.map_err(Failure::LeadsTable)?;
    let kinds: Vec<Pausable> = kinds.iter().copied().filter(|kind| found.of(*kind).is_some()).collect();
    if kinds.is_empty() {
        print(&found, output)?;
        output.aside("Nothing was changed: this is not paused.")?;
        return Ok(Exit::Findings);
    }
    let waiting = try_join_all(kinds.iter().map(|kind| waiting(*kind, tables)));
    let waiting = waiting.await.map_err(Failure::LeadsTable)?.join(" and ");
    if !is_confirmed {
        print(&found, output)?;
        return Err(Failure::NotConfirmed { what: format!("performing what waits ({waiting})") });
    }
    let after = found.resumed(&kinds, SystemClock.now());
    change(&found, &after, tables).await?;
    print(&after, output)?;
    output.aside(&format!("The next sweeps perform what waits: {waiting}."))?;
    Ok(Exit::Good)
}

async fn change(found: &Pauses, after: &Pauses, tables: &Tables) -> Result<(), Failure> {
    let is_done = tables.leads.change_pauses(found, after).await.map_err(Failure::LeadsTable)?;
    if is_done { Ok(()) } else { Err(Failure::PausesChanged) }
}

/// How much open work waits for the end of a pause, in words. It includes what is open for other reasons.
async fn waiting(kind: Pausable, tables: &Tables) -> Result<String, LeadsUnavailable> {
    let (work, one) = match kind {
        Pausable::Emails => (WorkKind::Email, "e-mail"),
        Pausable::Sales => (WorkKind::Behind, "buyer"),
    };
    let numbers = try_join_all(work.shards().map(|shard| open(shard, tables))).await?;
    Ok(count(numbers.into_iter().sum(), one))
}

async fn open(shard: WorkShard, tables: &Tables) -> Result<u64, LeadsUnavailable> {
    let (mut sum, mut after) = (0, None);
    loop {
        let page = tables.leads.count(shard, after.as_ref()).await?;
        sum += page.count;
        if page.next.is_none() {
            return Ok(sum);
        }
        after = page.next;
    }
}

fn print<O: Write, E: Write>(pauses: &Pauses, output: &mut Output<'_, O, E>) -> Result<(), Failure> {
    if output.is_json {
        return output.json(&json(pauses));
    }
    let rows = Pausable::ALL.map(|kind| match pauses.of(kind) {
        Some(Pause { since, by, reason }) => {
            [kind.name().to_owned(), moment(*since), harmless(by), harmless(reason)]
        }
        None => [kind.name().to_owned(), "not paused".to_owned(), String::new(), String::new()],
    });
    output.line(&table(&["effects", "paused since", "by", "reason"], rows))
}

/// The current pauses as JSON; `null` for effects that are not paused.
pub(crate) fn json(pauses: &Pauses) -> Value {
    let pause = |kind| {
        pauses.of(kind).map(
            |Pause { since, by, reason }| json!({ "since": since.to_string(), "by": by, "reason": reason }),
        )
    };
    json!({ "emails": pause(Pausable::Emails), "sales": pause(Pausable::Sales) })
}

/// The pauses in words, each with its age.
pub(crate) fn words(pauses: &Pauses, age: impl Fn(Timestamp) -> String) -> String {
    let current = Pausable::ALL.into_iter().filter_map(|kind| {
        let Pause { since, by, reason } = pauses.of(kind)?;
        Some(format!("{} for {} by {}: {}", kind.name(), age(*since), harmless(by), harmless(reason)))
    });
    let current: Vec<String> = current.collect();
    if current.is_empty() { "nothing".to_owned() } else { current.join("; ") }
}
