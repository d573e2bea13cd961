//! A buyer whose cursor is short: marked behind only as long as it is as it was found.

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
async fn a_buyer_without_a_cursor_is_short_at_the_start_and_so_is_one_that_stands_there() {
    let engine = Engine::start().await;
    let leads = leads_at(&engine.url);
    assert!(leads.mark_short(&buyer(), Sequence::START, &mark("first")).await.unwrap());
    assert_eq!(leads.cursor(&buyer()).await.unwrap(), cursor(0, mark("first")));
    assert!(leads.mark_short(&buyer(), Sequence::START, &mark("first")).await.unwrap(), "sent twice");
    assert!(!leads.mark_short(&buyer(), Sequence::START, &mark("second")).await.unwrap(), "marked already");
    assert_eq!(leads.cursor(&buyer()).await.unwrap(), cursor(0, mark("first")));
    leads.move_cursor(&buyer(), &progress(0, 0), Some("first")).await.unwrap();
    assert!(leads.mark_short(&buyer(), Sequence::START, &mark("third")).await.unwrap());
    assert_eq!(leads.cursor(&buyer()).await.unwrap(), cursor(0, mark("third")));
}

#[tokio::test]
async fn a_cursor_that_has_moved_or_is_marked_already_is_not_short() {
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
