use simulator::Chance;

/// A fault injected at one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process is killed; the request never reaches AWS.
    KillBefore,
    /// AWS performs the request; the process is killed before it gets the answer.
    KillAfter,
    /// AWS performs the request; the connection is reset.
    Reset,
    /// AWS performs the request; the connection closes after half of the answer.
    Cut,
    /// AWS performs the request; the answer is an internal error.
    Error,
    /// AWS performs the request; no answer ever comes.
    Silence,
    /// AWS performs the request; the answer is not JSON.
    Garbage,
}

impl Fault {
    /// The fault's name in reports.
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

    /// Whether the fault kills the process.
    #[must_use]
    pub const fn kills(self) -> bool {
        matches!(self, Self::KillBefore | Self::KillAfter)
    }

    /// A random fault, mostly a kill. Silence takes a time-out in real time, so it is chosen only if that is allowed.
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
