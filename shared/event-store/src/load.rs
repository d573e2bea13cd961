//! Loading a stream: newest first, in growing pages, and no further back than needed.

use contract::stored::{self, Commit, StoredCommit, Undecodable};
use domain::{BuyerId, Fact, Sequence, State};
use jiff::Timestamp;

use crate::{Commits, StoreError};

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

/// The sequence number of the oldest event held at this head, and when it was recorded; `None` if no held event is in
/// these commits.
#[must_use]
pub fn oldest_held(head: &State, commits: &[Commit]) -> Option<(Sequence, Timestamp)> {
    let counts =
        commits.iter().rposition(|commit| commit.facts.iter().any(Fact::is_fresh_start)).unwrap_or(0);
    commits.iter().skip(counts).find_map(|commit| {
        let place = commit.facts.iter().position(|fact| head.holds(fact))?;
        Some((Sequence::new(commit.first.get() + place as u64), commit.recorded_at))
    })
}

/// Loads the whole stream as it is stored, oldest first, page by page, without decoding it.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn stored_history(store: &impl Commits, buyer: &BuyerId) -> Result<Vec<StoredCommit>, StoreError> {
    let mut newest_first: Vec<StoredCommit> = Vec::new();
    loop {
        let before = newest_first.last().map(|commit| Sequence::new(commit.sequence));
        let page = store.page(buyer, before, LARGEST_PAGE).await?;
        newest_first.extend(page.commits);
        if !page.has_more {
            newest_first.reverse();
            return Ok(newest_first);
        }
    }
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

/// The known end of a stream, on which an append builds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// The folded state.
    pub state: State,
    /// The commits since the newest snapshot, which a load has to read.
    pub tail: Tail,
    /// Whether the buyer is live, so that Leadstream performs its effects; otherwise it is in shadow. The newest commit
    /// determines this, and live is permanent: it is a property of the stream, never of a setting.
    pub is_live: bool,
}

/// The number and size of the commits at the end of a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tail {
    /// The number of commits.
    pub commits: usize,
    /// Their total size in bytes, as DynamoDB counts it.
    pub bytes: usize,
}

impl Tail {
    /// The tail with one more commit of this size.
    #[must_use]
    pub const fn and(self, bytes: usize) -> Self {
        Self { commits: self.commits + 1, bytes: self.bytes + bytes }
    }
}

impl Head {
    /// The head after one more commit of its stream. Returns `None` if an older version of the software has emptied
    /// that commit; the stream must then be loaded.
    ///
    /// # Errors
    /// [`Undecodable`].
    pub fn followed_by(mut self, stored: &StoredCommit) -> Result<Option<Self>, Undecodable> {
        let commit = stored::decode(stored)?;
        if commit.emptied.is_some() {
            return Ok(None);
        }
        self.adopt(&commit, stored.bytes());
        Ok(Some(self))
    }

    pub(crate) fn adopt(&mut self, commit: &Commit, bytes: usize) {
        self.is_live = !commit.is_shadow;
        if let Some(snapshot) = &commit.snapshot {
            self.state = snapshot.clone();
            self.tail = Tail::default();
            return;
        }
        // Commits before a fresh start are not read, so the sequence is taken from the commit.
        self.state.sequence = Sequence::new(commit.first.get().saturating_sub(1));
        for fact in &commit.facts {
            // A replay performs nothing: the effects were decided when the commit was written and are stored with it.
            self.state.fold(fact);
        }
        self.tail = self.tail.and(bytes);
    }
}
