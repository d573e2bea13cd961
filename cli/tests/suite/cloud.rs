//! A deployed stack: CloudFormation, CloudWatch and the queues are scripted, the tables are those of a DynamoDB engine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::{SignedDuration, Timestamp};
use leads_store::{LeadsStore as _, Walked};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use testkit::wire::{Answer, Reply, Request, Wire};

use crate::all_buyers::World;
use crate::world::{Ended, aws_at, run};

/// What AWS says of the stack `cars`.
pub(crate) struct Script {
    pub(crate) status: &'static str,
    pub(crate) outputs: BTreeMap<&'static str, String>,
    pub(crate) parameters: BTreeMap<&'static str, &'static str>,
    /// The states of alarms by their whole names.
    pub(crate) alarms: BTreeMap<String, &'static str>,
    /// The values of metrics by id, newest first.
    pub(crate) metrics: BTreeMap<&'static str, Vec<f64>>,
    /// The number of waiting messages by queue.
    pub(crate) waiting: BTreeMap<&'static str, usize>,
    /// The reasons of the dead letters; an empty one was moved by SQS.
    pub(crate) letters: Vec<&'static str>,
    /// The actions that no policy allows.
    pub(crate) denied: BTreeSet<&'static str>,
    handed_out: usize,
}

/// The stack, with a script in front of its tables.
pub(crate) struct Cloud {
    pub(crate) world: World,
    pub(crate) wire: Wire,
    script: Arc<Mutex<Script>>,
}

/// The alarms in the template, by its text.
pub(crate) fn alarms_of_the_template() -> BTreeSet<String> {
    let template = include_str!("../../../infra/template.yaml");
    let names = template.lines().filter_map(|line| line.strip_prefix("  ")?.strip_suffix("Alarm:"));
    names.filter(|name| !name.starts_with(' ')).map(|name| format!("{name}Alarm")).collect()
}

const QUEUES: [&str; 6] = [
    "OfferEvents",
    "OfferEventsDeadLetters",
    "SalesTeam",
    "ReactorFailures",
    "EmailReceipts",
    "EmailReceiptsDeadLetters",
];

impl Cloud {
    /// A stack that is well: every alarm is quiet, every queue is empty, and the sweeper has just run.
    pub(crate) async fn start() -> Self {
        let world = World::start().await;
        let now = Timestamp::now() - SignedDuration::from_mins(3);
        world.tables.leads.set_walked(Walked::to(now)).await.unwrap();
        let mut outputs = BTreeMap::from([
            ("StreamsTableName", "streams".to_owned()),
            ("LeadsTableName", "leads".to_owned()),
        ]);
        for (queue, output) in QUEUES.into_iter().zip([
            "OfferEventsQueueUrl",
            "OfferEventsDeadLettersQueueUrl",
            "SalesTeamQueueUrl",
            "ReactorFailuresQueueUrl",
            "EmailReceiptsQueueUrl",
            "EmailReceiptsDeadLettersQueueUrl",
        ]) {
            let end = if queue.contains("Offer") || queue == "SalesTeam" { ".fifo" } else { "" };
            outputs.insert(output, format!("http://127.0.0.1/123456789012/cars-{queue}{end}"));
        }
        let mut alarms: BTreeMap<String, &str> =
            alarms_of_the_template().into_iter().map(|name| (format!("cars-{name}-1ABC"), "OK")).collect();
        // Another stack's, whose name begins alike.
        alarms.insert("cars-dev-DeadLettersAlarm-2DEF".to_owned(), "ALARM");
        let script = Script {
            status: "UPDATE_COMPLETE",
            outputs,
            parameters: BTreeMap::from([
                ("Effects", "live"),
                ("LivePercent", "0"),
                ("LegacyUrl", ""),
                ("HeldForLong", "86400"),
                ("EmailsTriedForHours", "24"),
            ]),
            alarms,
            metrics: BTreeMap::new(),
            waiting: BTreeMap::new(),
            letters: Vec::new(),
            denied: BTreeSet::new(),
            handed_out: 0,
        };
        let script = Arc::new(Mutex::new(script));
        let (answering, tables) = (Arc::clone(&script), world.url.clone());
        let wire = Wire::start(move |request| answering.lock().unwrap().answer(request, &tables)).await;
        Self { world, wire, script }
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    /// Makes an alarm ring.
    pub(crate) fn ring(&self, name: &str) {
        assert!(self.script().alarms.insert(format!("cars-{name}-1ABC"), "ALARM").is_some(), "{name}");
    }

    /// Runs a command on this stack, on a screen of 100 columns, without a file of profiles.
    pub(crate) async fn leads(&self, arguments: &[&str]) -> Ended {
        let stack = ["--stack", "cars", "--profiles", "/no/profiles"];
        let arguments: Vec<&str> = arguments.iter().copied().chain(stack).collect();
        run(&arguments, async || Ok(aws_at(self.wire.url()))).await
    }

    pub(crate) async fn status(&self, arguments: &[&str]) -> Ended {
        let arguments: Vec<&str> =
            ["status", "--columns", "100"].into_iter().chain(arguments.iter().copied()).collect();
        self.leads(&arguments).await
    }

    /// The operations requested so far: of the query protocol the action, otherwise that of the target header.
    pub(crate) fn operations(&self) -> Vec<String> {
        let exchanges = self.wire.exchanges();
        exchanges
            .iter()
            .map(|one| action(&one.request).unwrap_or(one.request.operation().to_owned()))
            .collect()
    }
}

/// The fields of a form.
fn form(request: &Request) -> BTreeMap<String, String> {
    let text = String::from_utf8(request.body.clone()).unwrap();
    let fields = text.split('&').filter_map(|field| field.split_once('='));
    fields
        .map(|(name, value)| (name.to_owned(), percent_decode_str(value).decode_utf8_lossy().into()))
        .collect()
}

fn action(request: &Request) -> Option<String> {
    request.body.starts_with(b"Action=").then(|| form(request)["Action"].clone())
}

fn xml(status: u16, body: &str) -> Answer {
    let headers = vec![("content-type".to_owned(), "text/xml".to_owned())];
    Answer::Reply(Reply { status, headers, body: body.to_owned().into_bytes() })
}

fn result(action: &str, body: &str) -> Answer {
    xml(
        200,
        &format!(
            "<{action}Response><{action}Result>{body}</{action}Result><ResponseMetadata><RequestId>1</RequestId>\
             </ResponseMetadata></{action}Response>"
        ),
    )
}

fn error(code: &str, message: &str) -> Answer {
    let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>");
    xml(400, &format!("<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>"))
}

/// The caller, as STS names it.
pub(crate) const CALLER: &str = "arn:aws:sts::123456789012:assumed-role/ops/ada";

fn not_authorized(action: &str) -> String {
    format!("User: {CALLER} is not authorized to perform: {action} on resource: *")
}

impl Script {
    fn answer(&mut self, request: &Request, tables: &str) -> Answer {
        if let Some(action) = action(request) {
            let fields = form(request);
            let service = if action == "DescribeStacks" { "cloudformation" } else { "cloudwatch" };
            let needed = format!("{service}:{action}");
            return match action.as_str() {
                _ if self.denied.contains(needed.as_str()) => error("AccessDenied", &not_authorized(&needed)),
                "GetCallerIdentity" => result("GetCallerIdentity", &format!("<Arn>{CALLER}</Arn>")),
                "DescribeStacks" if fields["StackName"] == "cars" => self.described(),
                "DescribeStacks" => {
                    error("ValidationError", &format!("Stack with id {} does not exist", fields["StackName"]))
                }
                "DescribeAlarms" => self.some_alarms(&fields),
                "GetMetricData" => self.some_metrics(&fields),
                other => panic!("{other}"),
            };
        }
        let is_sqs = request.headers.iter().any(|(_, value)| value.starts_with("AmazonSQS."));
        let service = if is_sqs { "sqs" } else { "dynamodb" };
        let needed = format!("{service}:{}", request.operation());
        if self.denied.contains(needed.as_str()) {
            return Answer::Reply(Reply::refusal(400, "AccessDeniedException", &not_authorized(&needed)));
        }
        if !is_sqs {
            return Answer::Forward(tables.to_owned());
        }
        let asked = request.json();
        let queue = asked["QueueUrl"].as_str().unwrap().rsplit('/').next().unwrap();
        let queue = queue.trim_start_matches("cars-").trim_end_matches(".fifo").to_owned();
        let ok = |body: Value| Answer::Reply(Reply::json(200, &body));
        match request.operation() {
            "GetQueueAttributes" => {
                let letters = if queue == "OfferEventsDeadLetters" { self.letters.len() } else { 0 };
                let waiting = self.waiting.get(queue.as_str()).copied().unwrap_or(letters);
                ok(json!({ "Attributes": {
                    "ApproximateNumberOfMessages": waiting.to_string(),
                    "ApproximateNumberOfMessagesDelayed": "0",
                    "ApproximateNumberOfMessagesNotVisible": "0",
                } }))
            }
            "ReceiveMessage" => {
                assert_eq!(queue, "OfferEventsDeadLetters");
                let next: Vec<Value> =
                    self.letters.iter().enumerate().skip(self.handed_out).take(10).map(letter).collect();
                self.handed_out += next.len();
                ok(json!({ "Messages": next }))
            }
            "ChangeMessageVisibilityBatch" => {
                self.handed_out -= asked["Entries"].as_array().unwrap().len();
                ok(json!({ "Successful": [], "Failed": [] }))
            }
            "SendMessageBatch" => {
                let entries = asked["Entries"].as_array().unwrap().iter();
                let done: Vec<Value> =
                    entries.map(|entry| json!({ "Id": entry["Id"], "MessageId": "1" })).collect();
                ok(json!({ "Successful": done, "Failed": [] }))
            }
            "SendMessage" => ok(json!({ "MessageId": "1" })),
            "DeleteMessage" => ok(json!({})),
            other => panic!("{other}"),
        }
    }

    fn described(&self) -> Answer {
        let pair = |kind: &str, key: &str, value: &str| {
            format!("<member><{kind}Key>{key}</{kind}Key><{kind}Value>{value}</{kind}Value></member>")
        };
        let outputs: String = self.outputs.iter().map(|(key, value)| pair("Output", key, value)).collect();
        let parameters: String =
            self.parameters.iter().map(|(key, value)| pair("Parameter", key, value)).collect();
        result(
            "DescribeStacks",
            &format!(
                "<Stacks><member><StackId>arn:aws:cloudformation:us-east-1:123456789012:stack/cars/1</StackId>\
                 <StackName>cars</StackName><StackStatus>{}</StackStatus><Outputs>{outputs}</Outputs>\
                 <Parameters>{parameters}</Parameters></member></Stacks>",
                self.status
            ),
        )
    }

    /// Eleven alarms a page, to see that pages are read on.
    fn some_alarms(&self, fields: &BTreeMap<String, String>) -> Answer {
        let from: usize = fields.get("NextToken").map_or(0, |token| token.parse().unwrap());
        let page = 11;
        let alarms = self.alarms.iter().skip(from).take(page);
        let alarms = joined(alarms, |(name, state)| {
            assert!(name.starts_with(&fields["AlarmNamePrefix"]));
            format!("<member><AlarmName>{name}</AlarmName><StateValue>{state}</StateValue></member>")
        });
        let is_last = from + page >= self.alarms.len();
        let token = if is_last { String::new() } else { format!("<NextToken>{}</NextToken>", from + page) };
        result("DescribeAlarms", &format!("<MetricAlarms>{alarms}</MetricAlarms>{token}"))
    }

    fn some_metrics(&self, fields: &BTreeMap<String, String>) -> Answer {
        let ids = (1..).map_while(|number| fields.get(&format!("MetricDataQueries.member.{number}.Id")));
        let results = joined(ids, |id| {
            let values = self.metrics.get(id.as_str()).into_iter().flatten();
            let values = joined(values, |value| format!("<member>{value}</member>"));
            format!(
                "<member><Id>{id}</Id><StatusCode>Complete</StatusCode><Values>{values}</Values></member>"
            )
        });
        result("GetMetricData", &format!("<MetricDataResults>{results}</MetricDataResults>"))
    }
}

fn joined<T>(items: impl Iterator<Item = T>, text: impl Fn(T) -> String) -> String {
    items.map(text).collect::<Vec<_>>().concat()
}

fn letter((number, reason): (usize, &&'static str)) -> Value {
    let mut letter = json!({
        "MessageId": format!("letter-{number}"), "ReceiptHandle": number.to_string(), "Body": "{}",
        "Attributes": { "MessageGroupId": format!("buyer-{number}"), "SentTimestamp": "1577836800000" },
    });
    if !reason.is_empty() {
        letter["MessageAttributes"] = json!({ "reason": { "DataType": "String", "StringValue": reason } });
    }
    letter
}
