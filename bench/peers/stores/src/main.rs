//! A Lambda that records offer events with a known event store. The bench drives it: each line of standard input is a
//! JSON command, and is answered by one line of JSON on standard output.

mod adapter;
mod buyer;
mod client;
mod cqrs;
mod failure;
mod idempotency;
mod incoming;
mod lambda;
mod peer;
mod protocol;
mod tables;

use std::process::ExitCode;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, stdin, stdout};

use crate::failure::{Failure, chain};
use crate::lambda::Lambda;
use crate::peer::Peer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("stores: {}", chain(&failure));
            ExitCode::FAILURE
        }
    }
}

/// Answers every command until the input ends. The input is read without blocking, so that idle connections are served.
async fn run() -> Result<(), Failure> {
    let mut lambda = Lambda::new(argument("--peer")?.parse::<Peer>()?, argument("--endpoint")?);
    let mut commands = BufReader::new(stdin()).lines();
    while let Some(line) = commands.next_line().await.map_err(Failure::Talk)? {
        let command = serde_json::from_str(&line).map_err(Failure::Command)?;
        let mut answer =
            serde_json::to_vec(&protocol::answer(&mut lambda, command).await?).map_err(Failure::Command)?;
        answer.push(b'\n');
        stdout().write_all(&answer).await.map_err(Failure::Talk)?;
        stdout().flush().await.map_err(Failure::Talk)?;
    }
    Ok(())
}

/// The value after `name` on the command line.
fn argument(name: &'static str) -> Result<String, Failure> {
    std::env::args().skip_while(|given| given != name).nth(1).ok_or(Failure::Usage(name))
}
