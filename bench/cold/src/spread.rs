use crate::callgrind::Used;

/// The median of some values, with the least and the most of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spread<T> {
    pub(crate) median: T,
    pub(crate) least: T,
    pub(crate) most: T,
}

impl<T: Copy + Default + Ord> Spread<T> {
    /// The spread of these values. The median of an even number of values is the lower one of the two in the middle;
    /// without values everything is zero.
    pub(crate) fn of(mut values: Vec<T>) -> Self {
        values.sort_unstable();
        let at = |place: usize| values.get(place).copied().unwrap_or_default();
        let last = values.len().saturating_sub(1);
        Self { median: at(last / 2), least: at(0), most: at(last) }
    }
}

impl Spread<Used> {
    /// The difference between the most and the least count of instructions.
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
