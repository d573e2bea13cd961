//! The Lambda function `sweeper`: wires its parts and runs.

use std::process::ExitCode;

use effects::Config;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use platform::clock::SystemClock;
use platform::deadline_of;
use platform::telemetry::{LevelFilter, chain};
use serde_json::Value;
use sweeper::{Sweeper, pace_from_env};

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
    let (Config { streams, leads, outside, letterhead, traces, .. }, pace) = (config?, pace_from_env()?);

    let sweeper = &Sweeper::new(streams, leads, outside, SystemClock, letterhead, pace).tracing(traces);

    // The content of the schedule's event does not matter.
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
        sweeper.handle(deadline_of(event.context.deadline)).await.map_err(|error| Error::from(chain(&error)))
    }))
    .await
}
