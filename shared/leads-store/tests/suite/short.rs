//! Buyers with pending effects that nothing will retry: an audit marks them behind, if their cursor is unchanged.

use domain::Sequence;
use leads_store::{Behind, Cursor, Cursors as _};

use super::{buyer, progress};
use crate::attempts::at;
use crate::dynamo::{Engine, leads_at};

fn mark(name: &str) -> Behind {
    let (mark, reason) = (name.to_owned(), "an audit".to_owned());
    Behind { mark, reason, attempts: 1, not_before: at("10:08:00") }
}

fn cursor(through: u64, mark: Behind) -> Cursor {
    Cursor { through: Sequence::new(through), behind: Some(mark), ..Cursor::default() }
}

#[tokio::test]
async fn a_missing_cursor_and_one_at_the_start_can_be_marked_short() {
    let engine = Engine::start().await;
    let leads = leads_at(&engine.url);
    assert!(leads.mark_short(&buyer(), Sequence::START, &mark("first")).await.unwrap());
    assert_eq!(leads.cursor(&buyer()).await.unwrap(), cursor(0, mark("first")));
    assert!(leads.mark_short(&buyer(), Sequence::START, &mark("first")).await.unwrap(), "repeated");
    assert!(!leads.mark_short(&buyer(), Sequence::START, &mark("second")).await.unwrap(), "already marked");
    assert_eq!(leads.cursor(&buyer()).await.unwrap(), cursor(0, mark("first")));
    leads.move_cursor(&buyer(), &progress(0, 0), Some("first")).await.unwrap();
    assert!(leads.mark_short(&buyer(), Sequence::START, &mark("third")).await.unwrap());
    assert_eq!(leads.cursor(&buyer()).await.unwrap(), cursor(0, mark("third")));
}

#[tokio::test]
async fn a_moved_or_marked_cursor_is_not_marked_short() {
    let engine = Engine::start().await;
    let leads = leads_at(&engine.url);
    leads.move_cursor(&buyer(), &progress(0, 4), None).await.unwrap();
    for found in [0, 3] {
        assert!(!leads.mark_short(&buyer(), Sequence::new(found), &mark("first")).await.unwrap(), "{found}");
    }
    assert_eq!(leads.cursor(&buyer()).await.unwrap().behind, None);
    assert!(leads.mark_short(&buyer(), Sequence::new(4), &mark("first")).await.unwrap());
    assert!(!leads.mark_short(&buyer(), Sequence::new(4), &mark("second")).await.unwrap());
    assert_eq!(leads.cursor(&buyer()).await.unwrap(), cursor(4, mark("first")));
}
