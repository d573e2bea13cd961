//! What is held at the head: recorded beside the cursor, and never by a worker that has seen an older head.

use domain::Sequence;
use leads_store::{Behind, Held, HeldAtHead, LeadsStore as _, Moved, Progress};
use testkit::at;

use super::{Table, both, buyer, dynamo, progress};

fn held(sequence: u64) -> Held {
    Held { sequence: Sequence::new(sequence), since: at("10:00:01"), due: at("10:00:02") }
}

/// A progress at whose end `oldest` is held.
fn holding(from: u64, through: u64, oldest: Option<Held>, is_known: bool) -> Progress {
    Progress { held: Some(HeldAtHead { oldest, is_known }), ..progress(from, through) }
}

#[track_caller]
fn assert_moved(moved: Moved, table: &Table) {
    assert_eq!(moved, Moved::Done, "{table}");
}

/// The recorded oldest held event. Asserts that cursor, item and index agree.
async fn recorded(table: &Table) -> Option<Held> {
    let contents = table.contents().await;
    let is_recorded = contents.about.held.is_some();
    assert_eq!(contents.about.cursor.holds, is_recorded, "{table}: the cursor");
    assert_eq!(contents.open_work.contains(&"held".to_owned()), is_recorded, "{table}: the index");
    contents.about.held
}

#[tokio::test]
async fn held_events_are_recorded_and_removed_with_the_cursor() {
    for table in both().await {
        let moved = table.move_cursor(&buyer(), &holding(0, 2, Some(held(2)), false), None).await.unwrap();
        assert_moved(moved, &table);
        assert_eq!(recorded(&table).await, Some(held(2)), "{table}");

        table.move_cursor(&buyer(), &holding(2, 3, Some(held(9)), true), None).await.unwrap();
        assert_eq!(recorded(&table).await, Some(held(2)), "{table}: known, so nothing is written");

        table.move_cursor(&buyer(), &holding(3, 4, None, false), None).await.unwrap();
        assert_eq!(recorded(&table).await, None, "{table}");
        assert_eq!(table.cursor(&buyer()).await.unwrap().through, Sequence::new(4), "{table}");
    }
}

#[tokio::test]
async fn an_overtaken_worker_records_no_held_events() {
    for table in both().await {
        table.move_cursor(&buyer(), &progress(0, 5), None).await.unwrap();
        for late in [holding(0, 5, Some(held(2)), false), holding(4, 4, Some(held(2)), false)] {
            let moved = table.move_cursor(&buyer(), &late, None).await.unwrap();
            assert_eq!((moved, recorded(&table).await), (Moved::Overtaken, None), "{table}");
        }
    }
}

#[tokio::test]
async fn an_overtaken_worker_does_not_move_the_cursor_back() {
    for oldest in [None, Some(held(2))] {
        for table in both().await {
            table.move_cursor(&buyer(), &holding(0, 5, oldest.clone(), false), None).await.unwrap();
            let late = holding(3, 4, oldest.clone(), true);
            assert_eq!(table.move_cursor(&buyer(), &late, None).await.unwrap(), Moved::Overtaken, "{table}");
            assert_eq!(table.cursor(&buyer()).await.unwrap().through, Sequence::new(5), "{table}");
            assert_eq!(recorded(&table).await, oldest, "{table}");
        }
    }
}

#[tokio::test]
async fn the_worker_with_the_later_head_determines_what_is_held() {
    for table in both().await {
        // The worker read the cursor when nothing was held, and nothing is held at its head. In between, another worker
        // recorded a held event.
        table.move_cursor(&buyer(), &holding(0, 5, Some(held(5)), false), None).await.unwrap();
        let moved = table.move_cursor(&buyer(), &holding(0, 6, None, true), None).await.unwrap();
        assert_moved(moved, &table);
        assert_eq!(recorded(&table).await, None, "{table}");
    }
    for table in both().await {
        table.move_cursor(&buyer(), &holding(0, 4, Some(held(2)), false), None).await.unwrap();
        table.move_cursor(&buyer(), &holding(4, 5, None, false), None).await.unwrap();
        let moved = table.move_cursor(&buyer(), &holding(4, 6, Some(held(6)), true), None).await.unwrap();
        assert_moved(moved, &table);
        assert_eq!(recorded(&table).await, Some(held(6)), "{table}");
    }
}

#[tokio::test]
async fn an_unmoved_cursor_can_record_held_events() {
    for table in both().await {
        table.move_cursor(&buyer(), &holding(0, 3, Some(held(2)), false), None).await.unwrap();
        let again = Held { due: at("11:00:00"), ..held(3) };
        table.move_cursor(&buyer(), &holding(3, 3, Some(again.clone()), false), None).await.unwrap();
        assert_eq!(recorded(&table).await, Some(again), "{table}");
        table.move_cursor(&buyer(), &holding(3, 3, None, false), None).await.unwrap();
        assert_eq!(recorded(&table).await, None, "{table}");
    }
}

#[tokio::test]
async fn an_unmoved_cursor_records_held_events_despite_a_newer_mark() {
    for table in both().await {
        table.move_cursor(&buyer(), &progress(0, 3), None).await.unwrap();
        let newer = Behind {
            mark: "newer".to_owned(),
            reason: "test".to_owned(),
            attempts: 1,
            not_before: at("10:08:00"),
        };
        table.mark_behind(&buyer(), &newer).await.unwrap();
        let stays = holding(3, 3, Some(held(2)), false);
        assert_moved(table.move_cursor(&buyer(), &stays, Some("first")).await.unwrap(), &table);
        assert_eq!(recorded(&table).await, Some(held(2)), "{table}");
        assert_eq!(table.cursor(&buyer()).await.unwrap().behind, Some(newer), "{table}");
    }
}

#[tokio::test]
async fn without_a_cursor_no_held_events_are_recorded() {
    let table = dynamo().await;
    let moved = table.move_cursor(&buyer(), &holding(0, 0, Some(held(1)), false), None).await.unwrap();
    assert_eq!((moved, recorded(&table).await), (Moved::Overtaken, None));
}

#[tokio::test]
async fn an_overtaken_worker_clears_no_mark() {
    for table in both().await {
        table.move_cursor(&buyer(), &progress(0, 5), None).await.unwrap();
        let mark = Behind {
            mark: "first".to_owned(),
            reason: "test".to_owned(),
            attempts: 1,
            not_before: at("10:08:00"),
        };
        table.mark_behind(&buyer(), &mark).await.unwrap();
        let late = holding(4, 4, Some(held(2)), false);
        let moved = table.move_cursor(&buyer(), &late, Some("first")).await.unwrap();
        assert_eq!((moved, recorded(&table).await), (Moved::Overtaken, None), "{table}");
        assert_eq!(table.cursor(&buyer()).await.unwrap().behind, Some(mark), "{table}");
    }
}

#[tokio::test]
async fn clearing_a_mark_never_moves_the_cursor_back_or_clears_a_newer_one() {
    let mark = |name: &str| Behind {
        mark: name.to_owned(),
        reason: "test".to_owned(),
        attempts: 1,
        not_before: at("10:08:00"),
    };
    for oldest in [None, Some(held(2))] {
        for table in both().await {
            table.move_cursor(&buyer(), &holding(0, 3, oldest.clone(), false), None).await.unwrap();
            table.mark_behind(&buyer(), &mark("first")).await.unwrap();
            let late = holding(1, 2, oldest.clone(), true);
            let moved = table.move_cursor(&buyer(), &late, Some("first")).await.unwrap();
            assert_eq!(moved, Moved::Overtaken, "{table}");
            let cursor = table.cursor(&buyer()).await.unwrap();
            assert_eq!((cursor.through, cursor.behind), (Sequence::new(3), Some(mark("first"))), "{table}");

            let on = holding(3, 4, oldest.clone(), true);
            assert_moved(table.move_cursor(&buyer(), &on, Some("first")).await.unwrap(), &table);
            assert_eq!(table.cursor(&buyer()).await.unwrap().behind, None, "{table}");

            table.mark_behind(&buyer(), &mark("newer")).await.unwrap();
            let on = holding(4, 5, oldest.clone(), true);
            assert_moved(table.move_cursor(&buyer(), &on, Some("first")).await.unwrap(), &table);
            assert_eq!(table.cursor(&buyer()).await.unwrap().behind, Some(mark("newer")), "{table}");

            // A worker with an older head records something else.
            let other = if oldest.is_some() { None } else { Some(held(2)) };
            table.move_cursor(&buyer(), &holding(5, 5, other, false), None).await.unwrap();
            let on = holding(5, 6, oldest.clone(), true);
            assert_moved(table.move_cursor(&buyer(), &on, Some("newer")).await.unwrap(), &table);
            assert_eq!(recorded(&table).await, oldest, "{table}");
        }
    }
}

#[tokio::test]
async fn marks_and_held_events_do_not_interfere() {
    let mark = |name: &str| Behind {
        mark: name.to_owned(),
        reason: "test".to_owned(),
        attempts: 1,
        not_before: at("10:08:00"),
    };
    for table in both().await {
        table.mark_behind(&buyer(), &mark("first")).await.unwrap();
        let moved = holding(0, 2, Some(held(2)), false);
        table.move_cursor(&buyer(), &moved, Some("first")).await.unwrap();
        assert_eq!(recorded(&table).await, Some(held(2)), "{table}");
        assert_eq!(table.cursor(&buyer()).await.unwrap().behind, None, "{table}");

        table.mark_behind(&buyer(), &mark("newer")).await.unwrap();
        table.move_cursor(&buyer(), &holding(2, 3, None, false), Some("first")).await.unwrap();
        assert_eq!(recorded(&table).await, None, "{table}");
        let behind = table.cursor(&buyer()).await.unwrap().behind;
        assert_eq!(behind, Some(mark("newer")), "{table}: a newer mark stays");
    }
}
