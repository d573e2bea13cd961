//! An example consumer of the sales team's queue.
//!
//! ```sh
//! consumer-example receive         # applies messages as they arrive, until it is stopped
//! consumer-example apply FILE      # applies messages from a file, one body per line
//! consumer-example open            # prints the open leads, one per line
//! ```
//!
//! The queue is named by `SALES_TEAM_QUEUE_URL`, the database by `SALES_DATABASE` (default `sales.db`).
//!
//! It may be stopped or killed at any time: a message is deleted only after its transaction. At the first error it ends,
//! for its supervisor to start it again; what was not deleted is delivered again.

mod sales_desk;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::error::Error;
use std::fs;
use std::io::Write as _;

use aws_config::BehaviorVersion;
use aws_sdk_sqs::Client;
use rusqlite::Connection;
use sales_desk::{Outcome, SalesDesk};

async fn receive(desk: &mut SalesDesk) -> Result<Infallible, Box<dyn Error>> {
    let sqs = Client::new(&aws_config::load_defaults(BehaviorVersion::latest()).await);
    let queue_url = std::env::var("SALES_TEAM_QUEUE_URL").map_err(|_| "SALES_TEAM_QUEUE_URL is not set")?;
    loop {
        let call =
            sqs.receive_message().queue_url(&queue_url).max_number_of_messages(10).wait_time_seconds(20);
        for message in call.send().await?.messages() {
            apply(desk, message.body().unwrap_or_default())?;
            let call = sqs.delete_message().queue_url(&queue_url);
            call.set_receipt_handle(message.receipt_handle().map(str::to_owned)).send().await?;
        }
    }
}

fn apply(desk: &mut SalesDesk, body: &str) -> Result<(), Box<dyn Error>> {
    // The log has no bodies: they contain personal data.
    if desk.apply(body)? == Outcome::SetAside {
        writeln!(std::io::stderr(), "A message was set aside.")?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::var("SALES_DATABASE").unwrap_or_else(|_| "sales.db".to_owned());
    let mut desk = SalesDesk::new(Connection::open(file)?)?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["receive"] => match receive(&mut desk).await? {},
        ["apply", file] => fs::read_to_string(file)?.lines().try_for_each(|body| apply(&mut desk, body)),
        ["open"] => {
            for lead in desk.open_leads()? {
                writeln!(std::io::stdout(), "{lead}")?;
            }
            Ok(())
        }
        _ => Err("usage: consumer-example receive | apply FILE | open".into()),
    }
}
