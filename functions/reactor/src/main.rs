//! The Lambda function `reactor`: wires its parts and runs.

use std::process::ExitCode;

use aws_lambda_events::event::dynamodb::Event;
use effects::Config;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use platform::clock::SystemClock;
use platform::deadline_of;
use platform::telemetry::{LevelFilter, chain};
use reactor::Reactor;

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
    let Config { streams, leads, outside, letterhead, traces, .. } = config?;

    let reactor = &Reactor::new(streams, leads, outside, SystemClock, letterhead).tracing(traces);
    reactor.warm_up().await;

    lambda_runtime::run(service_fn(async |event: LambdaEvent<Event>| {
        reactor
            .handle(event.payload, deadline_of(event.context.deadline))
            .await
            .map_err(|error| Error::from(chain(&error)))
    }))
    .await
}
