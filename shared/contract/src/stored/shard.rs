use domain::BuyerId;

/// Spreads buyers over the shards of an index. Whoever reads asks all shards, so another hash one day does no harm.
#[must_use]
pub fn shard_of(buyer: &BuyerId, shards: u8) -> u8 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    buyer.hash(&mut hasher);
    u8::try_from(hasher.finish() % u64::from(shards.max(1))).unwrap_or_default()
}
