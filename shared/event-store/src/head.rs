use contract::stored::{self, Commit, StoredCommit, Undecodable};
use domain::{Sequence, State};

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
            drop(self.state.fold_fact(fact));
        }
        self.tail = self.tail.and(bytes);
    }
}
