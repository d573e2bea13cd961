//! Generated buyers with every kind of fact and hostile content, and the reactor's own code that performs their effects.

use std::collections::BTreeMap;

use domain::{BuyerId, CarId, Contact, Event, Fact, FormerLeadId, Known, Offer, OfferVersion, Stage};
use effects::mail::Letterhead;
use effects::outside::{MemoryOutside, SalesMessage};
use effects::{Advance, KnownPauses};
use event_store::{Appended, Appending, EventStore as _, load};
use futures::StreamExt as _;
use platform::clock::Clock as _;
use testkit::{SplitMix64, TestClock, acceptance_withdrawn, accepted, made_by, offer, rejected, withdrawn};

use crate::all_buyers::World;

/// The tables, and the outside world that the reactor reaches.
pub(crate) struct Crowd {
    buyers: u64,
    pub(crate) world: World,
    pub(crate) outside: MemoryOutside,
}

/// The id of a generated buyer; every tenth one is as long as an id may be, and all have characters of JSON and SQL.
pub(crate) fn id(number: u64) -> BuyerId {
    let name = format!("b'\"\\&<{number:04}>");
    let long = format!("{name:x<128}");
    BuyerId::parse(if number.is_multiple_of(10) { &long } else { &name }).unwrap()
}

fn hostile(number: u64) -> Contact {
    Contact {
        name: format!("Zoë \"{number}\" O'Brien \u{1f697}\u{2028}\\\n\u{ffff}<b>"),
        email: format!("zoë+{number}@example.com"),
        phone: (number.is_multiple_of(2)).then(|| "+61 400 000 000".to_owned()),
    }
}

/// What the former system knows: a pending offer with a low lead, and an accepted one with a high lead.
fn known(number: u64) -> Known {
    let former = |stage, former_lead: Option<&str>| Offer {
        stage,
        car: Some(CarId::parse("old-car").unwrap()),
        contact: Some(hostile(number)),
        former_lead: former_lead.map(|name| FormerLeadId::parse(name).unwrap()),
        is_quoted: true,
        ..Offer::unknown(OfferVersion::FIRST)
    };
    let is_accepted = number.is_multiple_of(3);
    let (stage, lead) = if is_accepted {
        (Stage::Accepted { at: OfferVersion::FIRST, since: OfferVersion::FIRST }, Some("H-1"))
    } else {
        (Stage::Pending, None)
    };
    Known {
        offers: BTreeMap::from([(offer("old"), former(stage, lead))]),
        low_lead: (!is_accepted).then(|| FormerLeadId::parse("L-1").unwrap()),
        was_invited: true,
    }
}

/// The commits of one buyer as facts, and whether it begins live.
pub(crate) fn story(number: u64) -> (bool, Vec<Vec<Fact>>) {
    let mut chance = SplitMix64(number);
    let is_live = number % 4 < 2;
    let mut commits: Vec<Vec<Fact>> = Vec::new();
    if !is_live {
        commits.push(vec![Fact::Migrated(Box::new(known(number)))]);
    }
    let mut versions = BTreeMap::<String, u32>::new();
    for step in 0..2 + chance.below(4) {
        let name = format!("offer-{}-{}", number, chance.below(3));
        let next = versions.entry(name.clone()).or_insert(0);
        *next += 1;
        let v = *next;
        let event: Event = match (v, chance.below(4)) {
            (1, _) => made_by(&name, hostile(number)),
            (_, 0) => accepted(&name).v(v),
            (_, 1) => acceptance_withdrawn(&name).v(v),
            (_, 2) => rejected(&name).v(v),
            (_, _) => withdrawn(&name).v(v),
        };
        let joins_the_last = step % 3 == 2;
        match commits.last_mut().filter(|_| joins_the_last) {
            Some(last) => last.push(event.into()),
            None => commits.push(vec![event.into()]),
        }
    }
    if number % 8 == 3 {
        commits.push(vec![Fact::Reset(None)]);
    } else if !is_live && number % 4 == 2 {
        commits.push(vec![Fact::HandedOver(Box::new(known(number)))]);
        commits.push(vec![made_by("late", hostile(number)).into()]);
    }
    let gap = [Fact::from(made_by("gap", hostile(number))), rejected("gap").v(3).into()];
    match number % 5 {
        0 => commits.push(gap.into()),
        1 => {
            commits.push(gap.into());
            let through = OfferVersion::new(2).unwrap();
            commits.push(vec![Fact::Voided { offer: offer("gap"), through }]);
        }
        _ => {}
    }
    (is_live, commits)
}

const fn is_erased(number: u64) -> bool {
    number % 13 == 7
}

impl Crowd {
    /// This many buyers, recorded and with all effects performed, some of them late, so that facts overtake them. Every
    /// thirteenth buyer is erased.
    pub(crate) async fn of(buyers: u64) -> Self {
        let crowd = Self { buyers, world: World::start().await, outside: MemoryOutside::default() };
        let live = async |number: u64| {
            let buyer = id(number);
            let (is_live, commits) = story(number);
            for (place, facts) in commits.iter().enumerate() {
                crowd.record(&buyer, is_live, facts).await;
                if (number + place as u64).is_multiple_of(3) {
                    crowd.advance(&buyer).await;
                }
            }
            if is_erased(number) {
                crowd.advance(&buyer).await;
                let (streams, clock) = (&crowd.world.direct.streams, TestClock::default());
                event_store::erase(streams, &clock, &buyer).await.unwrap().unwrap();
            }
            crowd.advance(&buyer).await;
        };
        futures::stream::iter(0..buyers).for_each_concurrent(32, live).await;
        crowd
    }

    pub(crate) async fn record(&self, buyer: &BuyerId, is_live: bool, facts: &[Fact]) {
        let streams = &self.world.direct.streams;
        let mut appending = Appending::onto(load(streams, buyer).await.unwrap());
        if is_live {
            appending = appending.live();
        }
        for fact in facts {
            appending.take(fact.clone());
        }
        let (commit, _) = appending.commit(buyer, TestClock::default().now()).unwrap();
        assert_eq!(streams.append(&commit).await.unwrap(), Appended::Written);
    }

    pub(crate) async fn advance(&self, buyer: &BuyerId) {
        advance(&self.world, &self.outside, buyer).await;
    }

    /// The erased buyers.
    pub(crate) fn erased(&self) -> Vec<BuyerId> {
        (0..self.buyers).filter(|number| is_erased(*number)).map(id).collect()
    }

    /// The sales messages in the order in which they were sent.
    pub(crate) fn sales(&self) -> Vec<SalesMessage> {
        self.outside.sales()
    }
}

/// Performs all pending effects of a buyer, as the reactor does.
pub(crate) async fn advance(world: &World, outside: &MemoryOutside, buyer: &BuyerId) {
    let clock = TestClock::default();
    let letterhead = Letterhead { site: "Cars & Co".to_owned(), site_url: "https://cars.example".to_owned() };
    let (streams, leads) = (&world.direct.streams, &world.direct.leads);
    let pauses = KnownPauses::default();
    let advance =
        Advance { streams, leads, outside, clock: &clock, letterhead: &letterhead, pauses: &pauses };
    let advanced = advance.advance(buyer, clock.deadline_in(900)).await.unwrap();
    assert_eq!(advanced.behind, None);
}
