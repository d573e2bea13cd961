use domain::BuyerId;

/// The shard of a buyer in an index. Readers query all shards, so a later change of the hash does no harm.
#[must_use]
pub fn shard_of(buyer: &BuyerId, shards: u8) -> u8 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    buyer.hash(&mut hasher);
    u8::try_from(hasher.finish() % u64::from(shards.max(1))).unwrap_or_default()
}
