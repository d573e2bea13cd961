//! Loading a stream: newest first, in growing pages, and no further back than needed.

use contract::stored::{self, Commit};
use domain::{BuyerId, Sequence};

use crate::{Commits, Head, StoreError};

/// The number of commits that the first page requests. It matches the distance between two snapshots while these are
/// small. Eight commits of one event each take about one read unit.
pub(crate) const FIRST_PAGE: usize = 8;

/// The factor by which each further page grows, so that a long tail takes few requests and a short one is not overread.
const GROWTH: usize = 4;

/// The largest page in commits. DynamoDB ends a page at 1 MB in any case.
const LARGEST_PAGE: usize = 2048;

/// Loads the head of a stream. Reads back to the newest usable snapshot, or to a fact that makes all earlier facts
/// irrelevant.
///
/// # Errors
/// [`StoreError`].
pub async fn load(store: &impl Commits, buyer: &BuyerId) -> Result<Head, StoreError> {
    Ok(tail_after(store, buyer, None).await?.0)
}

/// Loads the head and every commit with a fact after `after`, oldest first: the commits whose effects may be pending.
/// With `None`, no commits are returned.
///
/// # Errors
/// [`StoreError`].
pub async fn tail_after(
    store: &impl Commits,
    buyer: &BuyerId,
    after: Option<Sequence>,
) -> Result<(Head, Vec<Commit>), StoreError> {
    let mut has_start = false;
    let commits = read_back(store, buyer, |commit| {
        has_start |= commit.is_fresh_start();
        has_start && after.is_none_or(|after| commit.first <= after.next())
    })
    .await?;
    let start = commits.iter().rposition(|(commit, _)| commit.is_fresh_start()).unwrap_or(0);
    let mut head = Head::default();
    for (commit, bytes) in commits.get(start..).unwrap_or_default() {
        head.adopt(commit, *bytes);
    }
    let is_requested = |commit: &Commit| after.is_some_and(|after| commit.last() > after);
    let tail = commits.into_iter().map(|(commit, _)| commit).filter(is_requested).collect();
    Ok((head, tail))
}

/// Loads the whole stream, oldest first, page by page. Only operators' tools need it.
///
/// # Errors
/// [`StoreError`].
pub async fn history(store: &impl Commits, buyer: &BuyerId) -> Result<Vec<Commit>, StoreError> {
    Ok(read_back(store, buyer, |_| false).await?.into_iter().map(|(commit, _)| commit).collect())
}

/// Reads commits newest first until `is_enough` accepts one. Returns them oldest first, with their sizes in bytes.
async fn read_back(
    store: &impl Commits,
    buyer: &BuyerId,
    mut is_enough: impl FnMut(&Commit) -> bool,
) -> Result<Vec<(Commit, usize)>, StoreError> {
    let mut newest_first = Vec::new();
    let mut before = None;
    let mut limit = FIRST_PAGE;
    'pages: loop {
        let page = store.page(buyer, before, limit).await?;
        for item in &page.commits {
            let commit = stored::decode(item).map_err(StoreError::Undecodable)?;
            before = Some(commit.first);
            let ends_here = is_enough(&commit);
            newest_first.push((commit, item.bytes()));
            if ends_here {
                break 'pages;
            }
        }
        if !page.has_more {
            break;
        }
        limit = (limit * GROWTH).min(LARGEST_PAGE);
    }
    newest_first.reverse();
    Ok(newest_first)
}
