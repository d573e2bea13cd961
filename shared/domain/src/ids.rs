//! Ids, numbers and digests. An id is parsed once, where it enters the system, and is valid from then on.

use std::fmt;

/// The maximum length of an id in characters: the limit of an SQS message group id.
const LONGEST: usize = 128;

/// The error for a text that is not a valid id.
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

/// Defines one type per kind of id, so that ids of different kinds cannot be confused.
macro_rules! ids {
    ($($(#[$what:meta])* $id:ident;)*) => {$(
        $(#[$what])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $id(String);

        impl $id {
            /// Parses an id of 1 to 128 visible ASCII characters without `/`.
            ///
            /// # Errors
            /// [`InvalidId`] for any other text.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                checked(text).map(Self)
            }

            /// The id exactly as it was parsed.
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
    /// The id of a buyer, who makes offers. It also names the buyer's stream and message group.
    BuyerId;
    /// The id of one offer for one car.
    OfferId;
    /// The former system's name for one of its leads. It contains no `/`, so it never equals the name of a lead of
    /// ours.
    FormerLeadId;
    /// The id of a listed car.
    CarId;
    /// The sender's id of one event. It is kept for tracing; no rule reads it.
    EventId;
}

impl BuyerId {
    /// The hundredth of all buyers that this buyer belongs to, 0 to 99. The hash is stable, so the answer never
    /// changes.
    #[must_use]
    pub fn hundredth(&self) -> u64 {
        let hash = fnv_1a(FNV_1A_START, self.0.as_bytes());
        // Fold the upper half in, so that ids which differ only in their last letter are spread as well.
        (hash ^ (hash >> 32)) % 100
    }
}

/// The sender's count of an offer's changes: 1, 2, 3 … without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OfferVersion(u32);

impl OfferVersion {
    /// The version of every `made` event, and of no other event.
    pub const FIRST: Self = Self(1);

    /// The highest version that an incoming event may have: the largest signed 32-bit integer. A stored one may be
    /// higher.
    pub const LAST: Self = Self(2_147_483_647);

    /// The version with this number, or `None` for 0: versions count from 1.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        if number == 0 { None } else { Some(Self(number)) }
    }

    /// The number, from 1.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The version after this one. The highest number is its own successor, so the count never wraps around.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The version before this one, or `None` for the first.
    #[must_use]
    pub const fn previous(self) -> Option<Self> {
        Self::new(self.0.saturating_sub(1))
    }
}

/// The position of a fact in a buyer's stream, counted from 1 without gaps. 0 is the position before the first fact.
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

/// 48 bits of FNV-1a over length-prefixed fields. Digests are stored, so the algorithm must never change; the standard
/// library's hasher gives no such guarantee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub [u8; 6]);

/// A digest in the making.
#[derive(Clone, Copy)]
pub(crate) struct Hash(u64);

impl Hash {
    /// Folds all 64 bits into 48.
    pub(crate) const fn digest(self) -> Digest {
        let [_, _, bytes @ ..] = (self.0 ^ (self.0 >> 48)).to_be_bytes();
        Digest(bytes)
    }

    pub(crate) const EMPTY: Self = Self(FNV_1A_START);

    fn bytes(self, bytes: &[u8]) -> Self {
        Self(fnv_1a(self.0, bytes))
    }

    pub(crate) fn and(self, field: &str) -> Self {
        self.bytes(&(field.len() as u64).to_le_bytes()).bytes(field.as_bytes())
    }

    pub(crate) fn and_option(self, field: Option<&str>) -> Self {
        match field {
            Some(text) => self.bytes(&[1]).and(text),
            None => self.bytes(&[0]),
        }
    }
}

/// The offset basis of FNV-1a for 64 bits.
const FNV_1A_START: u64 = 0xcbf2_9ce4_8422_2325;

/// Continues an FNV-1a hash over more bytes. Its results are stored or select buyers, so it must never change.
fn fnv_1a(hash: u64, bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    bytes.iter().fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}
