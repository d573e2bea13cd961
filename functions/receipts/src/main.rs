//! The Lambda function `receipts`: wires its parts and runs.

use std::process::ExitCode;

use aws_lambda_events::event::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use leads_store::DynamoReceipts;
use platform::clock::SystemClock;
use platform::deadline_of;
use platform::telemetry::LevelFilter;
use receipts::{Config, Listener};

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

    let ledger = DynamoReceipts::new(config.access.dynamodb(), config.leads_table);
    let listener = &Listener::new(ledger, SystemClock);

    lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        Ok::<_, Error>(listener.handle(event.payload, deadline_of(event.context.deadline)).await)
    }))
    .await
}
