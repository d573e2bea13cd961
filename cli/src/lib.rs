//! The `leads` command. Operators use it to inspect buyers and to record decisions about them; developers of the offer
//! system use it to check events against the contract and to post them.
//!
//! Each command has a library function that returns its result, and code that prints the result as text or JSON.

mod args;
pub mod audit;
pub mod aws;
pub mod buyers;
pub mod check;
mod config;
mod console;
pub mod dead_letters;
pub mod emails;
mod explain;
pub mod export;
mod failure;
pub mod held;
pub mod history;
mod import;
pub mod list;
mod output;
pub mod parity;
mod pass;
mod pause;
mod profile;
pub mod resync;
pub mod send;
mod shells;
pub mod show;
mod stack;
mod status;
mod tail;
pub mod takeover;

use std::ffi::OsString;
use std::io::{ErrorKind, Write};

use args::{Arguments, Command};
use aws::Aws;
use aws_types::SdkConfig;
pub use config::{Places, Tables, Target};
use emails::Wanted;
pub use explain::{Entry, Explained, Fate, Line, Mode, Settled, explain};
pub use failure::{Exit, Failure};
use output::Output;
use stack::Stack;

/// Runs the command named by `arguments`, whose first element is the program name, on the AWS of the environment and for
/// the terminal of this process.
pub async fn run(
    arguments: impl IntoIterator<Item = OsString>,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Exit {
    output::fit_tables();
    run_on(arguments, config::connect, out, err).await
}

/// Like [`run`], on the AWS that `connect` returns. `connect` is called only by commands that need AWS, and only once
/// they have something to do or a stack to find.
pub async fn run_on(
    arguments: impl IntoIterator<Item = OsString>,
    connect: impl AsyncFnOnce(Target) -> Result<SdkConfig, Failure>,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Exit {
    let arguments = match args::parse(arguments) {
        Ok(arguments) => arguments,
        Err(answer) => {
            // clap reports help and version as errors too. A failed write cannot be reported anywhere.
            let text = answer.render();
            let _ = if answer.use_stderr() { write!(err, "{text}") } else { write!(out, "{text}") };
            let _ = out.flush();
            return if answer.use_stderr() { Exit::Failed } else { Exit::Good };
        }
    };
    let output = Output { out, err, is_json: arguments.json };
    // Boxed, because the future of all commands is large.
    let ended = Box::pin(dispatch(&arguments, connect, output)).await;
    let ended = ended.and_then(|exit| out.flush().map(|()| exit).map_err(Failure::Write));
    match ended {
        Ok(exit) => exit,
        // The reader closed the pipe, as in `leads history buyer-7 | head`. That is a failure only for a command that
        // changes something, because then the end of its output matters.
        Err(Failure::Write(error))
            if error.kind() == ErrorKind::BrokenPipe && arguments.command.only_reads() =>
        {
            Exit::Good
        }
        Err(failure) => {
            failure.print(err);
            Exit::Failed
        }
    }
}

/// Finds the stack, if one is named and the command needs AWS, and then carries out the command.
async fn dispatch<O: Write, E: Write>(
    Arguments { command, places: given, .. }: &Arguments,
    connect: impl AsyncFnOnce(Target) -> Result<SdkConfig, Failure>,
    mut output: Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let Some(name) = given.stack.as_deref().filter(|_| command.needs_aws()) else {
        return carry_out(command, given, async || connect(Target::default()).await, output).await;
    };
    let profile = profile::find(name, given.profiles().as_deref())?;
    let config = connect(profile.target.clone()).await?;
    let aws = Aws::on(&config, config::https()?);
    if let Command::Status(status) = command {
        return status::command(status, &status::Source { aws, profile, config, given }, &mut output).await;
    }
    if let Command::Console(console) = command {
        return console::command(console, &status::Source { aws, profile, config, given }, &mut output).await;
    }
    let stack = Stack::find(&aws, &profile).await?;
    if let Command::Import(_) = command {
        import::refuse_unless_in_shadow(&stack)?;
    }
    if !command.only_reads() && !output.is_json {
        output.aside(&stack.banner(given))?;
    }
    let places = stack.places(given);
    carry_out(command, &places, async || Ok(config), output).await
}

async fn carry_out<O: Write, E: Write>(
    command: &Command,
    places: &Places,
    connect: impl AsyncFnOnce() -> Result<SdkConfig, Failure>,
    mut output: Output<'_, O, E>,
) -> Result<Exit, Failure> {
    match command {
        Command::Status(_) => Err(Failure::NoStackNamed { command: "status" }),
        Command::Console(_) => Err(Failure::NoStackNamed { command: "console" }),
        Command::Check { file } => check::command(file, &mut output),
        Command::Completions { shell } => shells::completions(*shell, &mut output),
        Command::Man { folder } => shells::man(folder),
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
            let tables = if matches!(wanted, Wanted::List(_)) {
                places.tables(connect).await?
            } else {
                places.tables_to_change(connect, emails.why.because.as_deref(), !command.only_reads()).await?
            };
            emails::command(&wanted, &tables, &mut output).await
        }
        Command::DeadLetters(command) => dead_letters::command(command, places, connect, &mut output).await,
        Command::Pause { what, because } => {
            let tables = places.tables_to_change(connect, Some(because), true).await?;
            pause::pause(what.kinds(), &tables, &mut output).await
        }
        Command::Resume { what, yes } => {
            let tables = places.tables(connect).await?;
            pause::resume(what.kinds(), *yes, &tables, &mut output).await
        }
        Command::Audit { rate, repair } => {
            let tables = places.tables(connect).await?;
            audit::command(*rate, *repair, &tables, &mut output).await
        }
        Command::Void { buyer, offer, through, yes, why } => {
            let tables = places.tables_to_change(connect, why.because.as_deref(), *yes).await?;
            let gap = (buyer, offer, *through);
            takeover::void(gap, *yes, &tables, &mut output).await
        }
        Command::Reset(buyers) => {
            let former = places.legacy()?;
            let tables = places.tables_to_change(connect, buyers.why.because.as_deref(), buyers.yes).await?;
            takeover::reset_command(buyers, &former, &tables, &mut output).await
        }
        Command::GoLive(buyers) => {
            let former = places.legacy_to_hand_over()?;
            let tables = places.tables_to_change(connect, buyers.why.because.as_deref(), buyers.yes).await?;
            takeover::go_live_command(buyers, &former, &tables, &mut output).await
        }
        Command::Erase { buyer, yes, why } => {
            let tables = places.tables_to_change(connect, why.because.as_deref(), *yes).await?;
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
        Command::Resync(resync) => {
            let queue_url = if resync.to_queue { Some(places.sales_team_url()?) } else { None };
            let (tables, config) = places.tables_and_config(connect).await?;
            let queue = queue_url.map(|url| (aws_sdk_sqs::Client::new(&config), url));
            resync::command(resync, &tables, queue, &mut output).await
        }
        Command::Tail(tail) => {
            let tables = places.tables(connect).await?;
            tail::command(tail, &tables, &mut output).await
        }
        Command::Export(export) => {
            let tables = places.tables(connect).await?;
            export::command(export, &tables, &mut output).await
        }
        Command::Import(_) if places.stack.is_none() => Err(Failure::NoStackNamed { command: "import" }),
        Command::Import(import) => {
            let tables = places.tables(connect).await?;
            import::command(import, &tables, &mut output).await
        }
        Command::History { buyer } => {
            let tables = places.tables(connect).await?;
            history::command(buyer, &tables, &mut output).await
        }
    }
}
