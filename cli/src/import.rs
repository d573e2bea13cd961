//! `leads import`: puts an export into an empty stack in shadow, each commit exactly as it was stored.
//!
//! A buyer's cursor is moved to the end of its stream before the first commit is written, so that the doorbells of the
//! commits find nothing to perform ([ADR 28](../../docs/adr/0028-an-import-performs-nothing.md)).

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use contract::stored::{self, Commit, StoredCommit, Undecodable};
use domain::{BuyerId, Contact, Sequence};
use event_store::{Appended, EventStore as _, StoreError, oldest_held, stored_history};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use leads_store::{AddressDigest, Held, HeldAtHead, LeadChange, LeadsStore as _, Outcome, Progress as Moves};
use platform::clock::{Clock, SystemClock};
use serde_json::json;

use crate::args::Import;
use crate::buyers::Which;
use crate::export::file::{Exported, Reader};
use crate::output::{Output, Progress, count, interrupted};
use crate::pass::{rest, unless};
use crate::stack::Stack;
use crate::takeover::replay;
use crate::{Exit, Failure, Tables};

/// The number of buyers imported concurrently.
const AT_ONCE: usize = 16;

/// The number of items beside the cursor after which it is moved; a transaction takes at most 100 items.
const LARGEST_TRANSACTION: usize = 50;

/// Refuses a stack that would make new buyers live: its senders are not stopped, and its streams are not only ours.
pub(crate) fn refuse_unless_in_shadow(stack: &Stack) -> Result<(), Failure> {
    if stack.parameter("Effects") == Some("shadow") {
        return Ok(());
    }
    Err(Failure::NotImported(format!(
        "the stack {} is not in shadow: deploy a stack of its own with Effects=shadow and without senders",
        stack.name
    )))
}

/// A buyer of the file, with its commits decoded.
struct Whole {
    exported: Exported,
    commits: Vec<Commit>,
    outcomes: BTreeMap<Sequence, BTreeMap<String, Outcome>>,
}

impl Whole {
    fn of(exported: Exported) -> Result<Self, Failure> {
        let unreadable = |error: Undecodable| Failure::Stream {
            buyer: exported.buyer.clone(),
            source: StoreError::Undecodable(error),
        };
        let decoded = exported.commits.iter().map(|commit| stored::decode(commit).map_err(unreadable));
        let commits = decoded.collect::<Result<_, _>>()?;
        let mut outcomes = BTreeMap::<Sequence, BTreeMap<String, Outcome>>::new();
        for (sequence, names) in &exported.about.outcomes {
            for (key, name) in names {
                let (Ok(sequence), Some(outcome)) = (sequence.parse(), Outcome::parse(name)) else {
                    return Err(refused(&exported.buyer, "an outcome in the file is of a newer version"));
                };
                outcomes.entry(Sequence::new(sequence)).or_default().insert(key.clone(), outcome);
            }
        }
        Ok(Self { exported, commits, outcomes })
    }

    fn last(&self) -> Sequence {
        self.commits.last().map(Commit::last).unwrap_or_default()
    }

    /// The number of effects that the source had not settled.
    fn pending(&self) -> u64 {
        let through = Sequence::new(self.exported.about.through);
        let live = self.commits.iter().filter(|commit| !commit.is_shadow);
        live.flat_map(|commit| &commit.effects).filter(|effect| effect.sequence > through).count() as u64
    }

    /// The moves of the cursor from this place to the end, with the leads announced and the outcomes on the way.
    fn moves(&self, from: Sequence) -> Vec<Moves> {
        let mut head = replay(&self.commits).state;
        if head.is_erased {
            // All leads are closed, and the contact of a closed lead is not written.
            let nobody = Contact { name: String::new(), email: String::new(), phone: None };
            head.offers.change_each(|_, offer| offer.contact = Some(nobody.clone()));
        }
        let mut moves = Vec::new();
        let mut next = Moves { from, through: from, ..Moves::default() };
        for commit in self.commits.iter().filter(|commit| commit.last() > from) {
            let mut of_commit = Moves { through: commit.last(), ..Moves::default() };
            for effect in commit.effects.iter().filter(|_| !commit.is_shadow) {
                let outcome = self.outcomes.get(&effect.sequence).and_then(|all| all.get(&effect.key()));
                if let Some(outcome) = outcome {
                    let settled = of_commit.settled.entry(effect.sequence).or_default();
                    settled.insert(effect.key(), *outcome);
                } else if let Some((lead, change)) = LeadChange::of(effect, &head, commit.recorded_at) {
                    of_commit.leads.entry(lead).or_default().merge(change);
                }
            }
            next.extend(of_commit);
            if next.items() > LARGEST_TRANSACTION {
                let through = next.through;
                moves
                    .push(std::mem::replace(&mut next, Moves { from: through, through, ..Moves::default() }));
            }
        }
        if next.through > next.from {
            moves.push(next);
        }
        moves
    }

    /// What is held at the head, in the form that the cursor takes; `None` if nothing is held.
    fn held(&self, now: Timestamp) -> Option<HeldAtHead> {
        let head = replay(&self.commits).state;
        let (sequence, since) = oldest_held(&head, &self.commits)?;
        let oldest = (!head.held.is_empty()).then_some(Held { sequence, since, due: now })?;
        Some(HeldAtHead { oldest: Some(oldest), is_known: false })
    }
}

fn refused(buyer: &BuyerId, why: &str) -> Failure {
    Failure::NotImported(format!("{buyer}: {why}"))
}

/// Imports one buyer and returns the number of commits written. Idempotent. `is_known` says whether the stack has
/// commits of the buyer.
async fn import(tables: &Tables, whole: &Whole, is_known: bool, clock: &impl Clock) -> Result<u64, Failure> {
    let buyer = &whole.exported.buyer;
    let of_stream = |source| Failure::Stream { buyer: buyer.clone(), source };
    let of_leads = |source| Failure::Leads { buyer: buyer.clone(), source };
    let there =
        if is_known { stored_history(&tables.streams, buyer).await.map_err(of_stream)? } else { Vec::new() };
    let imported: BTreeSet<u64> = there.iter().map(|commit| commit.sequence).collect();
    for commit in &there {
        if !whole.exported.commits.contains(commit) {
            return Err(other_commit(buyer, commit));
        }
    }
    let cursor = tables.leads.cursor(buyer).await.map_err(of_leads)?;
    if cursor.through > whole.last() {
        return Err(refused(buyer, "this stack has settled more of the buyer than the file contains"));
    }
    if !there.is_empty() && cursor.through != whole.last() {
        return Err(refused(
            buyer,
            "this stack has recorded the buyer itself, and its effects are not settled",
        ));
    }
    for progress in whole.moves(cursor.through) {
        tables.leads.move_cursor(buyer, &progress, None).await.map_err(of_leads)?;
    }
    let stopped = whole.exported.about.stopped.iter().cloned().map(AddressDigest).collect();
    tables.leads.stop(buyer, &stopped).await.map_err(of_leads)?;
    let mut written = 0;
    for commit in whole.exported.commits.iter().filter(|commit| !imported.contains(&commit.sequence)) {
        match tables.streams.append(commit).await.map_err(of_stream)? {
            Appended::Written => written += 1,
            // Our own put, sent twice, or another run of the same import.
            Appended::Conflict(stored) if *stored == *commit => {}
            Appended::Conflict(stored) => return Err(other_commit(buyer, &stored)),
        }
    }
    // After the commits: a doorbell in between would find less held.
    if let Some(held) = whole.held(clock.now()) {
        let through = whole.last();
        let held = Moves { from: through, through, held: Some(held), ..Moves::default() };
        tables.leads.move_cursor(buyer, &held, None).await.map_err(of_leads)?;
    }
    Ok(written)
}

fn other_commit(buyer: &BuyerId, commit: &StoredCommit) -> Failure {
    refused(buyer, &format!("the stack's commit {} is not the one in the file", commit.sequence))
}

/// What a file contains, and what a run did.
#[derive(Debug, Default)]
struct Tally {
    buyers: u64,
    commits: u64,
    pending: u64,
    imported: u64,
    written: u64,
}

pub(crate) async fn command<O: Write, E: Write>(
    import: &Import,
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let mut tally = Tally::default();
    let listed = check(&import.file, &mut tally)?;
    let mut stop = Box::pin(interrupted());
    let Some(known) = Which::All.resolve(None, import.rate, tables, &mut stop, output).await? else {
        return end(&tally, (import.yes, false), output);
    };
    if let Some(other) = known.iter().find(|buyer| !listed.contains(*buyer)) {
        return Err(refused(
            other,
            "the stack is not empty: it has this buyer, whom the file does not contain",
        ));
    }
    let known: BTreeSet<BuyerId> = known.into_iter().collect();
    if !import.yes {
        end(&tally, (false, true), output)?;
        return Err(Failure::NotConfirmed { what: format!("importing {}", count(tally.buyers, "buyer")) });
    }
    let is_whole = import_all(import, tables, &known, &mut stop, &mut tally).await?;
    end(&tally, (true, is_whole), output)
}

/// Reads the whole file and returns its buyers. Nothing is imported of a file with a bad line.
fn check(path: &Path, tally: &mut Tally) -> Result<BTreeSet<BuyerId>, Failure> {
    let mut listed = BTreeSet::new();
    let mut reader = open(path)?;
    while let Some(exported) = reader.buyer()? {
        let whole = Whole::of(exported)?;
        tally.buyers += 1;
        tally.commits += whole.commits.len() as u64;
        tally.pending += whole.pending();
        listed.insert(whole.exported.buyer);
    }
    Ok(listed)
}

fn open(path: &Path) -> Result<Reader, Failure> {
    let name = path.display().to_string();
    let kind = path.metadata().map_err(|source| Failure::Read { file: name.clone(), source })?;
    if !kind.is_file() {
        return Err(Failure::NotAFile { file: name });
    }
    let (reader, header) = Reader::open(path)?;
    if !header.has_contacts {
        let why = "was exported without --contact, so its commits are not whole";
        return Err(Failure::NotImported(format!("{name} {why}")));
    }
    Ok(reader)
}

/// Imports buyer after buyer, a few at a time. Returns whether the whole file was imported.
async fn import_all(
    import: &Import,
    tables: &Tables,
    known: &BTreeSet<BuyerId>,
    stop: &mut (impl Future<Output = ()> + Unpin),
    tally: &mut Tally,
) -> Result<bool, Failure> {
    let mut reader = open(&import.file)?;
    let progress = Progress::towards(tally.commits, "commits imported");
    let mut passed = 0;
    loop {
        let mut group = Vec::new();
        while group.len() < AT_ONCE
            && let Some(exported) = reader.buyer()?
        {
            group.push(Whole::of(exported)?);
        }
        if group.is_empty() {
            progress.end();
            return Ok(true);
        }
        let imports = group
            .iter()
            .map(|whole| self::import(tables, whole, known.contains(&whole.exported.buyer), &SystemClock));
        // Awaited even if interrupted: a buyer is imported as a whole.
        let written: Vec<u64> =
            stream::iter(imports.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).try_collect().await?;
        let written: u64 = written.into_iter().sum();
        tally.written += written;
        tally.imported += group.len() as u64;
        passed += group.iter().map(|whole| whole.commits.len() as u64).sum::<u64>();
        progress.at(passed);
        let resting = rest(f64::from(u32::try_from(written).unwrap_or(u32::MAX)), import.rate);
        if unless(stop, resting).await.is_none() {
            progress.end();
            return Ok(tally.imported == tally.buyers);
        }
    }
}

fn end<O: Write, E: Write>(
    tally: &Tally,
    (is_confirmed, is_complete): (bool, bool),
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let Tally { buyers, commits, pending, imported, written } = tally;
    if output.is_json {
        output.json(&json!({
            "isComplete": is_complete,
            "isConfirmed": is_confirmed,
            "buyers": buyers,
            "commits": commits,
            "pendingEffects": pending,
            "imported": imported,
            "written": written,
        }))?;
    } else {
        let (all, commits) = (count(*buyers, "buyer"), count(*commits, "commit"));
        output.line(&if is_confirmed {
            format!("Imported {imported} of {all}; {} written.", count(*written, "commit"))
        } else {
            format!("The file has {all} with {commits}.")
        })?;
        if *pending > 0 {
            output.line(&format!(
                "{} pending at the export: the source performs them, this stack does not.",
                if *pending == 1 { "1 effect was".to_owned() } else { format!("{pending} effects were") }
            ))?;
        }
    }
    if is_complete {
        return Ok(Exit::Good);
    }
    output.aside("INCOMPLETE. Run it again to go on.")?;
    Ok(Exit::Interrupted)
}
