//! The recorder, wired as in the SDK's guide: every setting from the default chain, default features, a multi-threaded
//! runtime, and the first connection opened when the first event comes.

use aws_config::BehaviorVersion;
use aws_lambda_events::event::sqs::SqsEvent;
use event_store::DynamoStreams;
use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use platform::clock::{Deadline, SystemClock};
use platform::telemetry::LevelFilter;
use recorder::Recorder;
use recorder::dead_letters::SqsDeadLetters;

#[tokio::main]
async fn main() -> Result<(), Error> {
    platform::telemetry::start(LevelFilter::INFO, lambda_runtime::Config::from_env().function_name);
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let streams = DynamoStreams::new(aws_sdk_dynamodb::Client::new(&config), std::env::var("STREAMS_TABLE")?);
    let queue = std::env::var("OFFER_EVENTS_DEAD_LETTERS_QUEUE_URL")?;
    let sqs = aws_sdk_sqs::Client::new(&config);
    let dead_letters = SqsDeadLetters::new(move || sqs, queue);
    let recorder = &Recorder::new(streams, dead_letters, SystemClock);

    lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        let deadline = Timestamp::from_millisecond(i64::try_from(event.context.deadline)?)?;
        recorder.handle(event.payload, Deadline::at(deadline)).await.map_err(Error::from)
    }))
    .await
}
