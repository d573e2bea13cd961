//! What the reactor costs, commit by commit.

use aws_lambda_events::event::dynamodb::Event;
use effects::mail::Letterhead;
use effects::outside::MemoryOutside;
use event_store::{Commits as _, DynamoStreams};
use leads_store::DynamoLeads;
use reactor::Reactor;
use serde_json::json;

use crate::corpus::{Message, committed};
use crate::count::Count;
use crate::engine::Engine;
use crate::ours::{LEADS, Ours, STREAMS, Still, access, database};

/// What a commit with effects costs the reactor, from the doorbell to the cursor.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// How many such commits there were.
    pub commits: f64,
    /// On average.
    pub mean: Count,
    /// The most requests that one of them took.
    pub most_requests: f64,
    /// Messages to the sales team, on average.
    pub messages: f64,
}

impl Cost {
    fn add(&mut self, count: Count, messages: usize) {
        self.commits += 1.0;
        self.messages += f64::from(u32::try_from(messages).unwrap());
        self.mean += count;
        self.most_requests = self.most_requests.max(count.requests);
    }

    fn averaged(self) -> Self {
        let commits = self.commits.max(1.0);
        Self { mean: self.mean / commits, messages: self.messages / commits, ..self }
    }
}

/// The reactor's figures.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Costs {
    /// Commits that called for no e-mail.
    pub without_email: Cost,
    /// Commits that called for one.
    pub with_email: Cost,
    /// Commits that called for nothing.
    pub without_effects: Cost,
    /// Doorbells that rang once more.
    pub again: Cost,
}

/// What the commit of this message calls for.
async fn effects_of_the_last(streams: &DynamoStreams, message: &Message) -> Option<String> {
    let page = streams.page(&testkit::buyer(&message.group), None, 1).await.unwrap();
    page.commits[0].effects.clone()
}

/// Records the events of so many buyers of the corpus one by one, and rings for each.
pub async fn measure(buyers: usize) -> Costs {
    let engine = Engine::start(database()).await;
    let recorder = Ours::at(engine.direct());
    let past = DynamoStreams::new(access(engine.direct()).dynamodb(), STREAMS.to_owned());
    let dynamodb = || access(engine.counted()).dynamodb();
    let streams = DynamoStreams::new(dynamodb(), STREAMS.to_owned());
    let leads = DynamoLeads::new(dynamodb(), LEADS.to_owned(), STREAMS.to_owned());
    let letterhead = Letterhead { site: "Cars".to_owned(), site_url: "https://cars.example".to_owned() };
    let world = MemoryOutside::default();
    let reactor = Reactor::new(streams, leads, &world, Still, letterhead);

    let mut costs = Costs::default();
    for events in committed().into_iter().take(buyers) {
        for (sequence, message) in (1..).zip(&events) {
            recorder.deliver(std::slice::from_ref(message)).await;
            let ring = || async { reactor.handle(rung(message, sequence), Still::deadline()).await.unwrap() };
            let told = world.sales().len();
            let effects = effects_of_the_last(&past, message).await;
            let ((), count) = engine.count(ring()).await;
            let messages = world.sales().len() - told;
            let kind = match effects {
                None => &mut costs.without_effects,
                Some(effects) if effects.contains("-email") => &mut costs.with_email,
                Some(_) => &mut costs.without_email,
            };
            kind.add(count, messages);
            costs.again.add(engine.count(ring()).await.1, 0);
        }
    }
    Costs {
        without_email: costs.without_email.averaged(),
        with_email: costs.with_email.averaged(),
        without_effects: costs.without_effects.averaged(),
        again: costs.again.averaged(),
    }
}

fn rung(message: &Message, sequence: u64) -> Event {
    let record = testkit::doorbell(&message.group, &sequence.to_string());
    serde_json::from_value(json!({ "Records": [record] })).unwrap()
}
