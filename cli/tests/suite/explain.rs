use std::collections::BTreeMap;

use cli::{Fate, Line, Settled, explain};
use contract::stored::{self, Commit};
use domain::{Event, LeadId, OfferVersion, Sequence};
use event_store::{Appending, Head};
use jiff::Timestamp;
use leads_store::{About, AddressDigest, Cursor, LedgerEntry, Outcome, ReceiptRecord, Status};
use testkit::{acceptance_withdrawn, accepted, buyer, made, withdrawn};

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
