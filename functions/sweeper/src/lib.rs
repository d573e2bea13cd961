//! The sweeper: on a schedule, does the work that no doorbell triggers. It advances buyers that are behind and those
//! with commits whose doorbell was lost, closes open e-mails, and measures the age of held events. The rules are those
//! of the reactor; see [`effects::Advance`].

mod config;

use contract::metric;
use effects::mail::Letterhead;
use effects::outside::Outside;
use effects::{Advance, CannotMark, Failed, KnownPauses, MailPace, Swept, sweep};
use event_store::{Commits, Feed};
use leads_store::{LeadsStore, Status, WorkPlace};
use platform::Traces;
use platform::clock::{Clock, Deadline, Sleep};
use platform::telemetry::{Metrics, chain};

pub use config::pace_from_env;

/// Runs sweeps and reports them.
#[derive(Debug)]
pub struct Sweeper<S, L, O, W> {
    streams: S,
    leads: L,
    outside: O,
    clock: W,
    letterhead: Letterhead,
    pace: MailPace,
    traces: Traces,
}

impl<S, L, O, W> Sweeper<S, L, O, W>
where
    S: Commits + Feed,
    L: LeadsStore,
    O: Outside,
    W: Clock + Sleep,
{
    /// A sweeper. It keeps nothing from one run to the next; the place it has walked to is in the leads table.
    #[must_use]
    pub fn new(streams: S, leads: L, outside: O, clock: W, letterhead: Letterhead, pace: MailPace) -> Self {
        Self { streams, leads, outside, clock, letterhead, pace, traces: Traces::default() }
    }

    /// The same sweeper with its spans exported there.
    #[must_use]
    pub fn tracing(self, traces: Traces) -> Self {
        Self { traces, ..self }
    }

    /// Runs one sweep, until all due work is done or the time is up.
    ///
    /// # Errors
    /// [`CannotMark`] if a buyer cannot be marked behind. The next run finds its commit again.
    pub async fn handle(&self, deadline: Deadline) -> Result<(), CannotMark> {
        let advance = Advance {
            streams: &self.streams,
            leads: &self.leads,
            outside: &self.outside,
            clock: &self.clock,
            letterhead: &self.letterhead,
            pauses: &KnownPauses::default(),
        };
        let mut swept = Swept::default();
        let ended = sweep(&advance, self.pace, deadline, &mut swept).await;
        if let Err(error) = &ended {
            tracing::error!(buyer = %error.buyer, error = chain(error), "cannot mark the buyer behind");
        }
        // Report even on failure, because an abandoned e-mail is reported only once.
        let metrics = report(&swept, &self.clock);
        metrics.write(self.clock.now().as_millisecond());
        self.traces.export(&metrics, deadline, &self.clock).await;
        ended
    }
}

/// Logs and counts what a sweep did.
fn report(swept: &Swept, clock: &impl Clock) -> Metrics {
    let (mut metrics, now) = (Metrics::default(), clock.now());
    if swept.is_under_way {
        tracing::info!("another sweep is under way");
        return metrics;
    }
    for (buyer, advanced) in &swept.advanced {
        advanced.report(buyer, now, &mut metrics);
    }
    for (buyer, key, status) in &swept.emails {
        metrics.count(metric::EMAILS_SWEPT, vec![("status", status.name().to_owned())], 1);
        if *status == Status::Rejected {
            metrics.count_for_stack(metric::EMAILS_REJECTED, 1);
        }
        let status = status.name();
        tracing::info!(%buyer, effect = key, status, "e-mail");
    }
    for (buyer, held) in &swept.held {
        let age = now.duration_since(held.since).as_secs();
        metrics.oldest(metric::HELD_OLDEST, u64::try_from(age).unwrap_or_default());
        let (sequence, since) = (held.sequence.get(), held.since.to_string());
        tracing::info!(%buyer, sequence, since, "waits for an earlier event");
    }
    for Failed { buyer, what, reason } in &swept.failed {
        tracing::warn!(%buyer, work = what, reason, "not done: it stays due");
    }
    for WorkPlace { buyer, kind, .. } in &swept.unreadable {
        metrics.count(metric::WORK_UNREADABLE, vec![], 1);
        tracing::error!(buyer, kind, "cannot be read: it is due again in an hour");
    }
    for (kind, count) in &swept.open {
        metrics.count(metric::OPEN_WORK, vec![("kind", kind.name().to_owned())], *count);
    }
    if let Some(since) = swept.paused_since {
        let age = now.duration_since(since).as_secs();
        metrics.oldest(metric::PAUSED_FOR, u64::try_from(age).unwrap_or_default());
        tracing::info!(since = since.to_string(), "effects are paused");
    }
    for (share, reason) in &swept.left {
        tracing::warn!(share, reason, "due work is left for the next run");
    }
    metrics.count(metric::SWEEPS_UNFINISHED, vec![], u64::from(!swept.left.is_empty()));
    tracing::info!(buyers = swept.advanced.len(), emails = swept.emails.len(), "swept");
    metrics
}

#[cfg(test)]
mod tests {
    use effects::Swept;
    use leads_store::Status;
    use serde_json::{Map, Value};

    use super::report;

    /// The values of a report's metrics, with their dimensions.
    fn counted(swept: &Swept) -> Vec<Map<String, Value>> {
        let metrics = report(swept, &testkit::TestClock::default());
        let own = |name: &str| !["function", "stack", "_aws"].contains(&name);
        let lines = metrics.lines("leadstream-sweeper", 0);
        let lines = lines.iter().map(|line| serde_json::from_str::<Map<String, Value>>(line).expect("JSON"));
        lines.map(|line| line.into_iter().filter(|(name, _)| own(name)).collect()).collect()
    }

    fn of(status: Status) -> Swept {
        let email = (testkit::buyer("ada"), "quote-email".to_owned(), status);
        Swept { emails: vec![email], ..Swept::default() }
    }

    #[test]
    fn only_a_rejected_email_counts_for_the_alarm() {
        let rejected = |status| counted(&of(status)).iter().any(|line| line.contains_key("EmailsRejected"));
        assert!(rejected(Status::Rejected));
        assert!(!rejected(Status::Sent) && !rejected(Status::Retry));
    }

    #[test]
    fn due_work_that_is_left_makes_a_sweep_unfinished() {
        let unfinished =
            |swept: &Swept| counted(swept).iter().find_map(|line| line.get("SweepsUnfinished").cloned());
        assert_eq!(unfinished(&Swept::default()), Some(0.into()));
        let left = Swept { left: [("feed", "no time".to_owned())].into(), ..Swept::default() };
        assert_eq!(unfinished(&left), Some(1.into()));
    }

    #[test]
    fn the_age_of_a_pause_is_measured_while_it_lasts() {
        let paused = |since: Option<&str>| {
            let swept = Swept { paused_since: since.map(testkit::at), ..Swept::default() };
            counted(&swept).iter().find_map(|line| line.get("PausedFor").cloned())
        };
        assert_eq!(paused(Some("09:00:00")), Some(3600.into()));
        assert_eq!(paused(Some("10:00:01")), Some(0.into()), "by an operator's clock that is ahead");
        assert_eq!(paused(None), None);
    }

    #[test]
    fn a_call_during_another_sweep_counts_nothing() {
        assert_eq!(counted(&Swept { is_under_way: true, ..of(Status::Rejected) }), []);
    }
}
