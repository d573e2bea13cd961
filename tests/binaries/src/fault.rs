use simulator::Chance;

/// What goes wrong about one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process is killed; the request never reaches AWS.
    KillBefore,
    /// AWS does what it was asked; the process is killed before it hears of it.
    KillAfter,
    /// AWS does it; the connection is reset.
    Reset,
    /// AWS does it; the answer ends in its middle.
    Cut,
    /// AWS does it; the answer is an internal error.
    Error,
    /// AWS does it; there is never an answer.
    Silence,
    /// AWS does it; the answer is no JSON.
    Garbage,
}

impl Fault {
    /// The word for it in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::KillBefore => "killed-before",
            Self::KillAfter => "killed-after",
            Self::Reset => "reset",
            Self::Cut => "cut",
            Self::Error => "error",
            Self::Silence => "silence",
            Self::Garbage => "garbage",
        }
    }

    /// Whether the process ends by it.
    #[must_use]
    pub const fn kills(self) -> bool {
        matches!(self, Self::KillBefore | Self::KillAfter)
    }

    /// Mostly kills. Silence costs a time-out of real time: only where there is time for it.
    pub(crate) const fn any(chance: &mut Chance, may_be_silent: bool) -> Self {
        if may_be_silent && chance.per_mille(10) {
            return Self::Silence;
        }
        match chance.below(20) {
            0..9 => Self::KillBefore,
            9..18 => Self::KillAfter,
            18 => Self::Cut,
            _ => {
                if chance.per_mille(500) {
                    Self::Reset
                } else {
                    Self::Error
                }
            }
        }
    }
}
