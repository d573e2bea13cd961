//! Reading a stream: newest first, in pages that grow, no further back than needed.

use contract::stored::{self, Commit};
use domain::{BuyerId, Sequence};

use crate::{Commits, Head, StoreError};

/// How many commits the first page asks for: as many as there are between two snapshots, as long as these are small. Eight
/// commits of one event fit into a read unit, or little more.
pub(crate) const FIRST_PAGE: usize = 8;

/// How much larger each further page is: a long tail is read in few requests, a short one is not overread.
const GROWTH: usize = 4;

/// The largest page; DynamoDB ends one at 1 MB anyway.
const LARGEST_PAGE: usize = 2048;

/// The head of a stream: reads back to the newest usable snapshot, or to a fact before which nothing counts.
///
/// # Errors
/// [`StoreError`].
pub async fn load(store: &impl Commits, buyer: &BuyerId) -> Result<Head, StoreError> {
    Ok(tail_after(store, buyer, None).await?.0)
}

/// The head, and every commit with a fact after `after`, oldest first: what is still to be settled. With `None`, no
/// commit is asked for.
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
    let is_asked_for = |commit: &Commit| after.is_some_and(|after| commit.last() > after);
    let tail = commits.into_iter().map(|(commit, _)| commit).filter(is_asked_for).collect();
    Ok((head, tail))
}

/// The whole stream, oldest first. One query and every page of it; for questions about the past only.
///
/// # Errors
/// [`StoreError`].
pub async fn history(store: &impl Commits, buyer: &BuyerId) -> Result<Vec<Commit>, StoreError> {
    Ok(read_back(store, buyer, |_| false).await?.into_iter().map(|(commit, _)| commit).collect())
}

/// Commits with their sizes, oldest first, read newest first until `is_enough` says so of one.
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
