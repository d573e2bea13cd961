//! The Lambda function `sweeper`: wires its parts and runs.

use std::process::ExitCode;

use effects::adapters::Adapters;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use platform::clock::SystemClock;
use platform::deadline_of;
use platform::telemetry::{LevelFilter, chain};
use serde_json::Value;
use sweeper::{Config, Sweeper};

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

    let Adapters { streams, leads, outside, letterhead } = config.adapters;
    let sweeper = &Sweeper::new(streams, leads, outside, SystemClock, letterhead, config.pace);

    // The content of the schedule's event does not matter.
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
        sweeper.handle(deadline_of(event.context.deadline)).await.map_err(|error| Error::from(chain(&error)))
    }))
    .await
}
