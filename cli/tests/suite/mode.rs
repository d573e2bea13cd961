//! Buyers in shadow, handed over and live, as seen by `show`, `history`, `replay` and `audit`.

use std::collections::BTreeMap;

use cli::takeover::replay;
use cli::{Exit, Mode};
use contract::stored::{self, Commit};
use domain::{Fact, FormerLeadId, Known, Offer, Sequence, Stage};
use event_store::{Appending, Head};
use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::{acceptance_withdrawn, accepted, buyer, contact, made, offer};

use crate::all_buyers::World;
use crate::world::assert_golden;

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
    use leads_store::{Closing, Cursors as _, LeadChange, Progress};
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
