//! Wires the reactor.

use std::process::ExitCode;

use aws::deadline_of;
use aws_lambda_events::event::dynamodb::Event;
use effects::worker::Worker;
use event_store::surroundings::Machine;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use reactor::{Config, Reactor};
use telemetry::{LevelFilter, chain};

fn main() -> ExitCode {
    telemetry::exit(run())
}

#[tokio::main(flavor = "current_thread")]
async fn run() -> Result<(), Error> {
    let config = Config::from_env();
    let function = lambda_runtime::Config::from_env().function_name;
    telemetry::start(config.as_ref().map_or(LevelFilter::INFO, |config| config.log_level), function);
    let config = config?;

    let Worker { streams, leads, outside, letterhead } = config.worker;
    let reactor = &Reactor::new(streams, leads, outside, Machine, letterhead);
    reactor.warm_up().await;

    lambda_runtime::run(service_fn(async |event: LambdaEvent<Event>| {
        reactor
            .handle(event.payload, deadline_of(event.context.deadline))
            .await
            .map_err(|error| Error::from(chain(&error)))
    }))
    .await
}
