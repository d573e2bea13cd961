//! Posts the scenarios and many buyers' messages, and compares what becomes of them with what is expected.

use std::collections::BTreeMap;
use std::time::Duration;

use cli::dead_letters::Doing;
use cli::history::history;
use jiff::Timestamp;
use leads_store::{LedgerEntry, Status};
use serde_json::json;
use tests::{Failed, Finding, Guest, Observed, Person, Scenario, crowd_of, recorded, scenarios};

use crate::operation::{Timing, alarm, logs, speed, sweeper};
use crate::promise::{Check, Promise};
use crate::run::Run;
use crate::sales::Sales;
use crate::target::text;

const LOOK: &str = "read `leads history BUYER` of the buyer and the log of the function";

/// Addresses of the mailbox simulator whose fate SES reports. It hard-bounces the suppressed one too (Amazon SES
/// Developer Guide, "Testing email sending").
const SIMULATOR_ADDRESSES: [&str; 4] = ["success", "bounce", "complaint", "suppressionlist"];

/// Everything that the run posts.
pub(crate) struct Plan {
    scenarios: Vec<(Scenario, Person)>,
    guests: Vec<Guest>,
    fated: Vec<(&'static str, Person)>,
}

impl Plan {
    pub(crate) fn of(prefix: &str) -> Result<Self, Failed> {
        let labelled = |name: String| {
            // Labels make addresses of the simulator differ (same page).
            let email = format!("success+canary-{name}@simulator.amazonses.com");
            Person::at(&format!("{prefix}-{name}"), email)
        };
        let scenarios = scenarios()?.into_iter().zip(1..);
        let fate = |fate: &'static str| {
            Ok((fate, Person::at(&format!("{prefix}-{fate}"), format!("{fate}@simulator.amazonses.com"))?))
        };
        Ok(Self {
            scenarios: scenarios
                .map(|(scenario, number)| Ok((scenario, labelled(format!("s{number}"))?)))
                .collect::<Result<_, Failed>>()?,
            guests: crowd_of(|number| labelled(format!("g{number}")))?,
            fated: SIMULATOR_ADDRESSES.into_iter().map(fate).collect::<Result<_, Failed>>()?,
        })
    }

    /// The number of messages.
    pub(crate) fn messages(&self) -> usize {
        let scenarios: usize = self.scenarios.iter().map(|(scenario, _)| scenario.deliveries.len()).sum();
        scenarios + self.guests.iter().map(|guest| guest.messages.len()).sum::<usize>() + self.fated.len()
    }

    pub(crate) fn people(&self) -> Vec<&Person> {
        let scenarios = self.scenarios.iter().map(|(_, person)| person);
        let guests = self.guests.iter().map(|guest| &guest.person);
        scenarios.chain(guests).chain(self.fated.iter().map(|(_, person)| person)).collect()
    }
}

/// Posts everything and checks what became of it.
pub(crate) async fn checks(run: &Run<'_>, plan: &Plan) -> Result<(Vec<Check>, Vec<Timing>), Failed> {
    let sales = Sales::default();
    let playing = async {
        let played = async {
            let scenarios = plan.scenarios.iter().map(|(scenario, person)| play(run, scenario, person));
            let guests = plan.guests.iter().map(|guest| observe(run, guest));
            let fated = plan.fated.iter().map(|(fate, person)| check_receipt(run, fate, person));
            futures::try_join!(
                futures::future::try_join_all(scenarios),
                futures::future::try_join_all(guests),
                futures::future::try_join_all(fated),
            )
        };
        let played = played.await;
        sales.end();
        played
    };
    let (played, collected) = futures::join!(playing, sales.collect(run));
    let (scenarios, mut guests, fated) = played?;
    collected?;

    let mut checks = Vec::new();
    let mut timings = Vec::new();
    let mut differences: BTreeMap<Promise, Vec<String>> = BTreeMap::new();
    for ((scenario, person), mut played) in plan.scenarios.iter().zip(scenarios) {
        timings.append(&mut played.timings);
        differences.entry(Promise::Recorded).or_default().extend(played.recorded);
        differences.entry(Promise::Emails).or_default().extend(played.emails);
        let expected: Vec<String> =
            scenario.sales.iter().map(|key| format!("{}/{key}", person.buyer)).collect();
        let seen: Vec<String> = sales.of(person.buyer.as_str()).iter().map(|one| text(&one["id"])).collect();
        if !run.has_traffic && seen != expected {
            let difference =
                format!("{}: the sales messages are {seen:?}, expected {expected:?}", person.buyer);
            differences.entry(Promise::Leads).or_default().push(difference);
        }
    }
    let count = plan.scenarios.len();
    let mut of = |promise, what: &str, seen: &str, advice: &str| {
        checks.push(Check::of(
            promise,
            what,
            seen,
            &differences.remove(&promise).unwrap_or_default(),
            advice,
        ));
    };
    of(Promise::Recorded, "scenarios", &format!("{count} scenarios as in the article"), LOOK);
    of(Promise::Emails, "e-mails of the scenarios, by the ledger", "each accepted by SES once", LOOK);
    if run.has_traffic {
        checks.push(unread_sales());
    } else {
        let advice = "if a consumer took the messages, stop it and run this again";
        of(Promise::Leads, "sales messages of the scenarios", "all received, in order", advice);
    }

    let alarm = alarm(run).await?;
    let mut dead = take_dead_letters(run, &plan.guests).await?;
    for (guest, observed) in plan.guests.iter().zip(&mut guests) {
        observed.sales = sales.of(guest.person.buyer.as_str());
        observed.dead = dead.remove(guest.person.buyer.as_str()).unwrap_or_default();
    }
    let findings: Vec<Vec<Finding>> =
        plan.guests.iter().zip(&guests).map(|(guest, observed)| guest.findings(observed)).collect();
    // The last finding is about the text of e-mails, which only a local AWS shows; the ledger is checked instead.
    let promises = [
        Promise::Recorded,
        Promise::Recorded,
        Promise::Isolated,
        Promise::Leads,
        Promise::Leads,
        Promise::Leads,
    ];
    for (number, (promise, finding)) in promises.into_iter().zip(Finding::summed(&findings)).enumerate() {
        // Two findings are about sales messages.
        if run.has_traffic && number > 3 {
            continue;
        }
        let seen = format!("{} of {} found", finding.found, finding.expected);
        let what = format!("{} buyers at once: {}", plan.guests.len(), finding.invariant);
        checks.push(Check::of(promise, &what, &seen, &finding.differences, LOOK));
    }
    checks.extend(fated.into_iter().flatten());
    checks.push(alarm);
    checks.push(sweeper(run).await?);
    checks.extend(logs(run).await?);
    checks.push(speed(&timings));
    Ok((checks, timings))
}

fn unread_sales() -> Check {
    let reason = "the stack has other traffic, so the sales team's queue was not read";
    Check::not_possible(Promise::Leads, "sales messages", reason)
}

/// The outcome of a scenario.
#[derive(Default)]
struct Played {
    recorded: Vec<String>,
    emails: Vec<String>,
    timings: Vec<Timing>,
}

async fn play(run: &Run<'_>, scenario: &Scenario, person: &Person) -> Result<Played, Failed> {
    let buyer = &person.buyer;
    let mut played = Played::default();
    for (delivery, facts) in scenario.deliveries.iter().zip(1..) {
        let (id, body) = person.event(&delivery.kind, &delivery.offer, delivery.version);
        let posted = std::time::Instant::now();
        run.post(buyer.as_str(), &id, &body).await?;
        if !run.is_settled(buyer, facts).await? {
            let waited = run.patience().as_secs();
            played.recorded.push(format!("{buyer}: event {facts} is not settled after {waited} seconds"));
            return Ok(played);
        }
        played.timings.push(Timing { posted_to_settled: posted.elapsed(), recorded_to_mailed: None });
    }
    let history = history(&run.tables, buyer).await?;
    let seen = recorded(&history.lines);
    if seen.len() != scenario.deliveries.len() {
        played.recorded.push(format!(
            "{buyer}: {} of {} events are recorded",
            seen.len(),
            scenario.deliveries.len()
        ));
    }
    for (number, (event, delivery)) in (1..).zip(seen.iter().zip(&scenario.deliveries)) {
        if event.outcome != delivery.expected {
            let (seen, expected) = (&event.outcome, &delivery.expected);
            played.recorded.push(format!("{buyer}: after event {number} {seen:?}, expected {expected:?}"));
        }
    }
    // A throttled e-mail is sent by the sweeper, some minutes later.
    let expected: Vec<&String> = scenario.emails.iter().collect();
    let look = async || {
        let ledger = cli::history::history(&run.tables, buyer).await?.about.ledger;
        Ok(expected.iter().all(|key| ledger.get(*key).is_some_and(is_sent)).then_some(()))
    };
    run.until(run.patience(), look).await?;
    let ledger = cli::history::history(&run.tables, buyer).await?.about.ledger;
    for key in &scenario.emails {
        match ledger.get(key) {
            Some(entry) if is_sent(entry) => {
                let recorded = history.lines.iter().find(|line| line.sequence == entry.sequence);
                let mailed = recorded.map(|line| entry.since.duration_since(line.recorded_at));
                if let Some(timing) = mailed {
                    let posted_to_settled = Duration::ZERO;
                    played.timings.push(Timing { posted_to_settled, recorded_to_mailed: Some(timing) });
                }
            }
            found => {
                let status = found.map_or("missing", |entry| entry.status.name());
                let reason = found.and_then(|entry| entry.reason.clone()).unwrap_or_default();
                played.emails.push(format!("{buyer}: the e-mail {key} is {status} {reason}"));
            }
        }
    }
    let more = ledger.iter().filter(|(key, entry)| is_sent(entry) && !scenario.emails.contains(key));
    played
        .emails
        .extend(more.map(|(key, _)| format!("{buyer}: the e-mail {key} was sent, none was expected")));
    Ok(played)
}

fn is_sent(entry: &LedgerEntry) -> bool {
    entry.status == Status::Sent && entry.message_id.is_some()
}

/// Posts a guest's messages and waits until all its events are settled.
async fn observe(run: &Run<'_>, guest: &Guest) -> Result<Observed, Failed> {
    let buyer = &guest.person.buyer;
    for (group, deduplication_id, body) in &guest.messages {
        run.post(group, deduplication_id, body).await?;
    }
    run.is_settled(buyer, guest.events.len() as u64).await?;
    let history = history(&run.tables, buyer).await?;
    let open = history.lines.last().map(|line| line.open_leads.iter().cloned().collect()).unwrap_or_default();
    let sent = history.about.ledger.iter().filter(|(_, entry)| is_sent(entry));
    Ok(Observed {
        recorded: recorded(&history.lines),
        dead: Vec::new(),
        open,
        sales: Vec::new(),
        mails: Vec::new(),
        ledger: sent.map(|(key, _)| key.clone()).collect(),
    })
}

/// Takes the guests' dead letters out of the queue until all have come. Returns the reasons by buyer.
///
/// They are not only looked at: while a letter of a buyer is in flight, SQS may hand out no other one of that buyer.
async fn take_dead_letters(run: &Run<'_>, guests: &[Guest]) -> Result<BTreeMap<String, Vec<String>>, Failed> {
    let expected: usize = guests.iter().map(|guest| guest.bad.len()).sum();
    let buyers: Vec<String> = guests.iter().map(|guest| guest.person.buyer.to_string()).collect();
    let mut taken = BTreeMap::<String, Vec<String>>::new();
    let mut count = 0;
    let look = async || {
        let done = run.dead_letters(buyers.clone(), Doing::Dropping).await?;
        count += done.letters.len();
        for letter in done.letters {
            taken.entry(letter.buyer).or_default().push(letter.reason);
        }
        Ok((count >= expected).then_some(()))
    };
    run.until(run.patience(), look).await?;
    Ok(taken)
}

/// Sends an e-mail to an address of the mailbox simulator and waits for what SES reports about it.
async fn check_receipt(run: &Run<'_>, fate: &str, person: &Person) -> Result<Vec<Check>, Failed> {
    let buyer = &person.buyer;
    let what = format!("an e-mail to {fate}@ of the mailbox simulator");
    let (id, body) = person.event("offer.made.v1", "car-1", 1);
    run.post(buyer.as_str(), &id, &body).await?;
    let sent = async || {
        let ledger = history(&run.tables, buyer).await?.about.ledger;
        Ok(ledger.get("quote-email").filter(|entry| is_sent(entry)).cloned())
    };
    let Some(entry) = run.until(run.patience(), sent).await? else {
        let seen = ["SES did not accept it".to_owned()];
        let advice = "read `leads emails --status retry` and the sender's identity in the SES console";
        return Ok(vec![Check::of(Promise::Emails, &what, "accepted by SES", &seen, advice)]);
    };
    if run.aws.is_emulated() {
        let reason = "no emulator has SES's mailbox simulator";
        let mut checks = vec![Check::not_possible(Promise::Receipts, &what, reason)];
        if fate == "bounce" {
            checks.push(posted_bounce(run, person, &entry).await?);
        }
        return Ok(checks);
    }
    if fate == "success" && !run.logs_everything() {
        return Ok(vec![Check::not_possible(Promise::Receipts, &what, "the stack's LogLevel is above info")]);
    }
    let reported = async || {
        if fate == "success" {
            let lines = run.log_lines("ReceiptsLogs", Some(&format!("\"{buyer}\""))).await?;
            return Ok(lines.iter().any(|line| line.contains("\"delivery\"")).then_some(()));
        }
        let ledger = history(&run.tables, buyer).await?.about.ledger;
        let receipts = ledger.get("quote-email").map(|entry| entry.receipts.clone()).unwrap_or_default();
        let at = if fate == "complaint" { receipts.complained_at } else { receipts.bounced_at };
        Ok(at.map(|_| ()))
    };
    let seen = run.until(run.patience(), reported).await?;
    let differences: Vec<String> = seen.is_none().then(|| "no receipt came".to_owned()).into_iter().collect();
    let advice = "compare the configuration set's event destination, the topic's policy and the subscription";
    Ok(vec![Check::of(Promise::Receipts, &what, "its receipt came", &differences, advice)])
}

/// Posts a bounce to the queue of receipts, as SES would through the topic.
async fn posted_bounce(run: &Run<'_>, person: &Person, entry: &LedgerEntry) -> Result<Check, Failed> {
    let tag = contract::receipt::tag_value;
    let buyer = &person.buyer;
    let event = json!({
        "eventType": "Bounce",
        "bounce": {
            "bounceType": "Permanent",
            "timestamp": Timestamp::now().to_string(),
            "bouncedRecipients": [{ "emailAddress": person.email() }],
        },
        "mail": {
            "messageId": entry.message_id,
            "destination": [person.email()],
            "tags": {
                "buyer": [tag(buyer.as_str())], "effect": [tag("quote-email")], "nonce": [tag(&entry.nonce)],
            },
        },
    });
    let url = run.target.id("EmailReceipts");
    run.sqs.send_message().queue_url(url).message_body(event.to_string()).send().await?;
    let look = async || {
        let about = history(&run.tables, buyer).await?.about;
        Ok(about.ledger.get("quote-email").and_then(|entry| entry.receipts.bounced_at).map(|_| ()))
    };
    let seen = run.until(run.patience(), look).await?;
    let differences: Vec<String> =
        seen.is_none().then(|| "the ledger has no bounce".to_owned()).into_iter().collect();
    let what = "a bounce posted to the queue of receipts";
    Ok(Check::of(Promise::Receipts, what, "the ledger has the bounce", &differences, LOOK))
}

/// Erases the run's buyers and takes their last messages. Returns what is left.
pub(crate) async fn clean_up(run: &Run<'_>, plan: &Plan) -> Vec<String> {
    let mut left = Vec::new();
    let sales = Sales::default();
    let erasing = async {
        let people = plan.people();
        let erased = futures::future::join_all(people.iter().map(|person| run.erase(&person.buyer))).await;
        sales.end();
        erased
    };
    let (erased, collected) = futures::join!(erasing, sales.collect(run));
    left.extend(erased.into_iter().filter_map(Result::err).map(|error| error.to_string()));
    left.extend(collected.err().map(|error| format!("sales messages of {}-…: {error}", run.prefix)));
    let buyers: Vec<String> = plan.guests.iter().map(|guest| guest.person.buyer.to_string()).collect();
    match run.dead_letters(buyers, Doing::Dropping).await {
        Ok(done) if done.failures.is_empty() && !done.is_cut_short => {}
        Ok(_) => left.push(format!("some dead letters of {}-…", run.prefix)),
        Err(error) => left.push(format!("the dead letters of {}-…: {error}", run.prefix)),
    }
    left
}
