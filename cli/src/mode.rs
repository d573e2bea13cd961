use contract::stored::Commit;
use domain::{Fact, Sequence};
use serde_json::{Value, json};

/// A buyer's mode, which decides whether Leadstream or the former system announces its leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The buyer is in shadow: the former system announces its leads.
    Shadow {
        /// Whether an answer of the former system is recorded.
        is_asked: bool,
    },
    /// The buyer is live: Leadstream announces its leads since the former system handed it over.
    HandedOver {
        /// The sequence number at which the handover was recorded.
        at: Sequence,
    },
    /// The buyer is live and was never handed over.
    Live,
}

impl Mode {
    /// The mode after a whole stream, given oldest commit first.
    #[must_use]
    pub fn of(commits: &[Commit]) -> Self {
        let (mut is_asked, mut handed_over) = (false, None);
        for commit in commits {
            for (number, fact) in (commit.first.get()..).zip(&commit.facts) {
                match fact {
                    Fact::Migrated(_) => is_asked = true,
                    Fact::HandedOver(_) => handed_over = Some(Sequence::new(number)),
                    Fact::Reset(kept) => is_asked = kept.as_ref().is_some_and(|state| state.is_asked),
                    Fact::Event(_) | Fact::Voided { .. } | Fact::Erased(_) => {}
                }
            }
        }
        match (commits.last().is_none_or(|commit| commit.is_shadow), handed_over) {
            (true, _) => Self::Shadow { is_asked },
            (false, Some(at)) => Self::HandedOver { at },
            (false, None) => Self::Live,
        }
    }

    /// The mode as text.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::Shadow { is_asked: true } => {
                "in shadow; an answer of the former system is recorded".to_owned()
            }
            Self::Shadow { is_asked: false } => {
                "in shadow; the former system has not been asked yet".to_owned()
            }
            Self::HandedOver { at } => format!("live; handed over at sequence number {at}"),
            Self::Live => "live".to_owned(),
        }
    }

    pub(crate) fn json(self) -> Value {
        match self {
            Self::Shadow { is_asked } => json!({ "is": "shadow", "isAsked": is_asked }),
            Self::HandedOver { at } => json!({ "is": "handed-over", "handedOverAt": at.get() }),
            Self::Live => json!({ "is": "live" }),
        }
    }
}
