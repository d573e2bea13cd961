//! Tests that change the whole stack and therefore run alone (profile `local-aws-alone`): pauses, and operation beside the
//! former system, played by the example in the contract. It announces leads, answers look-ups, and hands its buyers
//! over. Each test leaves the functions as they were deployed: live, without a former system and without a collector.

use std::time::Duration;

use leads_store::LeadsStore as _;
use serde_json::{Value, json};
use testkit::wire::{Answer, Reply, Wire, in_turn};
use tests::Person;

use crate::{control, leads, on_the_stack, post, sales_keys, types};

fn former_url() -> String {
    std::env::var("LEGACY_URL").unwrap()
}

/// Sets the recorder's environment variables as a deployment with these parameters would.
async fn deploy(effects: &str, has_former: bool) {
    let url = if has_former { former_url() } else { String::new() };
    let variables = json!({ "EFFECTS": effects, "LEGACY_URL": url });
    control(reqwest::Method::PUT, "recorder", variables.to_string()).await;
}

/// Makes the former system unreachable, or reachable again.
async fn set_former_down(is_down: bool) {
    control(reqwest::Method::PUT, "away", is_down.to_string()).await;
}

/// Delivers an event to the former system, which then announces what follows from it.
async fn former_receives(person: &Person, kind: &str, offer: &str, version: u32) {
    let (_, body) = person.event(kind, offer, version.into());
    control(reqwest::Method::POST, "events", body).await;
}

/// What the former system has announced about a buyer, in order.
async fn announced(person: &Person) -> Vec<String> {
    let answer = control(reqwest::Method::GET, &format!("announced/{}", person.buyer), String::new()).await;
    let messages: Vec<Value> = serde_json::from_str(&answer).unwrap();
    messages.iter().map(|one| one[0].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_shadow_buyer_is_migrated_compared_reset_and_handed_over() {
    on_the_stack(async |stack| {
        let person = Person::called("beside").unwrap();
        let buyer = person.buyer.as_str();
        // This event is older than the queue: only the former system ever receives it.
        former_receives(&person, "offer.made.v1", "car-1", 1).await;
        deploy("shadow", true).await;
        former_receives(&person, "offer.accepted.v1", "car-1", 2).await;
        post(&stack, &person, "offer.accepted.v1", "car-1", 2).await;
        stack.wait_settled(&person.buyer, 1).await.unwrap();
        assert_eq!(types(&stack, &person).await, ["migrated"], "the former system knew it already");
        assert_eq!(sales_keys(&stack, &person).await, [""; 0]);
        let by_former = ["quote", "open low", "invite", "close low", "open high", "mail"];
        assert_eq!(announced(&person).await, by_former);

        let (exit, parity) = leads(&["parity", buyer]).await;
        assert_eq!((exit.as_str(), &parity["unexplained"]), ("Good", &json!(0)), "{parity}");
        let (exit, reset) = leads(&["reset", buyer, "--yes"]).await;
        assert_eq!(exit, "Good", "{reset}");
        former_receives(&person, "offer.made.v1", "car-2", 1).await;
        post(&stack, &person, "offer.made.v1", "car-2", 1).await;
        stack.wait_settled(&person.buyer, 3).await.unwrap();
        assert_eq!(types(&stack, &person).await, ["migrated", "reset", "migrated"]);
        let (exit, parity) = leads(&["parity", buyer]).await;
        assert_eq!((exit.as_str(), &parity["unexplained"]), ("Good", &json!(0)), "{parity}");

        // Live: the former system's lead is closed under its own name, and no announcement of its is repeated.
        deploy("live", true).await;
        post(&stack, &person, "offer.withdrawn.v1", "car-1", 3).await;
        stack.wait_settled(&person.buyer, 5).await.unwrap();
        let lead = format!("closed/L-{buyer}-2");
        assert_eq!(sales_keys(&stack, &person).await, [lead.as_str(), "opened/low/5"]);
        assert_eq!(
            stack.emails_to(&person.email()).await.unwrap(),
            [],
            "the former system had sent the invitation"
        );
        former_receives(&person, "offer.withdrawn.v1", "car-1", 3).await;
        assert_eq!(
            announced(&person).await.len(),
            by_former.len() + 1,
            "the quote of car-2, and nothing since the handover"
        );

        // The buyer stays live with `Effects` set to shadow, and without the former system.
        deploy("shadow", false).await;
        post(&stack, &person, "offer.accepted.v1", "car-2", 2).await;
        stack.wait_settled(&person.buyer, 6).await.unwrap();
        let since = ["closed/low/5", "opened/high/car-2/2"];
        assert_eq!(sales_keys(&stack, &person).await.get(2..).unwrap(), since);
        assert_eq!(stack.emails_to(&person.email()).await.unwrap().len(), 1);
        deploy("live", false).await;

        // A replay performs no effects.
        let before = (sales_keys(&stack, &person).await, stack.emails_to(&person.email()).await.unwrap());
        let (exit, replayed) = leads(&["replay", buyer]).await;
        assert_eq!((exit.as_str(), &replayed["differing"]), ("Good", &json!([])), "{replayed}");
        assert_eq!(
            (sales_keys(&stack, &person).await, stack.emails_to(&person.email()).await.unwrap()),
            before
        );
    });
}

#[test]
fn while_the_former_system_is_down_its_buyers_wait_and_live_ones_go_on() {
    on_the_stack(async |stack| {
        let (person, other) = (Person::called("waits").unwrap(), Person::called("goeson").unwrap());
        deploy("live", true).await;
        post(&stack, &other, "offer.made.v1", "car-1", 1).await;
        stack.wait_settled(&other.buyer, 2).await.unwrap();
        assert_eq!(types(&stack, &other).await, ["made", "handed-over"]);
        set_former_down(true).await;
        former_receives(&person, "offer.made.v1", "car-1", 1).await;
        post(&stack, &person, "offer.made.v1", "car-1", 1).await;
        post(&stack, &other, "offer.accepted.v1", "car-1", 2).await;
        stack.wait_settled(&other.buyer, 3).await.unwrap();
        assert_eq!(types(&stack, &person).await, [""; 0]);
        set_former_down(false).await;
        stack.wait_settled(&person.buyer, 2).await.unwrap();
        assert_eq!(types(&stack, &person).await, ["made", "handed-over"]);
        assert_eq!(sales_keys(&stack, &person).await, [""; 0], "the former system announced them");
        deploy("live", false).await;
    });
}

/// A pause holds within this time (docs/runbook.md, "Pausing").
const HOLDS_WITHIN: Duration = Duration::from_secs(40);

#[test]
fn what_was_paused_is_performed_once_after_the_resumption() {
    on_the_stack(async |stack| {
        let person = Person::called("paused").unwrap();
        let (exit, paused) = leads(&["pause", "all", "--because", "a test"]).await;
        assert_eq!(exit.as_str(), "Good", "{paused}");
        tokio::time::sleep(HOLDS_WITHIN).await;
        post(&stack, &person, "offer.made.v1", "car-1", 1).await;
        let waits = stack
            .until("the buyer to be behind", async || Ok(stack.leads().cursor(&person.buyer).await?.behind));
        let (waits, recorded) = (waits.await, types(&stack, &person).await);
        let sent = (sales_keys(&stack, &person).await, stack.emails_to(&person.email()).await.unwrap());
        let (unconfirmed, _) = leads(&["resume"]).await;
        // Before anything is asserted, because the other tests need a stack that is not paused.
        let (exit, resumed) = leads(&["resume", "--yes"]).await;
        assert_eq!((unconfirmed.as_str(), exit.as_str()), ("Failed", "Good"), "{resumed}");
        assert_eq!(waits.unwrap().reason, "sales messages are paused");
        assert_eq!((recorded, sent), (vec!["made".to_owned()], (vec![], vec![])));
        stack.wait_settled(&person.buyer, 1).await.unwrap();
        assert_eq!(sales_keys(&stack, &person).await, ["quote/car-1", "opened/low/1"]);
        let mails = stack.until("the e-mail", async || {
            let mails = stack.emails_to(&person.email()).await?;
            Ok((!mails.is_empty()).then_some(mails.len()))
        });
        assert_eq!(mails.await.unwrap(), 1);
    });
}

#[test]
fn a_shadow_buyer_goes_live_by_name_without_an_event() {
    on_the_stack(async |stack| {
        let person = Person::called("byname").unwrap();
        let buyer = person.buyer.as_str();
        deploy("shadow", true).await;
        // Recorded by Leadstream, but not yet received by the former system: no system has announced it.
        post(&stack, &person, "offer.made.v1", "car-1", 1).await;
        stack.wait_settled(&person.buyer, 2).await.unwrap();
        assert_eq!(types(&stack, &person).await, ["migrated", "made"]);
        let settled = |line: &cli::Line| {
            line.effects.iter().map(|effect| effect.settled.name().to_owned()).collect::<Vec<_>>()
        };
        let history = stack.history(&person.buyer).await.unwrap();
        assert_eq!(history.lines.last().map(settled).unwrap(), ["suppressed"; 3]);
        let (exit, live) = leads(&["go-live", buyer, "--yes"]).await;
        assert_eq!(exit, "Good", "{live}");
        stack.wait_settled(&person.buyer, 3).await.unwrap();
        assert_eq!(sales_keys(&stack, &person).await, ["quote/car-1", "opened/low/3"]);
        assert_eq!(stack.emails_to(&person.email()).await.unwrap().len(), 1);
        former_receives(&person, "offer.made.v1", "car-1", 1).await;
        assert_eq!(announced(&person).await, [""; 0], "its 404 is binding");
        deploy("live", false).await;
    });
}

/// A span as the collector got it, with the function that sent it.
#[derive(Debug)]
struct Spanned {
    function: String,
    name: String,
    trace: String,
    id: String,
    parent: String,
    began: u64,
    ended: u64,
}

/// The spans that a collector got, in order.
fn spans(collector: &Wire) -> Vec<Spanned> {
    let mut found = Vec::new();
    for exchange in collector.exchanges() {
        let body: Value = serde_json::from_slice(&exchange.request.body).unwrap();
        let resource = &body["resourceSpans"][0];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let number = |value: &Value| value.as_str().unwrap().parse().unwrap();
        for span in resource["scopeSpans"][0]["spans"].as_array().unwrap() {
            found.push(Spanned {
                function: text(&resource["resource"]["attributes"][0]["value"]["stringValue"]),
                name: text(&span["name"]),
                trace: text(&span["traceId"]),
                id: text(&span["spanId"]),
                parent: text(&span["parentSpanId"]),
                began: number(&span["startTimeUnixNano"]),
                ended: number(&span["endTimeUnixNano"]),
            });
        }
    }
    found
}

#[test]
fn one_trace_leads_from_the_sender_to_the_e_mail() {
    on_the_stack(async |stack| {
        let collector = Wire::start(in_turn([Answer::Reply(Reply::json(200, &json!({})))])).await;
        let export_to = async |url: &str| {
            for function in ["recorder", "reactor"] {
                control(reqwest::Method::PUT, function, json!({ "TRACES_URL": url }).to_string()).await;
            }
        };
        export_to(&format!("{}/v1/traces", collector.url())).await;
        let (person, quiet) = (Person::called("traced").unwrap(), Person::called("untraced").unwrap());
        let (trace, sender) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        // The first connection reads all certificates of the machine. Meanwhile the collector, which shares this thread,
        // could not answer, and a function waits only a second for it.
        stack.head(&person.buyer).await.unwrap();
        let traced = |flags: &str| format!("00-{trace}-{sender}-{flags}");
        for (person, traceparent) in [(&person, traced("01")), (&quiet, traced("00"))] {
            let (id, body) = person.event("offer.made.v1", "car-1", 1);
            let mut event: Value = serde_json::from_str(&body).unwrap();
            event["traceparent"] = json!(traceparent);
            stack.post(person.buyer.as_str(), &id, &event.to_string()).await.unwrap();
        }
        stack.wait_settled(&person.buyer, 1).await.unwrap();
        stack.wait_settled(&quiet.buyer, 1).await.unwrap();
        // The reactor moves the cursor before it exports.
        let found = stack
            .until("four spans", async || Ok(Some(spans(&collector)).filter(|spans| spans.len() >= 4)))
            .await
            .unwrap();
        let of_trace = format!("\"traceId\":\"{trace}\"");
        let logged = |lines: &[String], message: &str| {
            let line = format!("\"message\":\"{message}\"");
            lines.iter().filter(|text| text.contains(&line) && text.contains(&of_trace)).count()
        };
        // A function's lines arrive when its invocation has ended. A change of its variables would end it earlier.
        stack
            .until("the log lines of two events and six effects", async || {
                let lines = stack.log_lines().await?;
                Ok(((logged(&lines, "recorded"), logged(&lines, "effect")) == (2, 6)).then_some(()))
            })
            .await
            .unwrap();
        export_to("").await;

        let named =
            |name: &str| found.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{found:?}"));
        assert_eq!(found.len(), 4, "none for a sender that records no spans: {found:?}");
        assert!(found.iter().all(|span| span.trace == trace && span.began <= span.ended), "{found:?}");
        let record = named("record");
        assert_eq!((record.function.as_str(), record.parent.as_str()), ("leadstream-recorder", sender));
        for effect in ["quote-request", "lead-opened", "quote-invitation"] {
            let effect = named(effect);
            assert_eq!((effect.function.as_str(), &effect.parent), ("leadstream-reactor", &record.id));
        }
        assert_eq!(stack.emails_to(&person.email()).await.unwrap().len(), 1, "the quote invitation");

        // The sales team's system continues the same trace, whether or not spans are recorded.
        for (person, flags) in [(&person, "01"), (&quiet, "00")] {
            for message in stack.sales_bodies(&person.buyer).await.unwrap() {
                let traceparent = message["traceparent"].as_str().unwrap();
                assert!(traceparent.starts_with(&format!("00-{trace}-")) && traceparent.ends_with(flags));
            }
        }
        let opened = &stack.sales_bodies(&person.buyer).await.unwrap()[1]["traceparent"];
        assert_eq!(opened, &json!(format!("00-{trace}-{}-01", named("lead-opened").id)));
    });
}
