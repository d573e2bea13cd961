//! Wires the reactor.

use aws::deadline_of;
use aws_lambda_events::event::dynamodb::Event;
use effects::leads::DynamoLeads;
use effects::outside::AwsOutside;
use event_store::DynamoStreams;
use event_store::surroundings::Machine;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use reactor::{Config, Reactor};
use telemetry::chain;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::from_env();
    telemetry::start(config.as_ref().ok().and_then(|config| config.log_level.as_deref()));
    let config =
        config.inspect_err(|error| tracing::error!(error = chain(error), "the reactor does not start"))?;

    let dynamodb = config.access.dynamodb();
    let outside = AwsOutside::new(
        &aws_sdk_sesv2::Client::new(config.access.config()),
        aws_sdk_sqs::Client::new(config.access.config()),
        config.sales_team_url,
        config.email_sender,
        config.email_configuration_set,
    );
    let leads = DynamoLeads::new(dynamodb.clone(), config.leads_table, config.streams_table.clone());
    let streams = DynamoStreams::new(dynamodb, config.streams_table);
    let reactor = &Reactor::new(streams, leads, outside, Machine, config.letterhead);
    reactor.warm_up().await;

    lambda_runtime::run(service_fn(async |event: LambdaEvent<Event>| {
        reactor.handle(event.payload, deadline_of(event.context.deadline)).await.map_err(Error::from)
    }))
    .await
    .inspect_err(|error| tracing::error!(error = chain(error.as_ref()), "the reactor ends"))
}
