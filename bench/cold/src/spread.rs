use crate::callgrind::Used;

/// The middle of some values, and how far they lie apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spread<T> {
    pub(crate) median: T,
    pub(crate) least: T,
    pub(crate) most: T,
}

impl<T: Copy + Default + Ord> Spread<T> {
    /// Of an even number of values the lower one of the two in the middle; of none, nothing.
    pub(crate) fn of(mut values: Vec<T>) -> Self {
        values.sort_unstable();
        let at = |place: usize| values.get(place).copied().unwrap_or_default();
        let last = values.len().saturating_sub(1);
        Self { median: at(last / 2), least: at(0), most: at(last) }
    }
}

impl Spread<Used> {
    /// How far apart the counts of instructions lie.
    pub(crate) const fn doubt(&self) -> u64 {
        self.most.instructions - self.least.instructions
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn the_median_is_a_value_that_was_measured() {
        assert_eq!(Spread::of(vec![3, 1, 2]), Spread { median: 2, least: 1, most: 3 });
        assert_eq!(Spread::of(vec![4, 1, 3, 2]), Spread { median: 2, least: 1, most: 4 });
        assert_eq!(Spread::<u8>::of(Vec::new()), Spread { median: 0, least: 0, most: 0 });
    }
}
