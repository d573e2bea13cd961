use domain::BuyerId;

/// The share of buyers that go live with their next event, selected by a stable hash of their ids. A buyer that is live
/// stays live, whatever the share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveShare {
    percent: u8,
}

impl LiveShare {
    /// All buyers go live.
    pub const EVERYBODY: Self = Self { percent: 100 };
    /// No buyer goes live; new buyers are recorded in shadow.
    pub const NOBODY: Self = Self { percent: 0 };

    /// A share of `percent` percent; `None` above 100. A larger share contains every smaller one.
    #[must_use]
    pub const fn percent(percent: u8) -> Option<Self> {
        if percent <= 100 { Some(Self { percent }) } else { None }
    }

    /// Whether the share includes this buyer.
    #[must_use]
    pub fn includes(self, buyer: &BuyerId) -> bool {
        buyer.hundredth() < u64::from(self.percent)
    }
}

#[cfg(test)]
mod tests {
    use domain::BuyerId;

    use super::LiveShare;

    fn count(percent: u8) -> usize {
        let share = LiveShare::percent(percent).expect("a share");
        let is_in = |number: &u32| {
            BuyerId::parse(&format!("buyer-{number}")).is_ok_and(|buyer| share.includes(&buyer))
        };
        (0..10_000).filter(is_in).count()
    }

    #[test]
    fn a_share_includes_about_its_percentage_of_buyers() {
        assert_eq!((count(0), count(100)), (0, 10_000));
        for percent in [1, 5, 50, 95] {
            let expected = usize::from(percent) * 100;
            assert!(count(percent).abs_diff(expected) < 200, "{percent}: {}", count(percent));
        }
        assert_eq!(LiveShare::percent(101), None);
    }

    #[test]
    fn larger_shares_contain_smaller_ones_and_shares_never_change() {
        let buyers = (0..1000).filter_map(|number| BuyerId::parse(&format!("buyer-{number}")).ok());
        for buyer in buyers {
            let first =
                (0..=100).find(|p| LiveShare::percent(*p).is_some_and(|share| share.includes(&buyer)));
            for percent in first.into_iter().flat_map(|first| first..=100) {
                assert!(LiveShare::percent(percent).is_some_and(|share| share.includes(&buyer)));
            }
        }
        let ada = BuyerId::parse("ada").expect("an id");
        let first = (0..=100).find(|p| LiveShare::percent(*p).is_some_and(|share| share.includes(&ada)));
        assert_eq!(first, Some(47), "the value of the first deployment");
    }
}
