//! Counts what the reactor costs per commit.

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
use crate::recorders::{LEADS, Ours, STREAMS, Still, access, database};

/// The cost of one kind of commit, from the doorbell to the cursor.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// The number of such commits.
    pub commits: f64,
    /// The average cost.
    pub mean: Count,
    /// The largest number of requests for one commit.
    pub most_requests: f64,
    /// The average number of sales messages.
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
    /// Commits with effects, but without an e-mail.
    pub without_email: Cost,
    /// Commits with an e-mail.
    pub with_email: Cost,
    /// Commits without effects.
    pub without_effects: Cost,
    /// Repeated doorbells.
    pub repeated: Cost,
}

/// The stored effects of the commit of this message; `None` if it has none.
async fn effects_of_last_commit(streams: &DynamoStreams, message: &Message) -> Option<String> {
    let page = streams.page(&testkit::buyer(&message.group), None, 1).await.unwrap();
    page.commits[0].effects.clone()
}

/// Records the events of this number of buyers of the corpus one by one, and delivers a doorbell for each.
pub async fn measure(buyers: usize) -> Costs {
    let engine = Engine::start(database()).await;
    let recorder = Ours::at(engine.direct());
    let direct = DynamoStreams::new(access(engine.direct()).dynamodb(), STREAMS.to_owned());
    let dynamodb = || access(engine.counted()).dynamodb();
    let streams = DynamoStreams::new(dynamodb(), STREAMS.to_owned());
    let leads = DynamoLeads::new(dynamodb(), LEADS.to_owned(), STREAMS.to_owned());
    let letterhead = Letterhead { site: "Cars".to_owned(), site_url: "https://cars.example".to_owned() };
    let outside = MemoryOutside::default();
    let reactor = Reactor::new(streams, leads, &outside, Still, letterhead);

    let mut costs = Costs::default();
    for events in committed().into_iter().take(buyers) {
        for (sequence, message) in (1..).zip(&events) {
            recorder.deliver(std::slice::from_ref(message)).await;
            let ring =
                || async { reactor.handle(batch(message, sequence), Still::deadline()).await.unwrap() };
            let before = outside.sales().len();
            let effects = effects_of_last_commit(&direct, message).await;
            let ((), count) = engine.count(ring()).await;
            let messages = outside.sales().len() - before;
            let kind = match effects {
                None => &mut costs.without_effects,
                Some(effects) if effects.contains("-email") => &mut costs.with_email,
                Some(_) => &mut costs.without_email,
            };
            kind.add(count, messages);
            costs.repeated.add(engine.count(ring()).await.1, 0);
        }
    }
    Costs {
        without_email: costs.without_email.averaged(),
        with_email: costs.with_email.averaged(),
        without_effects: costs.without_effects.averaged(),
        repeated: costs.repeated.averaged(),
    }
}

fn batch(message: &Message, sequence: u64) -> Event {
    let record = testkit::doorbell(&message.group, &sequence.to_string());
    serde_json::from_value(json!({ "Records": [record] })).unwrap()
}
