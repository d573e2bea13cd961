//! A whole sweep with everything in memory. The rules of a sweep are tested in `effects`.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use effects::MailPace;
use effects::mail::Letterhead;
use effects::outside::MemoryOutside;
use platform::clock::Clock as _;
use sweeper::Sweeper;
use testkit::hooks::{Fate, Faults, Which};
use testkit::leads::{record, tables};
use testkit::{Hooked, TestClock, buyer, made};

#[tokio::test]
async fn a_sweep_performs_the_effects_of_a_commit_without_a_doorbell_unless_no_buyer_can_be_marked() {
    let ((streams, leads), outside, clock) = (tables(), MemoryOutside::default(), TestClock::default());
    record(&*streams, &buyer("ada"), &[made("car-1")], clock.now()).await;
    clock.set(testkit::at("10:05:00"));
    let (faults, one) = (Faults::default(), NonZeroU32::MIN);
    let sweeper = Sweeper::new(
        Hooked { inner: &*streams, hook: &faults },
        Hooked { inner: &leads, hook: &faults },
        &outside,
        clock.clone(),
        Letterhead { site: "cars".to_owned(), site_url: "https://cars.example".to_owned() },
        MailPace::new(one, one),
    );
    faults.set(Which::Of("move_cursor", buyer("ada")), Fate::Fails);
    faults.set(Which::Of("mark_behind", buyer("ada")), Fate::Fails);
    let error = sweeper.handle(clock.deadline_in(240)).await.unwrap_err();
    assert_eq!(error.buyer, buyer("ada"));
    faults.end();
    clock.set(testkit::at("10:10:00"));
    sweeper.handle(clock.deadline_in(240)).await.unwrap();
    // SQS drops the repeats by their ids.
    let ids: BTreeSet<String> = outside.sales().into_iter().map(|message| message.effect_id).collect();
    assert_eq!(ids, ["ada/opened/low/1", "ada/quote/car-1"].map(str::to_owned).into());
    assert_eq!(outside.emails().len(), 1);
}
