//! Pauses: operators hold back effects of a kind for a while, and recording goes on.
//!
//! The reasons are in `docs/adr/0027-effects-can-be-paused.md`.

use jiff::{SignedDuration, Timestamp};

/// The number of ended pauses that are kept. If there are more, the oldest is forgotten.
const KEPT: usize = 50;

/// How long an ended pause is kept: twice the longest time for which an e-mail may be tried.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(2 * 336);

/// A kind of effects that operators can pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pausable {
    /// E-mails to buyers.
    Emails,
    /// Messages to the sales team.
    Sales,
}

impl Pausable {
    /// All kinds.
    pub const ALL: [Self; 2] = [Self::Emails, Self::Sales];

    /// The name of the kind in the table and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Emails => "emails",
            Self::Sales => "sales",
        }
    }
}

/// A pause that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// When it began, by the operator's clock.
    pub since: Timestamp,
    /// Who began it.
    pub by: String,
    /// Why it began.
    pub reason: String,
}

/// A pause that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// When it began.
    pub since: Timestamp,
    /// When it ended.
    pub until: Timestamp,
}

/// What is paused now, and when e-mails were paused before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pauses {
    /// The pause of e-mails.
    pub emails: Option<Pause>,
    /// The pause of sales messages.
    pub sales: Option<Pause>,
    /// The ended pauses of e-mails, oldest first and without overlaps. They stop the clocks of the ledger; no clock
    /// depends on the pauses of sales messages.
    pub past: Vec<Span>,
    /// The number of changes so far; a change is written only if no other came between.
    pub version: u64,
}

impl Pauses {
    /// The pause of this kind.
    #[must_use]
    pub const fn of(&self, kind: Pausable) -> Option<&Pause> {
        match kind {
            Pausable::Emails => self.emails.as_ref(),
            Pausable::Sales => self.sales.as_ref(),
        }
    }

    const fn of_mut(&mut self, kind: Pausable) -> &mut Option<Pause> {
        match kind {
            Pausable::Emails => &mut self.emails,
            Pausable::Sales => &mut self.sales,
        }
    }

    /// When the older of the current pauses began.
    #[must_use]
    pub fn since(&self) -> Option<Timestamp> {
        Pausable::ALL.into_iter().filter_map(|kind| self.of(kind)).map(|pause| pause.since).min()
    }

    /// How much of the time between two moments e-mails were paused.
    #[must_use]
    pub fn emails_paused(&self, from: Timestamp, to: Timestamp) -> SignedDuration {
        let current = self.emails.iter().map(|pause| Span { since: pause.since, until: to });
        let spans = self.past.iter().copied().chain(current);
        spans
            .map(|Span { since, until }| until.min(to).duration_since(since.max(from)))
            .filter(SignedDuration::is_positive)
            .sum()
    }

    /// The pauses after these kinds are paused. A kind that is paused already keeps its pause.
    #[must_use]
    pub fn paused(&self, kinds: &[Pausable], pause: &Pause) -> Self {
        let mut after = Self { version: self.version + 1, ..self.clone() };
        for kind in kinds {
            after.of_mut(*kind).get_or_insert_with(|| pause.clone());
        }
        after
    }

    /// The pauses after those of these kinds have ended. Ended pauses that no clock needs any more are forgotten.
    #[must_use]
    pub fn resumed(&self, kinds: &[Pausable], now: Timestamp) -> Self {
        let mut after = Self { version: self.version + 1, ..self.clone() };
        for kind in kinds {
            let Some(ended) = after.of_mut(*kind).take() else { continue };
            if *kind == Pausable::Emails {
                let free = after.past.last().map_or(Timestamp::MIN, |last| last.until);
                let since = ended.since.max(free);
                after.past.push(Span { since, until: now.max(since) });
            }
        }
        after.past.retain(|span| now.duration_since(span.until) <= KEPT_FOR);
        after.past.drain(..after.past.len().saturating_sub(KEPT));
        after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + 60 * minutes).unwrap()
    }

    fn pause(minutes: i64) -> Pause {
        Pause { since: at(minutes), by: "ada".to_owned(), reason: "a test".to_owned() }
    }

    fn span(since: i64, until: i64) -> Span {
        Span { since: at(since), until: at(until) }
    }

    #[test]
    fn the_time_of_pauses_is_counted_only_within_the_two_moments() {
        let pauses = Pauses {
            emails: Some(pause(90)),
            sales: Some(pause(0)),
            past: vec![span(10, 20), span(30, 60)],
            version: 0,
        };
        for ((from, to), paused) in [
            ((0, 100), 10 + 30 + 10),
            ((0, 10), 0),
            ((0, 15), 5),
            ((15, 25), 5),
            ((20, 30), 0),
            ((12, 18), 6),
            ((40, 50), 10),
            ((95, 100), 5),
            ((50, 10), 0),
        ] {
            let minutes = pauses.emails_paused(at(from), at(to)).as_mins();
            assert_eq!(minutes, paused, "from {from} to {to}");
        }
    }

    #[test]
    fn a_resumed_kind_is_no_longer_paused_and_its_span_is_kept_for_the_clocks() {
        let both =
            Pauses { emails: Some(pause(10)), sales: Some(pause(20)), past: vec![span(0, 5)], version: 7 };
        assert_eq!(both.since(), Some(at(10)));
        let emails = both.resumed(&[Pausable::Emails], at(30));
        assert_eq!(
            emails,
            Pauses { emails: None, sales: Some(pause(20)), past: vec![span(0, 5), span(10, 30)], version: 8 }
        );
        let all = emails.resumed(&Pausable::ALL, at(40));
        assert_eq!(all, Pauses { past: emails.past, version: 9, ..Pauses::default() });
        assert_eq!(all.since(), None);
    }

    #[test]
    fn a_kind_that_is_paused_already_keeps_its_pause() {
        let emails = Pauses::default().paused(&[Pausable::Emails], &pause(1));
        assert_eq!(emails, Pauses { emails: Some(pause(1)), version: 1, ..Pauses::default() });
        let all = emails.paused(&Pausable::ALL, &pause(2));
        assert_eq!((all.emails, all.sales, all.version), (Some(pause(1)), Some(pause(2)), 2));
    }

    #[test]
    fn pauses_do_not_overlap_if_an_operators_clock_is_behind() {
        let pauses = Pauses { emails: Some(pause(10)), past: vec![span(0, 20)], ..Pauses::default() };
        assert_eq!(pauses.resumed(&[Pausable::Emails], at(30)).past, [span(0, 20), span(20, 30)]);
        assert_eq!(pauses.resumed(&[Pausable::Emails], at(15)).past, [span(0, 20), span(20, 20)]);
    }

    #[test]
    fn only_pauses_that_a_clock_may_need_are_kept() {
        let month = KEPT_FOR.as_mins();
        let pauses =
            Pauses { emails: Some(pause(month)), past: vec![span(0, 1), span(2, 9)], ..Pauses::default() };
        let kept = pauses.resumed(&[Pausable::Emails], at(month + 5)).past;
        assert_eq!(kept, [span(2, 9), span(month, month + 5)]);

        let many: Vec<Span> = (0..50).map(|number| span(2 * number, 2 * number + 1)).collect();
        let pauses = Pauses { emails: Some(pause(100)), past: many.clone(), ..Pauses::default() };
        let kept = pauses.resumed(&[Pausable::Emails], at(101)).past;
        assert_eq!((kept.len(), kept[0], kept[49]), (50, many[1], span(100, 101)));
    }
}
