use contract::stored::{self, Commit, StoredCommit, Undecodable};
use domain::{Sequence, State};

/// Where a stream ends, as far as one knows: what an append builds on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// The folded state.
    pub state: State,
    /// The commits since the newest snapshot: what a load has to read.
    pub tail: Tail,
    /// Whether the buyer is live: effects are performed by us. Who is not is in shadow. Live by its newest commit, and then for
    /// ever: a property of the stream, never of a setting.
    pub is_live: bool,
}

/// Some commits at the end of a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tail {
    /// How many.
    pub commits: usize,
    /// Their size, as DynamoDB counts it.
    pub bytes: usize,
}

impl Tail {
    /// With one more of this size.
    #[must_use]
    pub const fn and(self, bytes: usize) -> Self {
        Self { commits: self.commits + 1, bytes: self.bytes + bytes }
    }
}

impl Head {
    /// The head after one more commit of its stream; `None` if an older version of the software has emptied that: then load.
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
        // What comes before a fresh start is not read.
        self.state.sequence = Sequence::new(commit.first.get().saturating_sub(1));
        for fact in &commit.facts {
            // A fold performs nothing: the effects were decided when the commit was written, and are stored with it.
            drop(self.state.fold_fact(fact));
        }
        self.tail = self.tail.and(bytes);
    }
}
