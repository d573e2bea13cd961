use contract::stored::Commit;
use domain::{Fact, Sequence};
use serde_json::{Value, json};

/// Which system announces a buyer's leads, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// In shadow: the former system does.
    Shadow {
        /// Whether an answer of the former system is recorded.
        is_asked: bool,
    },
    /// We do, since the former system handed the buyer over.
    HandedOver {
        /// The sequence number of its answer.
        at: Sequence,
    },
    /// We do, and always did.
    Live,
}

impl Stands {
    /// By a whole stream, oldest commit first.
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

    /// The words for it.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::Shadow { is_asked: true } => {
                "in shadow; an answer of the former system is recorded".to_owned()
            }
            Self::Shadow { is_asked: false } => "in shadow; the former system was not asked yet".to_owned(),
            Self::HandedOver { at } => format!("live; handed over at {at}"),
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
