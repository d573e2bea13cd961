//! `leads`: what operators ask and decide, and what the offer system's developers check and post their events with.
//!
//! Every command is a library function that returns what it found, and a page that writes it, for people or as JSON.

mod args;
pub mod audit;
pub mod buyers;
pub mod check;
mod config;
pub mod dead_letters;
pub mod emails;
mod explain;
mod failure;
pub mod held;
pub mod history;
mod interrupt;
pub mod list;
mod output;
pub mod parity;
mod progress;
pub mod send;
pub mod show;
mod stands;
pub mod takeover;

use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use args::{Arguments, Command};
use aws_types::SdkConfig;
use clap::Parser as _;
pub use config::{Places, Tables};
pub use explain::{Entry, Explained, Fate, Line, Settled, explain};
pub use failure::Failure;
use output::Output;
use platform::telemetry::chain;
pub use stands::Stands;

/// How a command ended, as scripts see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: all is well.
    Good,
    /// 1: there are findings, or the buyer is unknown.
    Findings,
    /// 2: it was called wrongly, or something it needs did not work.
    Failed,
    /// 130: Ctrl-C ended it early, and the answer is incomplete. What shells report of a process that SIGINT ends.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Good => Self::SUCCESS,
            Exit::Findings => Self::from(1),
            Exit::Failed => Self::from(2),
            Exit::Interrupted => Self::from(130),
        }
    }
}

/// Runs the command that these arguments name, the program's own name first, on the AWS of the environment.
pub async fn run(
    arguments: impl IntoIterator<Item = OsString>,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Exit {
    run_on(arguments, config::connect, out, err).await
}

/// The same on another AWS. It is asked for only by commands that need one, and only once they have something to do.
pub async fn run_on(
    arguments: impl IntoIterator<Item = OsString>,
    connect: impl AsyncFnOnce() -> Result<SdkConfig, Failure>,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Exit {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(answer) => {
            // Help and version are answers too. Where they cannot be written, nothing can.
            let text = answer.render();
            let _ = if answer.use_stderr() { write!(err, "{text}") } else { write!(out, "{text}") };
            let _ = out.flush();
            return if answer.use_stderr() { Exit::Failed } else { Exit::Good };
        }
    };
    let ended = obey(&arguments, connect, Output { out, err, is_json: arguments.json }).await;
    let ended = ended.and_then(|exit| out.flush().map(|()| exit).map_err(Failure::Write));
    match ended {
        Ok(exit) => exit,
        // Whoever read us has seen enough, as in `leads history buyer-7 | head`; of what changes something, the end matters.
        Err(Failure::Write(error))
            if error.kind() == ErrorKind::BrokenPipe && arguments.command.only_reads() =>
        {
            Exit::Good
        }
        Err(failure) => {
            failure.tell(err);
            Exit::Failed
        }
    }
}

async fn obey<O: Write, E: Write>(
    arguments: &Arguments,
    connect: impl AsyncFnOnce() -> Result<SdkConfig, Failure>,
    mut output: Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let places = &arguments.places;
    match &arguments.command {
        Command::Check { file } => check::command(file, &mut output),
        Command::Send { file, repeat } => {
            let queue_url = places.queue_url()?;
            send::command(file, *repeat, queue_url, connect, &mut output).await
        }
        Command::Show { buyer, contact } => {
            let tables = places.tables(connect).await?;
            show::command(buyer, *contact, &tables, &mut output).await
        }
        Command::List { priority, contact } => {
            let tables = places.tables(connect).await?;
            list::command(*priority, *contact, &tables, &mut output).await
        }
        Command::Held { buyer } => {
            let tables = places.tables(connect).await?;
            held::command(buyer.as_ref(), &tables, &mut output).await
        }
        Command::Emails(emails) => {
            let wanted = emails.wanted()?;
            let tables = places.tables(connect).await?;
            emails::command(&wanted, &tables, &mut output).await
        }
        Command::DeadLetters(command) => dead_letters::command(command, places, connect, &mut output).await,
        Command::Audit { rate, repair } => {
            let tables = places.tables(connect).await?;
            audit::command(*rate, *repair, &tables, &mut output).await
        }
        Command::Void { buyer, offer, through, yes } => {
            let tables = places.tables(connect).await?;
            let gap = (buyer, offer, *through);
            takeover::void(gap, *yes, &tables, &mut output).await
        }
        Command::Reset(buyers) => {
            let former = places.legacy()?;
            let tables = places.tables(connect).await?;
            takeover::reset_command(buyers, &former, &tables, &mut output).await
        }
        Command::GoLive(buyers) => {
            let former = places.legacy_to_hand_over()?;
            let tables = places.tables(connect).await?;
            takeover::go_live_command(buyers, &former, &tables, &mut output).await
        }
        Command::Erase { buyer, yes } => {
            let tables = places.tables(connect).await?;
            takeover::erase(buyer, *yes, &tables, &mut output).await
        }
        Command::Replay { buyer } => {
            let tables = places.tables(connect).await?;
            takeover::replay_command(buyer, &tables, &mut output).await
        }
        Command::Parity(comparison) => {
            let former = places.legacy()?;
            let tables = places.tables(connect).await?;
            parity::command(comparison, &former, &tables, &mut output).await
        }
        Command::History { buyer } => {
            let tables = places.tables(connect).await?;
            history::command(buyer, &tables, &mut output).await
        }
    }
}

impl Failure {
    fn tell(&self, err: &mut impl Write) {
        let text = chain(self);
        // Where the error cannot be written, the exit code still says it.
        let _ = writeln!(err, "error: {text}");
        if let Some(hint) = failure::hint(&text) {
            let _ = writeln!(err, "hint: {hint}");
        }
    }
}
