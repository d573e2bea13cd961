use contract::stored::{self, Commit, StoredCommit, Undecodable};
use domain::State;

/// Where a stream ends, as far as one knows: what an append builds on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// The folded state.
    pub state: State,
    /// The bytes of the commits since the newest snapshot: what a load has to read.
    pub tail_bytes: usize,
}

impl Head {
    /// The head after one more commit of its stream.
    ///
    /// # Errors
    /// [`Undecodable`], and the head is as before.
    pub fn follow(&mut self, stored: &StoredCommit) -> Result<Commit, Undecodable> {
        let commit = stored::decode(stored)?;
        self.adopt(&commit, stored.bytes());
        Ok(commit)
    }

    pub(crate) fn adopt(&mut self, commit: &Commit, bytes: usize) {
        if let Some(snapshot) = &commit.snapshot {
            self.state = snapshot.clone();
            self.tail_bytes = 0;
            return;
        }
        for event in &commit.facts {
            // A fold performs nothing: the effects were decided when the commit was written, and are stored with it.
            drop(self.state.fold(event));
        }
        self.tail_bytes += bytes;
    }
}
