//! Effects that operators have paused wait, are performed once when the pause ends, and no clock runs against them.

use effects::outside::Delivery;
use jiff::SignedDuration;
use leads_store::{Pausable, Pause};
use platform::clock::Clock as _;
use testkit::hooks::{BeforeEach, BeforeFirst, Call, Fate, Faults};
use testkit::{Hooked, accepted, made, withdrawn};

use crate::sweep::{changed_emails, minutes, per_second, throttled};
use crate::world::{Seen, World, behind, settled};

/// Why a buyer with paused sales messages is behind.
const PAUSED: &str = "sales messages are paused";

impl World {
    fn pause(&self, kinds: &[Pausable]) {
        let pause = Pause { since: self.clock.now(), by: "ada".to_owned(), reason: "a test".to_owned() };
        let found = self.tables().pauses;
        assert!(self.leads.change_pauses(&found, &found.paused(kinds, &pause)));
    }

    fn resume(&self) {
        let found = self.tables().pauses;
        assert!(self.leads.change_pauses(&found, &found.resumed(&Pausable::ALL, self.clock.now())));
    }
}

#[tokio::test]
async fn a_paused_email_holds_up_nothing_and_is_sent_once_when_the_pause_ends() {
    let world = World::new();
    world.pause(&[Pausable::Emails]);
    world.record(&[made("car-1")]).await;
    let performed = ["quote/car-1 sent", "opened/low/1 sent", "quote-email retry"];
    assert_eq!(world.advance().await, settled(1, &performed));
    for _ in 0..3 {
        world.clock.pass(minutes(5));
        let swept = world.sweep().await;
        assert_eq!((changed_emails(&swept), swept.left.len()), (vec![], 0), "that is no unfinished sweep");
        assert_eq!(swept.paused_since, world.tables().pauses.since());
    }
    assert_eq!((world.emails(), world.ledger()["quote-email"]), (vec![], "retry"));
    world.resume();
    assert_eq!(changed_emails(&world.sweep().await), ["quote-email sent"]);
    world.sweep().await;
    assert_eq!(world.emails(), ["quote-email"]);
}

#[tokio::test]
async fn a_paused_email_that_is_overtaken_is_not_sent() {
    let world = World::new();
    world.pause(&[Pausable::Emails]);
    world.record(&[made("car-1")]).await;
    world.advance().await;
    world.record(&[withdrawn("car-1").v(2)]).await;
    world.advance().await;
    world.resume();
    assert_eq!(changed_emails(&world.sweep().await), ["quote-email superseded"]);
    assert_eq!(world.emails(), [""; 0]);
}

#[tokio::test]
async fn paused_sales_messages_wait_in_order_and_e_mails_go_on() {
    let world = World::new();
    world.sweep().await;
    world.pause(&[Pausable::Sales]);
    world.record(&[made("car-1")]).await;
    assert_eq!(world.advance().await, behind(0, PAUSED, &["quote-email sent"]));
    world.record(&[accepted("car-1").v(2)]).await;
    assert_eq!(world.advance().await, behind(0, PAUSED, &["accepted-email/car-1/2 sent"]), "none again");
    let mark = world.tables().cursors[&world.buyer].behind.clone().unwrap();
    assert_eq!((mark.reason.as_str(), mark.attempts, mark.not_before), (PAUSED, 0, world.clock.now()));

    world.clock.pass(minutes(5));
    let swept = world.sweep().await;
    assert_eq!((swept.advanced.len(), swept.left.len()), (0, 0), "paused buyers are left alone");
    assert_eq!(world.sales(), [""; 0]);

    world.resume();
    world.clock.pass(minutes(5));
    assert_eq!(world.sweep().await.advanced.len(), 1);
    // The opening of the low lead is overtaken; the quote was called for while the offer is open.
    assert_eq!(world.sales(), ["quote/car-1", "closed/low/1", "opened/high/car-1/2"]);
    assert_eq!(world.emails(), ["quote-email", "accepted-email/car-1/2"]);
    let cursor = world.tables().cursors[&world.buyer].clone();
    assert_eq!((cursor.through.get(), cursor.behind), (2, None));
}

#[tokio::test]
async fn a_pause_of_sales_messages_counts_no_attempt() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.outside.refuse_sales(2);
    world.advance().await;
    world.advance().await;
    world.pause(&[Pausable::Sales]);
    world.advance().await;
    world.advance().await;
    assert_eq!(world.tables().cursors[&world.buyer].behind.clone().unwrap().attempts, 2);
}

#[tokio::test]
async fn no_later_message_is_sent_if_the_pause_ends_halfway() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.record(&[made("car-2")]).await;
    world.pause(&[Pausable::Sales]);
    let ends = BeforeFirst::new("claim quote-email", async || {
        world.resume();
        world.clock.pass(SignedDuration::from_secs(11));
    });
    let leads = Hooked { inner: &world.leads, hook: &ends };
    let advanced = world.advance_over(&*world.streams, &leads, &world.outside).await;
    assert_eq!(Seen::of(&advanced), behind(0, PAUSED, &["quote-email sent"]));
    assert!(advanced.is_paused);
    assert_eq!(world.sales(), [""; 0]);
    assert_eq!(world.advance().await.behind, None);
    assert_eq!(world.sales(), ["quote/car-1", "opened/low/1", "quote/car-2"]);
}

#[tokio::test]
async fn the_pauses_are_read_again_after_ten_seconds() {
    for (seconds, sent) in [(4, 3), (5, 2), (10, 1)] {
        let world = World::given(&[made("car-1"), made("car-2"), made("car-3")]).await;
        for offer in ["car-1", "car-2", "car-3"] {
            world.record(&[accepted(offer).v(2)]).await;
        }
        let before = world.sales().len();
        // The pause begins with the first message.
        let slow = BeforeEach("notify_sales", async |_: &Call<'_>| {
            if world.sales().len() == before {
                world.pause(&[Pausable::Sales]);
            }
            world.clock.pass(SignedDuration::from_secs(seconds));
        });
        let outside = Hooked { inner: &world.outside, hook: &slow };
        let advanced = world.advance_over(&*world.streams, &world.leads, &outside).await;
        assert!(advanced.is_paused, "{seconds}");
        assert_eq!(world.sales().len() - before, sent, "{seconds}");
    }
}

#[tokio::test]
async fn a_sweep_stops_sending_soon_after_a_pause_began() {
    let world = World::new();
    world.invite((0..60).map(|number| format!("buyer-{number}")), throttled()).await;
    world.clock.pass(minutes(5));
    let begins = BeforeFirst::new("send quote-email", async || world.pause(&[Pausable::Emails]));
    let outside = Hooked { inner: &world.outside, hook: &begins };
    let (swept, ended) = world.sweep_as(per_second(1), &*world.streams, &world.leads, &outside).await;
    ended.unwrap();
    assert!((9..=11).contains(&swept.emails.len()), "one a second for ten seconds: {}", swept.emails.len());
    assert_eq!(swept.left.len(), 0);
    world.resume();
    for _ in 0..3 {
        world.clock.pass(minutes(5));
        world.sweep().await;
    }
    assert_eq!(world.outside.emails().len(), 60 + 60, "each was throttled once and sent once");
}

#[tokio::test]
async fn nothing_is_performed_if_the_pauses_cannot_be_read() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    let faults = Faults::always("pauses", Fate::Fails);
    let leads = Hooked { inner: &world.leads, hook: &faults };
    let advanced = world.advance_over(&*world.streams, &leads, &world.outside).await;
    let reason = "the leads table did not answer pauses for sweeper: lost";
    assert_eq!(Seen::of(&advanced), behind(0, reason, &[]));
    world.clock.pass(minutes(5));
    let swept = world.sweep_over(&*world.streams, &leads, &world.outside).await;
    assert_eq!(swept.left.keys().copied().collect::<Vec<_>>(), ["behind", "email"]);
    assert_eq!((world.sales().len(), world.emails().len()), (0, 0));
}

#[tokio::test]
async fn the_doubt_of_an_email_stands_still_in_a_pause() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.outside.deliver_as([Delivery::Unknown { reason: "timed out".to_owned() }]);
    world.advance().await;
    world.clock.pass(minutes(20));
    world.pause(&[Pausable::Emails]);
    world.clock.pass(minutes(600));
    world.sweep().await;
    world.resume();
    world.clock.pass(minutes(39));
    assert_eq!(changed_emails(&world.sweep().await), [""; 0]);
    assert_eq!(world.ledger()["quote-email"], "unknown", "after 59 minutes of doubt");
    world.clock.pass(minutes(1));
    assert_eq!(changed_emails(&world.sweep().await), ["quote-email abandoned"]);
}

#[tokio::test]
async fn the_time_for_which_an_email_is_tried_stands_still_in_a_pause() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.outside.deliver_as([throttled(), throttled(), throttled()]);
    world.advance().await;
    world.clock.pass(minutes(60));
    world.pause(&[Pausable::Emails]);
    world.clock.pass(minutes(48 * 60));
    world.resume();
    world.clock.pass(minutes(5));
    assert_eq!(changed_emails(&world.sweep().await), ["quote-email retry"], "tried for an hour");
    world.clock.pass(minutes(23 * 60));
    assert_eq!(changed_emails(&world.sweep().await), ["quote-email abandoned"]);
}

#[tokio::test]
async fn the_wait_for_the_next_attempt_stands_still_in_a_pause() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.outside.deliver_as([throttled()]);
    world.advance().await;
    let wait =
        world.tables().ledger.into_values().next().unwrap().due.unwrap().duration_since(world.clock.now());
    world.pause(&[Pausable::Emails]);
    world.clock.pass(minutes(60));
    world.resume();
    world.clock.pass(wait - SignedDuration::from_millis(1));
    assert_eq!(changed_emails(&world.sweep().await), [""; 0]);
    world.clock.pass(SignedDuration::from_millis(1));
    assert_eq!(changed_emails(&world.sweep().await), ["quote-email sent"]);
}
