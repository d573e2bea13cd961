//! Checks that a deployed stack, on AWS or on a local AWS, keeps Leadstream's promises. It compares the stack with the
//! template, plays the scenarios with buyers of its own, and leaves a report.
//!
//! Exit codes: 0 every promise is kept, 1 a promise is broken, 2 nothing was sent or the run failed.
#![expect(clippy::print_stdout, reason = "the output is the purpose of the program")]

mod behaviour;
mod difference;
mod operation;
mod permissions;
mod price;
mod promise;
mod report;
mod run;
mod sales;
mod settings;
mod target;
mod template;

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use aws_config::{BehaviorVersion, SdkConfig};
use behaviour::Plan;
use clap::Parser;
use cli::Tables;
use cli::aws::{Aws, CallFailed, Service};
use jiff::{SignedDuration, Timestamp};
use platform::https::{Https, Trust};
use report::Report;
use run::Run;
use serde_json::{Value, json};
use target::{Target, text};
use template::Template;
use tests::Failed;

/// Checks that a deployed stack keeps Leadstream's promises, with events of its own buyers.
#[derive(Debug, Parser)]
#[command(name = "acceptance")]
struct Arguments {
    /// The name of the stack, in the region and account of the environment.
    #[arg(long)]
    stack: String,
    /// Confirms the cost and the messages.
    #[arg(long)]
    yes: bool,
    /// Runs although the stack has other traffic. The sales team's queue is then not read: its consumer receives this
    /// run's messages too.
    #[arg(long)]
    despite_traffic: bool,
    /// Only compares the stack with the template; sends nothing.
    #[arg(long)]
    settings_only: bool,
    /// Where to write the report, without the ending: PATH.md and PATH.json.
    #[arg(long, value_name = "PATH", default_value = "acceptance")]
    report: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match accept(&Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("acceptance: {}", platform::telemetry::chain(error.as_ref()));
            ExitCode::from(2)
        }
    }
}

/// Refuses what the checks could not decide on.
fn connect(config: &SdkConfig) -> Result<Aws, Failed> {
    let region = config.region().ok_or("no AWS region is set: set AWS_REGION")?;
    if ["cn-", "us-gov-", "us-iso", "eu-isoe-"].iter().any(|other| region.as_ref().starts_with(other)) {
        return Err(
            format!("{region} is of another partition than `aws`, the only one supported here").into()
        );
    }
    Ok(Aws::on(config, Https::trusting(Trust::BuiltIn)?))
}

async fn accept(arguments: &Arguments) -> Result<bool, Failed> {
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let aws = connect(&config)?;
    let template = Template::read()?;
    let target = Target::find(&aws, &arguments.stack, &template.unconditional()).await?;
    let started = Timestamp::now();
    let mut prefix = uuid::Uuid::new_v4().simple().to_string();
    prefix.truncate(6);
    let prefix = format!("acceptance-{}-{prefix}", started.strftime("%Y%m%d"));
    let plan = Plan::of(&prefix)?;
    let most_dollars = price::most(plan.messages(), plan.people().len());
    let place =
        if aws.is_emulated() { "A local AWS".to_owned() } else { format!("AWS account {}", target.account) };
    println!("{place}, stack {} in {}: comparing it with the template.", target.name, target.region);
    let mut checks = settings::checks(&aws, &target, &template).await?;
    checks.push(permissions::check(&aws, &target, &template).await?);
    let (target, prefix) = (&target, prefix.as_str());
    let mut report = Report {
        target,
        place,
        prefix,
        started,
        checks,
        timings: Vec::new(),
        most_dollars,
        left: Vec::new(),
        ended_early: None,
    };
    if !arguments.settings_only {
        let run = Run {
            aws: &aws,
            target,
            sqs: aws_sdk_sqs::Client::new(&config),
            logs: aws_sdk_cloudwatchlogs::Client::new(&config),
            tables: Tables::on(&config, target.id("StreamsTable"), target.id("LeadsTable")),
            config: config.clone(),
            prefix: prefix.to_owned(),
            started,
            has_traffic: arguments.despite_traffic,
        };
        if let Some(note) = sending(&aws, &run).await? {
            println!("{note}");
        }
        if !arguments.despite_traffic {
            refuse_traffic(&aws, target, started).await?;
        }
        let is_terminal = std::io::stdin().is_terminal();
        confirm(arguments.yes, is_terminal, &plan, most_dollars)?;
        // Also after Ctrl-C or an error, the buyers are erased and the report is written.
        let checked = tokio::select! {
            checked = behaviour::checks(&run, &plan) => checked,
            _ = tokio::signal::ctrl_c() => Err("it was interrupted".into()),
        };
        println!("Erasing the buyers {prefix}-… and taking their messages.");
        report.left = behaviour::clean_up(&run, &plan).await;
        match checked {
            Ok((mut checks, timings)) => {
                report.checks.append(&mut checks);
                report.timings = timings;
            }
            Err(error) => report.ended_early = Some(platform::telemetry::chain(error.as_ref())),
        }
    }
    println!("{}", report.write(&arguments.report)?);
    Ok(report.passes())
}

/// Refuses a run whose tables cannot be read or whose e-mails SES would not send. Returns what to know about SES.
///
/// The mailbox simulator takes e-mail of accounts in the sandbox too, and it does not count for the daily quota, only
/// for the rate (Amazon SES Developer Guide, "Testing email sending").
async fn sending(aws: &Aws, run: &Run<'_>) -> Result<Option<String>, Failed> {
    let buyer = domain::BuyerId::parse(&run.prefix)?;
    cli::history::history(&run.tables, &buyer).await?;
    let account = match aws.rest(Service::Ses, "GetAccount", ("GET", "/v2/email/account"), None).await {
        Ok(account) => account,
        Err(error) if aws.is_emulated() && !error.is_denied() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    note_of(&account)
}

/// What to know about SES, from the description of the account.
fn note_of(account: &Value) -> Result<Option<String>, Failed> {
    if account["SendingEnabled"] == json!(false) {
        return Err("SES does not send for this account: see the account dashboard in the SES console".into());
    }
    Ok((account["ProductionAccessEnabled"] == json!(false)).then(|| {
        format!(
            "SES has this account in its sandbox, at {} e-mails a second. This run goes on: all its e-mails go to the \
             mailbox simulator. Buyers need production access.",
            account["SendQuota"]["MaxSendRate"]
        )
    }))
}

/// Refuses a stack that has other traffic: messages in a queue, or, where CloudWatch has the metric, events posted or a
/// consumer of the sales team's queue active in the last 15 minutes.
async fn refuse_traffic(aws: &Aws, target: &Target, now: Timestamp) -> Result<(), Failed> {
    let advice = "stop it, choose another stack, or pass --despite-traffic";
    for logical in ["OfferEvents", "OfferEventsDeadLetters", "SalesTeam", "EmailReceipts"] {
        let input = json!({ "QueueUrl": target.id(logical), "AttributeNames": ["All"] });
        let answer = aws.json(Service::Sqs, "AmazonSQS.GetQueueAttributes", &input).await?;
        let number = |name: &str| text(&answer["Attributes"][name]).parse::<u64>().unwrap_or_default();
        let messages =
            number("ApproximateNumberOfMessages") + number("ApproximateNumberOfMessagesNotVisible");
        if messages > 0 {
            return Err(format!(
                "the stack {} has other traffic, {messages} messages in {logical}: {advice}",
                target.name
            )
            .into());
        }
    }
    for (logical, metric, what) in [
        ("OfferEvents", "NumberOfMessagesSent", "events were posted"),
        ("SalesTeam", "NumberOfEmptyReceives", "a consumer received"),
        ("SalesTeam", "NumberOfMessagesReceived", "a consumer received"),
    ] {
        if metric_of_last_minutes(aws, target, logical, metric, now).await? > 0.0 {
            return Err(format!(
                "the stack {} has other traffic, {what} in the last 15 minutes ({metric} of {logical}; an earlier run of \
                 this counts too): wait, {advice}",
                target.name
            )
            .into());
        }
    }
    Ok(())
}

async fn metric_of_last_minutes(
    aws: &Aws,
    target: &Target,
    logical: &str,
    metric: &str,
    now: Timestamp,
) -> Result<f64, CallFailed> {
    let from = (now - SignedDuration::from_mins(15)).to_string();
    let to = now.to_string();
    let parameters = [
        ("Namespace", "AWS/SQS"),
        ("MetricName", metric),
        ("Dimensions.member.1.Name", "QueueName"),
        ("Dimensions.member.1.Value", target.queue_name(logical)),
        ("StartTime", from.as_str()),
        ("EndTime", to.as_str()),
        ("Period", "900"),
        ("Statistics.member.1", "Sum"),
    ];
    let answer = aws.query(Service::CloudWatch, "GetMetricStatistics", &parameters).await?;
    let points = answer["Datapoints"].as_array().cloned().unwrap_or_default();
    let sum = |point: &Value| text(&point["Sum"]).parse::<f64>().unwrap_or_default();
    Ok(points.iter().map(sum).sum())
}

/// States what will be sent and what it costs, and asks unless `--yes` was passed.
fn confirm(is_confirmed: bool, is_terminal: bool, plan: &Plan, most_dollars: f64) -> Result<(), Failed> {
    println!(
        "Posting {} messages for {} buyers. E-mails go to SES's mailbox simulator. At most ${most_dollars:.2} by AWS's \
         list prices of November 2026. On AWS, DeadLettersAlarm rings and notifies its topic.",
        plan.messages(),
        plan.people().len()
    );
    if is_confirmed {
        return Ok(());
    }
    if !is_terminal {
        return Err("nothing was sent: pass --yes to confirm".into());
    }
    print!("Type yes to confirm: ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if answer.trim() == "yes" { Ok(()) } else { Err("nothing was sent".into()) }
}

#[cfg(test)]
mod tests_of_refusals {
    use aws_config::{Region, SdkConfig};
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use testkit::wire::{Answer, Reply, Request, Wire};

    use super::*;

    #[test]
    fn an_account_in_the_sandbox_is_named_and_the_run_goes_on() {
        let account = json!({
            "SendingEnabled": true, "ProductionAccessEnabled": false, "SendQuota": { "MaxSendRate": 1.0 },
        });
        let note = note_of(&account).unwrap().unwrap();
        assert!(note.starts_with("SES has this account in its sandbox, at 1.0 e-mails a second."), "{note}");
        assert_eq!(
            note_of(&json!({ "SendingEnabled": true, "ProductionAccessEnabled": true })).unwrap(),
            None
        );
    }

    #[test]
    fn an_account_that_may_not_send() {
        let refused = note_of(&json!({ "SendingEnabled": false })).unwrap_err();
        assert!(refused.to_string().starts_with("SES does not send for this account"), "{refused}");
    }

    #[test]
    fn a_run_that_is_not_confirmed() {
        let plan = Plan::of("acceptance-test").unwrap();
        let refused = confirm(false, false, &plan, 0.03).unwrap_err();
        assert_eq!(refused.to_string(), "nothing was sent: pass --yes to confirm");
        assert!(confirm(true, false, &plan, 0.03).is_ok());
    }

    /// A stack whose queues hold this many messages each, and whose metrics have this sum.
    async fn refusal(messages: &'static str, sum: &'static str) -> Option<String> {
        let wire = Wire::start(move |request: &mut Request| {
            Answer::Reply(if request.operation() == "GetQueueAttributes" {
                let attributes = json!({
                    "ApproximateNumberOfMessages": messages, "ApproximateNumberOfMessagesNotVisible": "0",
                });
                Reply::json(200, &json!({ "Attributes": attributes }))
            } else {
                let point = format!("<Datapoints><member><Sum>{sum}</Sum></member></Datapoints>");
                let result = format!("<GetMetricStatisticsResult>{point}</GetMetricStatisticsResult>");
                let body = format!("<GetMetricStatisticsResponse>{result}</GetMetricStatisticsResponse>");
                Reply { status: 200, headers: Vec::new(), body: body.into_bytes() }
            })
        })
        .await;
        let credentials = Credentials::new("test", "test", None, None, "test");
        let config = SdkConfig::builder()
            .region(Region::from_static("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(wire.url())
            .build();
        let aws = connect(&config).unwrap();
        let refused = refuse_traffic(&aws, &Target::named("leadstream"), Timestamp::UNIX_EPOCH).await;
        refused.err().map(|refused| refused.to_string())
    }

    #[tokio::test]
    async fn a_stack_with_other_traffic() {
        assert_eq!(refusal("0", "0.0").await, None);
        let waiting = refusal("3", "0.0").await.unwrap();
        assert!(waiting.contains("has other traffic, 3 messages in OfferEvents: stop it,"), "{waiting}");
        let posted = refusal("0", "7.0").await.unwrap();
        assert!(posted.contains("has other traffic, events were posted in the last 15 minutes"), "{posted}");
    }
}
