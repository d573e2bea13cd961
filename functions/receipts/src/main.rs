//! Wires the receipts function.

use std::process::ExitCode;

use aws::deadline_of;
use aws_lambda_events::event::sqs::SqsEvent;
use effects::leads::DynamoReceipts;
use event_store::surroundings::Machine;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use receipts::{Config, Listener};
use telemetry::LevelFilter;

fn main() -> ExitCode {
    telemetry::exit(run())
}

#[tokio::main(flavor = "current_thread")]
async fn run() -> Result<(), Error> {
    let config = Config::from_env();
    let function = lambda_runtime::Config::from_env().function_name;
    telemetry::start(config.as_ref().map_or(LevelFilter::INFO, |config| config.log_level), function);
    let config = config?;

    let ledger = DynamoReceipts::new(config.access.dynamodb(), config.leads_table);
    let listener = &Listener::new(ledger, Machine);

    lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        Ok::<_, Error>(listener.handle(event.payload, deadline_of(event.context.deadline)).await)
    }))
    .await
}
