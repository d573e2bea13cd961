//! The Lambda function `recorder`: wires its parts and runs.

use std::process::ExitCode;

use aws_lambda_events::event::sqs::SqsEvent;
use event_store::DynamoStreams;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use platform::clock::SystemClock;
use platform::deadline_of;
use platform::telemetry::{LevelFilter, chain};
use recorder::dead_letters::SqsDeadLetters;
use recorder::{Config, Recorder};

fn main() -> ExitCode {
    platform::telemetry::exit(run())
}

#[tokio::main(flavor = "current_thread")]
async fn run() -> Result<(), Error> {
    let config = Config::from_env();
    let function = lambda_runtime::Config::from_env().function_name;
    platform::telemetry::start(
        config.as_ref().map_or(LevelFilter::INFO, |config| config.log_level),
        function,
    );
    let config = config?;

    let access = config.access;
    let streams = DynamoStreams::new(access.dynamodb(), config.streams_table);
    let sqs = move || aws_sdk_sqs::Client::new(access.config());
    let dead_letters = SqsDeadLetters::new(sqs, config.dead_letters_url);
    let recorder = &Recorder::new(streams, dead_letters, SystemClock)
        .beside(config.legacy)
        .live(config.live)
        .tracing(config.traces);
    tokio::join!(recorder.warm_up(), config.secret.warm_up());

    lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        recorder
            .handle(event.payload, deadline_of(event.context.deadline))
            .await
            .map_err(|error| Error::from(chain(&error)))
    }))
    .await
}
