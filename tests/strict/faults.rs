//! Faults on demand: calls that are throttled, whose answers are lost, or that are held until a test has acted.
//!
//! Only calls signed by a function's role meet faults. Those of tests, operators and the deployment never do.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use testkit::SplitMix64;
use testkit::strict::Service;
use testkit::wire::{Reply, Request, header};
use tokio::sync::Notify;

/// The rules in force, and what they have done so far.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    state: Mutex<State>,
    released: Notify,
    finished: Notify,
}

#[derive(Debug, Default)]
struct State {
    dice: SplitMix64,
    rules: Vec<Rule>,
    /// Counts by fate, then by service and operation.
    injected: BTreeMap<&'static str, BTreeMap<String, u64>>,
    /// The number of calls held now, and of calls released that have not yet been answered.
    held: usize,
    released: usize,
    /// How often the rules were replaced.
    replaced: u64,
}

/// Which calls meet which fate.
#[derive(Debug)]
struct Rule {
    fate: Fate,
    /// Any operation if empty.
    operation: String,
    /// A text that the body must contain, for example a buyer's id.
    about: String,
    /// The share of these calls, from 0 to 1.
    share: f64,
    /// How many more calls it applies to.
    left: u64,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It takes effect, and its answer is lost.
    Lose,
    /// The service refuses it because of its rate.
    Throttle,
    /// It reaches the service only when the rules are replaced.
    Hold,
    /// It takes effect, and is answered only when the rules are replaced.
    HoldAnswer,
}

impl Fate {
    const ALL: [Self; 4] = [Self::Lose, Self::Throttle, Self::Hold, Self::HoldAnswer];

    const fn name(self) -> &'static str {
        match self {
            Self::Lose => "lose",
            Self::Throttle => "throttle",
            Self::Hold => "hold",
            Self::HoldAnswer => "hold-answer",
        }
    }
}

impl Faults {
    /// Makes a call, unless its fate prevents that. `None` if the answer is lost.
    pub(crate) async fn meet(
        &self,
        service: Service,
        request: &Request,
        call: impl Future<Output = Reply> + Send,
    ) -> Option<Reply> {
        let (fate, rules) = {
            let mut state = self.state();
            (state.fate_of(service, request), state.replaced)
        };
        match fate {
            None => Some(call.await),
            Some(Fate::Throttle) => Some(throttled(service, request)),
            Some(Fate::Lose) => {
                call.await;
                None
            }
            Some(Fate::Hold) => {
                let was_held = self.hold(rules).await;
                let reply = call.await;
                self.finish(was_held);
                Some(reply)
            }
            Some(Fate::HoldAnswer) => {
                let reply = call.await;
                let was_held = self.hold(rules).await;
                self.finish(was_held);
                Some(reply)
            }
        }
    }

    /// Replaces the rules, releases all held calls and waits until the services have answered them. Nothing changes if
    /// the body is not valid.
    pub(crate) async fn replace(&self, body: &Value) -> Reply {
        let seed = body["seed"].as_u64().unwrap_or_default();
        let rules = body["rules"].as_array().map(|rules| rules.iter().map(rule).collect::<Result<_, _>>());
        match rules.unwrap_or_else(|| Err("`rules` is required and must be an array".to_owned())) {
            Ok(rules) => {
                self.state().replace(seed, rules);
                self.released.notify_waiters();
                loop {
                    let finished = self.finished.notified();
                    if self.state().released == 0 {
                        break;
                    }
                    finished.await;
                }
                Reply::json(200, &json!({}))
            }
            Err(what) => Reply::json(400, &json!({ "message": what })),
        }
    }

    /// The counts of injected faults, and the number of calls held now.
    pub(crate) fn report(&self) -> (Value, usize) {
        let state = self.state();
        (json!(state.injected), state.held)
    }

    /// Waits until the rules are replaced. Returns `false` at once if they no longer are those numbered `rules`, which
    /// happens while the service answers.
    async fn hold(&self, rules: u64) -> bool {
        let released = self.released.notified();
        {
            let mut state = self.state();
            if state.replaced != rules {
                return false;
            }
            state.held += 1;
        }
        released.await;
        true
    }

    fn finish(&self, was_held: bool) {
        if was_held {
            self.state().released -= 1;
            self.finished.notify_waiters();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn replace(&mut self, seed: u64, rules: Vec<Rule>) {
        (self.dice, self.rules) = (SplitMix64(seed), rules);
        self.replaced += 1;
        self.released += std::mem::take(&mut self.held);
    }

    fn fate_of(&mut self, service: Service, request: &Request) -> Option<Fate> {
        if !is_by_function(request) {
            return None;
        }
        let operation = operation_of(service, request);
        let body = String::from_utf8_lossy(&request.body);
        let State { dice, rules, .. } = self;
        let met = rules.iter_mut().find(|rule| {
            rule.left > 0
                && (rule.operation.is_empty() || rule.operation == operation)
                && body.contains(&rule.about)
                && share(dice) < rule.share
        })?;
        met.left -= 1;
        let fate = met.fate;
        let name = format!("{} {operation}", service.signing_name());
        *self.injected.entry(fate.name()).or_default().entry(name).or_default() += 1;
        Some(fate)
    }
}

/// Whether a function's role signed the request. Access keys of roles begin with `ASIA`, on AWS and on both engines; a
/// MiniStack that enforces no policies gives functions the number of the account instead.
fn is_by_function(request: &Request) -> bool {
    let credential =
        header(&request.headers, "authorization").and_then(|value| value.split_once("Credential="));
    let key = credential.and_then(|(_, scope)| scope.split('/').next()).unwrap_or_default();
    key.starts_with("ASIA") || key.len() == 12 && key.bytes().all(|byte| byte.is_ascii_digit())
}

fn operation_of(service: Service, request: &Request) -> &str {
    match service {
        Service::DynamoDb | Service::Sqs => request.operation(),
        Service::Ses => "SendEmail",
    }
}

fn rule(json: &Value) -> Result<Rule, String> {
    let fate = Fate::ALL.into_iter().find(|fate| json["fate"] == fate.name()).ok_or_else(|| {
        let names = Fate::ALL.map(Fate::name).join(", ");
        format!("`fate` must be one of {names}, not {}", json["fate"])
    })?;
    let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
    Ok(Rule {
        fate,
        operation: text("operation"),
        about: text("about"),
        share: json["share"].as_f64().unwrap_or(1.0),
        left: json["times"].as_u64().unwrap_or(u64::MAX),
    })
}

/// The answer of a service that throttles.
///
/// Sources: Amazon DynamoDB Developer Guide, "Error handling with DynamoDB"; its API reference of `TransactWriteItems`
/// for the reasons; botocore's model of SQS for `RequestThrottled`; pm-pmaas/etailors_amazon_ses#117 for SES.
fn throttled(service: Service, request: &Request) -> Reply {
    const REASON: &str = "Throughput exceeds the current capacity of your table or index.";
    match (service, request.operation()) {
        (Service::DynamoDb, "TransactWriteItems") => {
            let count = request.json()["TransactItems"].as_array().map_or(1, Vec::len);
            let reason = |item| match item {
                0 => json!({ "Code": "ThrottlingError", "Message": REASON }),
                _ => json!({ "Code": "None" }),
            };
            let codes =
                ["ThrottlingError"].into_iter().chain(std::iter::repeat_n("None", count.saturating_sub(1)));
            let codes = codes.collect::<Vec<_>>().join(", ");
            Reply::json(
                400,
                &json!({
                    "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
                    "Message": format!(
                        "Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
                    ),
                    "CancellationReasons": (0..count).map(reason).collect::<Vec<_>>(),
                }),
            )
        }
        (Service::DynamoDb, _) => Reply::json(
            400,
            &json!({
                "__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
                "message": REASON,
            }),
        ),
        (Service::Sqs, _) => {
            let body = json!({
                "__type": "com.amazonaws.sqs#RequestThrottled",
                "message": "The request was denied due to request throttling.",
            });
            let mut reply = Reply::json(400, &body);
            reply.headers.push(("x-amzn-query-error".to_owned(), "RequestThrottled;Sender".to_owned()));
            reply
        }
        (Service::Ses, _) => {
            let mut reply = Reply::json(429, &json!({ "message": "Maximum sending rate exceeded." }));
            reply.headers.push(("x-amzn-errortype".to_owned(), "TooManyRequestsException".to_owned()));
            reply
        }
    }
}

/// The next number, from 0 up to but without 1.
#[expect(clippy::cast_precision_loss, reason = "32 bits fit a float exactly")]
const fn share(dice: &mut SplitMix64) -> f64 {
    (dice.next() >> 32) as f64 / (1_u64 << 32) as f64
}
