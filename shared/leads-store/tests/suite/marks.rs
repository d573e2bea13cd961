//! The mark of a buyer that is behind: only a worker that read it clears it.

use std::collections::BTreeMap;

use domain::Sequence;
use leads_store::{Behind, Cursor, Cursors as _, Moved, Outcome, Progress};

use super::{both, buyer, progress};
use crate::attempts::at;

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
