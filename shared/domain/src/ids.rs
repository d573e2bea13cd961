//! Names and numbers. An id is parsed once, at the border, and is valid from then on.

use std::fmt;

use crate::event::{FNV_1A_START, fnv_1a};

/// The longest id in characters: what SQS takes as a message group.
const LONGEST: usize = 128;

/// Why a text is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 128 visible ASCII characters without '/'")]
pub struct InvalidId;

fn checked(text: &str) -> Result<String, InvalidId> {
    let is_visible = |byte: u8| byte.is_ascii_graphic() && byte != b'/';
    if (1..=LONGEST).contains(&text.len()) && text.bytes().all(is_visible) {
        Ok(text.to_owned())
    } else {
        Err(InvalidId)
    }
}

/// Names of one kind: the same text as another kind of name is another type.
macro_rules! ids {
    ($($(#[$what:meta])* $id:ident;)*) => {$(
        $(#[$what])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $id(String);

        impl $id {
            /// Takes 1 to 128 visible ASCII characters without `/`.
            ///
            /// # Errors
            /// [`InvalidId`] for any other text.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                checked(text).map(Self)
            }

            /// The id as it was given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    /// Who makes offers; the name of a stream and of a message group.
    BuyerId;
    /// One offer for one car.
    OfferId;
    /// What a former system calls a lead of its own. Without `/`, so it is never the name of a lead of ours.
    FormerLeadId;
    /// A listed car.
    CarId;
    /// The sender's own name for one event. Kept for people who trace; no rule reads it.
    EventId;
}

impl BuyerId {
    /// Which hundredth of all buyers this one belongs to, 0 to 99, by a stable hash: the same for ever.
    #[must_use]
    pub fn hundredth(&self) -> u64 {
        let hash = fnv_1a(FNV_1A_START, self.0.as_bytes());
        // Folded, so that ids that differ in their last letter only are spread as well.
        (hash ^ (hash >> 32)) % 100
    }
}

/// The offer's own count of changes, given by the sender: 1, 2, 3 … without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OfferVersion(u32);

impl OfferVersion {
    /// The version of every `made`, and of nothing else.
    pub const FIRST: Self = Self(1);

    /// The last version that an incoming event may have: signed 32-bit integers end here. A stored one may be higher.
    pub const LAST: Self = Self(2_147_483_647);

    /// `None` for 0: versions count from 1.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        if number == 0 { None } else { Some(Self(number)) }
    }

    /// The number, from 1.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The version after this one; the last one is its own successor, so that nothing ever wraps round.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The version before this one, if there is one.
    #[must_use]
    pub const fn previous(self) -> Option<Self> {
        Self::new(self.0.saturating_sub(1))
    }
}

/// A position in a buyer's stream, from 1 without gaps. 0 is the position before the first fact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(u64);

impl Sequence {
    /// The position before the first fact.
    pub const START: Self = Self(0);

    /// The position with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The position after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for OfferVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
