use contract::stored::{self, Commit, StoredCommit, Undecodable};
use domain::State;

/// Where a stream ends, as far as one knows: what an append builds on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// The folded state.
    pub state: State,
    /// The commits since the newest snapshot: what a load has to read.
    pub tail: Tail,
    /// Whether effects of this buyer are performed by us. Once they are, they stay so.
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

/// Whether the effects of what is recorded are to be performed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Performing {
    /// They are.
    #[default]
    Live,
    /// They are recorded and settled as suppressed, for another system performs them; but not of a buyer who was live before.
    Shadow,
}

impl Head {
    /// The head after one more commit of its stream; `None` if that was emptied: what took its place must be loaded.
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
        for fact in &commit.facts {
            // A fold performs nothing: the effects were decided when the commit was written, and are stored with it.
            drop(self.state.fold_fact(fact));
        }
        self.tail = self.tail.and(bytes);
    }
}
