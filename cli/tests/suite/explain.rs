//! The history of a buyer, and its mode (in shadow, handed over or live) as seen by `show`, `history`, `replay` and
//! `audit`.

use std::collections::BTreeMap;

use cli::takeover::replay;
use cli::{Exit, Fate, Line, Mode, Settled, explain};
use contract::stored::{self, Commit};
use domain::{Event, Fact, FormerLeadId, Known, LeadId, Offer, OfferVersion, Sequence, Stage};
use event_store::{Appending, Head};
use jiff::Timestamp;
use leads_store::{About, AddressDigest, Cursor, LedgerEntry, Outcome, ReceiptRecord, Status};
use serde_json::{Value, json};
use testkit::{acceptance_withdrawn, accepted, buyer, contact, made, offer, withdrawn};

use crate::all_buyers::World;
use crate::world::assert_golden;

/// A stream with these commits.
fn stream(commits: &[&[Event]]) -> Vec<Commit> {
    let mut head = Head::default();
    let mut stream = Vec::new();
    for events in commits {
        let mut appending = Appending::onto(head).live();
        for event in *events {
            appending.take(event.clone().into());
        }
        let (commit, next) = appending.commit(&buyer("ada"), Timestamp::UNIX_EPOCH).unwrap();
        stream.push(stored::decode(&commit).unwrap());
        head = next;
    }
    stream
}

fn settled_through(through: u64) -> About {
    About {
        cursor: Cursor { through: Sequence::new(through), behind: None, ..Cursor::default() },
        ..About::default()
    }
}

fn entry(status: Status, sequence: u64, reason: Option<&str>) -> LedgerEntry {
    LedgerEntry {
        status,
        nonce: "nonce".to_owned(),
        sequence: Sequence::new(sequence),
        address: AddressDigest::of("ada@example.com"),
        due: None,
        first_tried_at: Some(Timestamp::UNIX_EPOCH),
        is_unsent: false,
        since: Timestamp::UNIX_EPOCH,
        message_id: None,
        reason: reason.map(str::to_owned),
        receipts: ReceiptRecord::default(),
        act: None,
    }
}

/// Each effect as `<sequence> <key>: <settled>`.
fn effects(lines: &[Line]) -> Vec<String> {
    let effects = lines.iter().flat_map(|line| line.effects.iter().map(move |explained| (line, explained)));
    effects
        .map(|(line, explained)| {
            format!("{} {}: {}", line.sequence, explained.effect.key(), explained.settled.name())
        })
        .collect()
}

fn there_and_back() -> Vec<Commit> {
    stream(&[&[made("car-1")], &[accepted("car-1").v(2)], &[acceptance_withdrawn("car-1").v(3)]])
}

#[test]
fn effects_beyond_the_cursor_are_pending() {
    assert_eq!(
        effects(&explain(&there_and_back(), &settled_through(1))),
        [
            "1 quote/car-1: sent",
            "1 opened/low/1: sent",
            "1 quote-email: sent",
            "2 closed/low/1: pending",
            "2 opened/high/car-1/2: pending",
            "2 accepted-email/car-1/2: pending",
            "3 closed/high/car-1/2: pending",
            "3 opened/low/3: pending",
            "3 quote-email: pending",
        ]
    );
}

#[test]
fn the_ledger_entry_belongs_to_one_effect_and_others_are_already_sent() {
    let mut about = settled_through(3);
    about.ledger.insert("quote-email".to_owned(), entry(Status::Sent, 1, None));
    about.ledger.insert("accepted-email/car-1/2".to_owned(), entry(Status::Unknown, 2, Some("timeout")));
    let lines = explain(&there_and_back(), &about);
    let emails: Vec<String> = effects(&lines).into_iter().filter(|effect| effect.contains("email")).collect();
    assert_eq!(
        emails,
        ["1 quote-email: sent", "2 accepted-email/car-1/2: unknown", "3 quote-email: already-sent"]
    );
    let reasons: Vec<Option<&str>> =
        lines.iter().flat_map(|line| &line.effects).map(|explained| explained.reason.as_deref()).collect();
    assert_eq!(reasons.iter().flatten().collect::<Vec<_>>(), [&"timeout"]);
}

#[test]
fn beyond_the_cursor_an_e_mail_has_the_status_of_its_ledger_entry() {
    for (status, settled) in [
        (Status::Sending, Settled::Sending),
        (Status::Retry, Settled::Retry),
        (Status::Sent, Settled::Sent),
        (Status::Rejected, Settled::Rejected),
        (Status::Unknown, Settled::Unknown),
        (Status::Abandoned, Settled::Abandoned),
        (Status::Superseded, Settled::Superseded),
    ] {
        let mut about = settled_through(1);
        about.ledger.insert("accepted-email/car-1/2".to_owned(), entry(status, 2, None));
        let lines = explain(&there_and_back(), &about);
        let settled_as: Vec<Settled> = lines[1].effects.iter().map(|explained| explained.settled).collect();
        assert_eq!(settled_as, [Settled::Pending, Settled::Pending, settled]);
    }
}

#[test]
fn a_stored_outcome_takes_precedence_over_ledger_and_cursor() {
    let mut about = settled_through(3);
    about.ledger.insert("quote-email".to_owned(), entry(Status::Sent, 3, None));
    let outcomes = |outcomes: &[(&str, Outcome)]| -> BTreeMap<String, Outcome> {
        outcomes.iter().map(|(key, outcome)| ((*key).to_owned(), *outcome)).collect()
    };
    about.settled.insert(Sequence::new(1), outcomes(&[("quote-email", Outcome::Rejected)]));
    about.settled.insert(
        Sequence::new(2),
        outcomes(&[
            ("opened/high/car-1/2", Outcome::Superseded),
            ("accepted-email/car-1/2", Outcome::Superseded),
        ]),
    );
    assert_eq!(
        effects(&explain(&there_and_back(), &about)),
        [
            "1 quote/car-1: sent",
            "1 opened/low/1: sent",
            "1 quote-email: rejected",
            "2 closed/low/1: sent",
            "2 opened/high/car-1/2: superseded",
            "2 accepted-email/car-1/2: superseded",
            "3 closed/high/car-1/2: sent",
            "3 opened/low/3: sent",
            "3 quote-email: sent",
        ]
    );
}

#[test]
fn a_sent_e_mail_is_sent_even_if_its_outcome_says_superseded() {
    let mut about = settled_through(3);
    about.ledger.insert("accepted-email/car-1/2".to_owned(), entry(Status::Sent, 2, None));
    let superseded = BTreeMap::from([("accepted-email/car-1/2".to_owned(), Outcome::Superseded)]);
    about.settled.insert(Sequence::new(2), superseded);
    assert!(
        effects(&explain(&there_and_back(), &about)).contains(&"2 accepted-email/car-1/2: sent".to_owned())
    );
}

#[test]
fn each_fact_of_a_commit_has_its_own_fate_leads_and_effects() {
    let early = withdrawn("car-1").v(3);
    let lines = explain(
        &stream(&[&[early.clone(), made("car-1")], &[early, made("car-2"), accepted("car-1").v(2)]]),
        &settled_through(5),
    );
    let version = |number| OfferVersion::new(number).unwrap();
    let low = |number| LeadId::Low { opened_at: Sequence::new(number) };
    let explained: Vec<(u64, Fate, Vec<LeadId>)> =
        lines.iter().map(|line| (line.sequence.get(), line.fate.clone(), line.open_leads.clone())).collect();
    assert_eq!(
        explained,
        [
            (1, Fate::Held, vec![]),
            (2, Fate::Applied { released: vec![] }, vec![low(2)]),
            (3, Fate::Duplicate, vec![low(2)]),
            (4, Fate::Applied { released: vec![] }, vec![low(2)]),
            (5, Fate::Applied { released: vec![version(3)] }, vec![low(2)]),
        ]
    );
    assert_eq!(
        effects(&lines),
        ["2 quote/car-1: sent", "2 opened/low/2: sent", "2 quote-email: sent", "4 quote/car-2: sent"]
    );
}

#[test]
fn an_empty_stream_has_no_history() {
    assert_eq!(explain(&[], &About::default()), []);
}

/// An answer of the former system: one accepted offer with a high lead, and one pending offer.
fn known() -> Known {
    let version = |number| domain::OfferVersion::new(number).unwrap();
    let accepted = Offer {
        stage: Stage::Accepted { at: version(2), since: version(2) },
        contact: Some(contact()),
        former_lead: Some(FormerLeadId::parse("H-17").unwrap()),
        ..Offer::unknown(version(2))
    };
    let pending = Offer { stage: Stage::Pending, contact: Some(contact()), ..Offer::unknown(version(1)) };
    let offers = BTreeMap::from([(offer("car-1"), accepted), (offer("car-2"), pending)]);
    Known { offers, low_lead: None, was_invited: true }
}

async fn standing(world: &World) -> Value {
    world.leads(&["show", "ada", "--json"]).await.json()["standing"].clone()
}

#[tokio::test]
async fn show_follows_a_buyer_from_shadow_to_asked_to_handed_over() {
    let world = World::start().await;
    world.in_shadow("ada", &[made("car-1").into()]).await;
    assert_eq!(standing(&world).await, json!({ "is": "shadow", "isAsked": false }));
    world.in_shadow("ada", &[Fact::Migrated(Box::default())]).await;
    assert_eq!(standing(&world).await, json!({ "is": "shadow", "isAsked": true }));
    world.in_shadow("ada", &[Fact::Reset(None)]).await;
    assert_eq!(standing(&world).await, json!({ "is": "shadow", "isAsked": false }));
    world.in_shadow("ada", &[Fact::HandedOver(Box::new(known()))]).await;
    assert_eq!(standing(&world).await, json!({ "is": "handed-over", "handedOverAt": 4 }));
    world.record("ada", &[acceptance_withdrawn("car-1").v(3)], "10:00:00").await;
    assert_eq!(standing(&world).await["handedOverAt"], 4);
    world.record("bob", &[made("car-1")], "10:00:00").await;
    assert_eq!(world.leads(&["show", "bob", "--json"]).await.json()["standing"], json!({ "is": "live" }));
    let history = world.leads(&["history", "ada", "--json"]).await.json();
    assert_eq!(history["standing"], standing(&world).await);
}

#[tokio::test]
async fn history_shows_former_answers_and_suppressed_shadow_effects() {
    let world = World::start().await;
    let events = [made("car-3").into(), accepted("car-3").v(2).into()];
    world.in_shadow("ada", &[&[Fact::Migrated(Box::new(known()))], &events[..]].concat()).await;
    world.in_shadow("ada", &[Fact::HandedOver(Box::new(known()))]).await;
    let text = world.leads(&["history", "ada"]).await;
    assert_eq!(text.exit, Exit::Good, "{}", text.err);
    assert_golden("history-handed-over.txt", &text.out);
    let json = world.leads(&["history", "ada", "--json"]).await.json();
    let settled = |number: usize| {
        let effects = json["events"][number]["effects"].as_array().unwrap().clone();
        effects.iter().map(|effect| effect["settled"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(settled(2), ["suppressed"; 2], "{json:#}");
    assert!(settled(3).iter().all(|settled| settled == "pending"), "live: {json:#}");
    let lead = json!([{ "leadId": "H-17", "priority": "high", "offerId": "car-1" }]);
    let former = json!({ "offers": 2, "wasInvited": true, "openLeads": lead });
    assert_eq!(json["events"][3]["formerSystem"], former);
    assert!(
        !text.out.to_lowercase().contains("canary") && !json.to_string().to_lowercase().contains("canary")
    );
}

#[tokio::test]
async fn show_names_open_leads_of_the_former_system() {
    let world = World::start().await;
    world.in_shadow("ada", &[Fact::HandedOver(Box::new(known()))]).await;
    let shown = world.leads(&["show", "ada", "--json"]).await.json();
    let lead = json!({
        "leadId": "H-17", "priority": "high", "offerId": "car-1", "since": null, "announcedBy": "former-system",
    });
    assert_eq!(shown["openLeads"], json!([lead]));
    let text = world.leads(&["show", "ada"]).await.out;
    assert!(text.contains("announced by the former system"), "{text}");
    assert!(text.starts_with("ada: live; handed over at sequence number 1; 1 fact recorded"), "{text}");
    assert_eq!(world.leads(&["list"]).await.out, "No leads are open.\n");
}

#[tokio::test]
async fn leads_of_a_buyer_in_shadow_are_not_shown_as_pending() {
    let world = World::start().await;
    world.in_shadow("ada", &[Fact::Migrated(Box::new(known()))]).await;
    let text = world.leads(&["show", "ada"]).await.out;
    assert!(text.contains("in shadow: not announced") && !text.contains("not announced yet"), "{text}");
}

#[tokio::test]
async fn a_closed_lead_of_the_former_system_is_read_back_from_the_leads_table() {
    use domain::{CloseReason, LeadId, Priority};
    use leads_store::{Closing, LeadChange, LeadsStore as _, Progress};
    let world = World::start().await;
    world.in_shadow("ada", &[Fact::HandedOver(Box::new(known()))]).await;
    world.record("ada", &[acceptance_withdrawn("car-1").v(3)], "10:00:00").await;
    let lead = LeadId::Former { id: FormerLeadId::parse("H-17").unwrap(), priority: Priority::High };
    let closed = Some(Closing { reason: CloseReason::AcceptanceWithdrawn, at: Timestamp::UNIX_EPOCH });
    let leads = BTreeMap::from([(lead.clone(), LeadChange { opened: None, closed })]);
    let progress = Progress { through: Sequence::new(2), leads, ..Progress::default() };
    world.tables.leads.move_cursor(&buyer("ada"), &progress, None).await.unwrap();
    let about = world.tables.leads.about(&buyer("ada")).await.unwrap();
    assert!(about.leads.contains_key(&lead), "{:?}", about.leads);
    assert_eq!(world.leads(&["history", "ada"]).await.exit, Exit::Good);
}

#[tokio::test]
async fn an_audit_accepts_shadow_commits_and_former_leads_once_settled() {
    let world = World::start().await;
    world.in_shadow("ada", &[Fact::Migrated(Box::new(known())), made("car-3").into()]).await;
    world.in_shadow("bob", &[Fact::HandedOver(Box::new(known()))]).await;
    world.settle("ada", 2).await;
    world.settle("bob", 1).await;
    let ended = world.leads(&["audit"]).await;
    assert_eq!(ended.exit, Exit::Good, "{}", ended.out);
    // No worker has moved the cursor of this buyer.
    world.in_shadow("cem", &[made("car-1").into()]).await;
    assert_eq!(world.leads(&["audit"]).await.exit, Exit::Findings);
}

/// A stream with these commits, each with a snapshot.
fn with_snapshots(commits: &[&[Fact]]) -> Vec<Commit> {
    let mut head = Head::default();
    let mut stream = Vec::new();
    for facts in commits {
        let mut appending = Appending::onto(head);
        for fact in *facts {
            appending.take(fact.clone());
        }
        let snapshot = stored::encode_snapshot(appending.state());
        let (mut commit, next) = appending.commit(&buyer("ada"), Timestamp::UNIX_EPOCH).unwrap();
        commit.snapshot = Some(snapshot);
        stream.push(stored::decode(&commit).unwrap());
        head = next;
    }
    stream
}

#[test]
fn a_replay_compares_every_snapshot_before_and_after_a_reset() {
    let facts: [&[Fact]; 5] = [
        &[Fact::Migrated(Box::new(known())), made("car-3").into()],
        &[accepted("car-3").v(2).into()],
        &[Fact::Reset(None)],
        &[Fact::Migrated(Box::new(known())), acceptance_withdrawn("car-1").v(3).into()],
        &[Fact::HandedOver(Box::new(known()))],
    ];
    let mut stream = with_snapshots(&facts);
    let replayed = replay(&stream);
    assert_eq!((replayed.facts, replayed.snapshots, replayed.differing), (7, 5, vec![]));
    assert_eq!(Mode::of(&stream), Mode::HandedOver { at: Sequence::new(7) });
    stream[1].snapshot.as_mut().unwrap().was_invited = false;
    stream[3].snapshot.as_mut().unwrap().offers = domain::Offers::default();
    assert_eq!(replay(&stream).differing, [Sequence::new(3), Sequence::new(6)]);
}

#[test]
fn after_removed_facts_a_replay_compares_from_the_next_whole_state() {
    let carried = Box::new(domain::State::default());
    let facts: [&[Fact]; 3] =
        [&[made("car-1").into()], &[Fact::Reset(Some(carried))], &[made("car-2").into()]];
    let mut stream = with_snapshots(&facts);
    stream[0].facts.clear();
    stream[0].emptied = Some(stored::Emptied { last: Sequence::new(1), by: Sequence::new(2) });
    let replayed = replay(&stream);
    assert_eq!((replayed.facts, replayed.snapshots, replayed.differing), (2, 2, vec![]));
}
