//! The cursor, the changes of leads that are written with it, and the mark of a buyer that is behind: only a worker
//! that read the mark clears it.

use std::collections::BTreeMap;

use domain::{CarId, CloseReason, LeadId, OfferVersion, Sequence};
use leads_store::{
    About, Behind, Closing, Cursor, KnownLead, LeadChange, LeadsStore as _, Moved, Opening, Outcome, Progress,
};
use testkit::{at, contact, offer};

use super::{Contents, both, buyer, progress};

fn high() -> LeadId {
    LeadId::High { offer: offer("car-1"), accepted_at: OfferVersion::FIRST.next() }
}

fn opening() -> Opening {
    let car = Some(CarId::parse("car-1").unwrap());
    Opening { offer: offer("car-1"), car, contact: contact(), at: at("10:00:01") }
}

fn closing() -> Closing {
    Closing { reason: CloseReason::AcceptanceWithdrawn, at: at("10:00:02") }
}

fn announced(progress: Progress, opened: Option<Opening>, closed: Option<Closing>) -> Progress {
    Progress { leads: BTreeMap::from([(high(), LeadChange { opened, closed })]), ..progress }
}

fn settled(progress: Progress, sequence: u64, outcomes: &[(&str, Outcome)]) -> Progress {
    let outcomes = outcomes.iter().map(|&(key, outcome)| (key.to_owned(), outcome)).collect();
    Progress { settled: BTreeMap::from([(Sequence::new(sequence), outcomes)]), ..progress }
}

fn open_lead() -> KnownLead {
    let Opening { offer, car, contact, at } = opening();
    KnownLead { offer: Some(offer), car, contact: Some(contact), opened_at: Some(at), closed: None }
}

fn closed_lead() -> KnownLead {
    KnownLead { contact: None, closed: Some(closing()), ..open_lead() }
}

fn with(through: u64, lead: KnownLead) -> Contents {
    let is_open = lead.closed.is_none();
    let about = About {
        cursor: Cursor { through: Sequence::new(through), behind: None, ..Cursor::default() },
        leads: BTreeMap::from([(high(), lead)]),
        ..About::default()
    };
    let open_leads = is_open.then(|| format!("lead/{}", high())).into_iter().collect();
    Contents { about, open_leads, ..Contents::default() }
}

#[tokio::test]
async fn an_unknown_buyer_has_its_cursor_at_the_start() {
    for table in both().await {
        assert_eq!(table.cursor(&buyer()).await.unwrap(), Cursor::default(), "{table}");
        assert_eq!(table.contents().await, Contents::default(), "{table}");
    }
}

#[tokio::test]
async fn a_cursor_moves_with_lead_changes_and_outcomes() {
    for table in both().await {
        let outcomes = [("accepted-email/car-1/2", Outcome::Rejected), ("quote/car-1", Outcome::Superseded)];
        let move_it = settled(announced(progress(0, 2), Some(opening()), None), 2, &outcomes);
        assert_eq!(table.move_cursor(&buyer(), &move_it, None).await.unwrap(), Moved::Done, "{table}");

        let mut expected = with(2, open_lead());
        expected.about.settled = move_it.settled;
        assert_eq!(table.contents().await, expected, "{table}");
        assert_eq!(table.cursor(&buyer()).await.unwrap(), expected.about.cursor, "{table}");

        assert_eq!(table.move_cursor(&buyer(), &progress(2, 9), None).await.unwrap(), Moved::Done, "{table}");
        expected.about.cursor.through = Sequence::new(9);
        assert_eq!(table.contents().await, expected, "{table}: past facts without effects");
    }
}

#[tokio::test]
async fn a_cursor_never_moves_back_and_an_overtaken_worker_writes_nothing() {
    for table in both().await {
        table.move_cursor(&buyer(), &announced(progress(0, 5), Some(opening()), None), None).await.unwrap();
        let before = table.contents().await;
        for through in 3..=5 {
            let late = announced(progress(2, through), None, Some(closing()));
            let late = settled(late, 3, &[("quote/car-1", Outcome::Superseded)]);
            for late in [late, progress(2, through)] {
                assert_eq!(
                    table.move_cursor(&buyer(), &late, None).await.unwrap(),
                    Moved::Overtaken,
                    "{table}"
                );
                assert_eq!(table.contents().await, before, "{table}: {through}");
            }
        }
        let further = announced(progress(2, 6), None, Some(closing()));
        assert_eq!(table.move_cursor(&buyer(), &further, None).await.unwrap(), Moved::Done, "{table}");
        assert_eq!(table.contents().await, with(6, closed_lead()), "{table}");
    }
}

#[tokio::test]
async fn a_progress_that_does_not_move_writes_nothing() {
    for table in both().await {
        table.move_cursor(&buyer(), &announced(progress(0, 2), Some(opening()), None), None).await.unwrap();
        assert_eq!(table.move_cursor(&buyer(), &progress(2, 2), None).await.unwrap(), Moved::Done, "{table}");
        assert_eq!(table.contents().await, with(2, open_lead()), "{table}");
    }
}

#[tokio::test]
async fn a_closed_lead_has_no_contact_whether_closed_at_once_or_later() {
    for table in both().await {
        let at_once = announced(progress(0, 3), Some(opening()), Some(closing()));
        table.move_cursor(&buyer(), &at_once, None).await.unwrap();
        assert_eq!(table.contents().await, with(3, closed_lead()), "{table}: at once");
    }
    for table in both().await {
        table.move_cursor(&buyer(), &announced(progress(0, 2), Some(opening()), None), None).await.unwrap();
        assert_eq!(table.contents().await, with(2, open_lead()), "{table}: opened");
        table.move_cursor(&buyer(), &announced(progress(2, 3), None, Some(closing())), None).await.unwrap();
        assert_eq!(table.contents().await, with(3, closed_lead()), "{table}: in turn");
    }
}

#[tokio::test]
async fn a_late_worker_cannot_reopen_a_closed_lead() {
    for table in both().await {
        let late = announced(progress(0, 2), Some(opening()), None);
        table.move_cursor(&buyer(), &late, None).await.unwrap();
        table.move_cursor(&buyer(), &announced(progress(2, 3), None, Some(closing())), None).await.unwrap();

        assert_eq!(table.move_cursor(&buyer(), &late, None).await.unwrap(), Moved::Overtaken, "{table}");
        assert_eq!(table.contents().await, with(3, closed_lead()), "{table}");
    }
}

#[tokio::test]
async fn a_closing_without_an_opening_leaves_a_closed_lead() {
    for table in both().await {
        table.move_cursor(&buyer(), &announced(progress(0, 3), None, Some(closing())), None).await.unwrap();
        let known =
            KnownLead { offer: None, car: None, contact: None, opened_at: None, closed: Some(closing()) };
        assert_eq!(table.contents().await, with(3, known), "{table}");
    }
}

#[tokio::test]
async fn the_further_progress_determines_the_outcomes_of_a_sequence() {
    for table in both().await {
        let first = settled(progress(0, 1), 1, &[("a", Outcome::Superseded), ("b", Outcome::Rejected)]);
        let further = settled(progress(0, 2), 1, &[("b", Outcome::Superseded)]);
        table.move_cursor(&buyer(), &first, None).await.unwrap();
        table.move_cursor(&buyer(), &further, None).await.unwrap();
        assert_eq!(table.contents().await.about.settled, further.settled, "{table}");
    }
}

#[tokio::test]
async fn cursors_of_buyers_are_independent() {
    for table in both().await {
        let other = testkit::buyer("buyer-8");
        table.move_cursor(&other, &announced(progress(0, 4), Some(opening()), None), None).await.unwrap();
        assert_eq!(table.contents().await.about, About::default(), "{table}");
        assert_eq!(table.move_cursor(&buyer(), &progress(0, 1), None).await.unwrap(), Moved::Done, "{table}");
        assert_eq!(table.cursor(&other).await.unwrap().through, Sequence::new(4), "{table}");
    }
}

fn mark(name: &str) -> Behind {
    Behind {
        mark: name.to_owned(),
        reason: "the queue is down".to_owned(),
        attempts: 3,
        not_before: at("10:08:00"),
    }
}

fn cursor(through: u64, behind: Option<Behind>) -> Cursor {
    Cursor { through: Sequence::new(through), behind, ..Cursor::default() }
}

/// The two ways to move the cursor, which use different requests: alone, and with an item.
fn moves(from: u64, through: u64) -> [Progress; 2] {
    let outcomes = BTreeMap::from([("quote/car-1".to_owned(), Outcome::Superseded)]);
    let settled = BTreeMap::from([(Sequence::new(through), outcomes)]);
    [progress(from, through), Progress { settled, ..progress(from, through) }]
}

#[tokio::test]
async fn a_buyer_is_marked_at_any_cursor_and_is_in_open_work() {
    for table in both().await {
        table.mark_behind(&buyer(), &mark("first")).await.unwrap();
        assert_eq!(
            table.cursor(&buyer()).await.unwrap(),
            cursor(0, Some(mark("first"))),
            "{table}: at the start"
        );
        assert_eq!(table.contents().await.open_work, ["cursor"], "{table}");

        table.move_cursor(&buyer(), &progress(0, 4), None).await.unwrap();
        table.mark_behind(&buyer(), &mark("second")).await.unwrap();
        assert_eq!(table.cursor(&buyer()).await.unwrap(), cursor(4, Some(mark("second"))), "{table}: later");
        assert_eq!(table.contents().await.open_work, ["cursor"], "{table}");
    }
}

#[tokio::test]
async fn marking_twice_with_the_same_mark_is_idempotent() {
    for table in both().await {
        table.mark_behind(&buyer(), &mark("first")).await.unwrap();
        table.mark_behind(&buyer(), &mark("first")).await.unwrap();
        assert_eq!(table.cursor(&buyer()).await.unwrap(), cursor(0, Some(mark("first"))), "{table}");
    }
}

#[tokio::test]
async fn moving_the_cursor_clears_the_mark_that_was_read() {
    for with_items in [0, 1] {
        for table in both().await {
            table.mark_behind(&buyer(), &mark("first")).await.unwrap();
            let progress = &moves(0, 2)[with_items];
            let moved = table.move_cursor(&buyer(), progress, Some("first")).await.unwrap();
            assert_eq!(moved, Moved::Done, "{table}, {with_items}");
            assert_eq!(table.cursor(&buyer()).await.unwrap(), cursor(2, None), "{table}, {with_items}");
            assert_eq!(table.contents().await.open_work, Vec::<String>::new(), "{table}, {with_items}");
        }
    }
}

#[tokio::test]
async fn a_newer_mark_survives_and_the_cursor_moves() {
    for with_items in [0, 1] {
        for table in both().await {
            table.mark_behind(&buyer(), &mark("first")).await.unwrap();
            table.mark_behind(&buyer(), &mark("newer")).await.unwrap();
            let progress = &moves(0, 2)[with_items];
            let moved = table.move_cursor(&buyer(), progress, Some("first")).await.unwrap();
            assert_eq!(moved, Moved::Done, "{table}, {with_items}");
            let contents = table.contents().await;
            assert_eq!(contents.about.cursor, cursor(2, Some(mark("newer"))), "{table}, {with_items}");
            assert_eq!(contents.about.settled, progress.settled, "{table}, {with_items}");
            assert_eq!(contents.open_work, ["cursor"], "{table}, {with_items}");
        }
    }
}

#[tokio::test]
async fn a_mark_survives_workers_that_did_not_read_it_or_are_overtaken() {
    for with_items in [0, 1] {
        for table in both().await {
            table.mark_behind(&buyer(), &mark("first")).await.unwrap();
            table.move_cursor(&buyer(), &moves(0, 2)[with_items], None).await.unwrap();
            assert_eq!(table.cursor(&buyer()).await.unwrap(), cursor(2, Some(mark("first"))), "{table}");

            let late = table.move_cursor(&buyer(), &moves(0, 1)[with_items], Some("first")).await.unwrap();
            assert_eq!(late, Moved::Overtaken, "{table}");
            assert_eq!(table.cursor(&buyer()).await.unwrap(), cursor(2, Some(mark("first"))), "{table}");
        }
    }
}

#[tokio::test]
async fn without_a_move_a_mark_is_cleared_only_by_its_name() {
    for table in both().await {
        table.move_cursor(&buyer(), &progress(0, 2), None).await.unwrap();
        table.mark_behind(&buyer(), &mark("first")).await.unwrap();
        for name in [None, Some("other")] {
            let moved = table.move_cursor(&buyer(), &progress(2, 2), name).await.unwrap();
            assert_eq!(moved, Moved::Done, "{table}");
            assert_eq!(table.cursor(&buyer()).await.unwrap(), cursor(2, Some(mark("first"))), "{table}");
        }
        for _ in 0..2 {
            let moved = table.move_cursor(&buyer(), &progress(2, 2), Some("first")).await.unwrap();
            assert_eq!(moved, Moved::Done, "{table}");
            assert_eq!(table.cursor(&buyer()).await.unwrap(), cursor(2, None), "{table}");
        }
        assert_eq!(table.contents().await.open_work, Vec::<String>::new(), "{table}");
    }
}

#[tokio::test]
async fn a_missing_mark_does_not_stop_the_cursor() {
    for with_items in [0, 1] {
        for table in both().await {
            let moved = table.move_cursor(&buyer(), &moves(0, 2)[with_items], Some("first")).await.unwrap();
            assert_eq!(moved, Moved::Done, "{table}, {with_items}");
            assert_eq!(table.cursor(&buyer()).await.unwrap(), cursor(2, None), "{table}, {with_items}");
        }
    }
}
