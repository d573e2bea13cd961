//! The connection options: every command accepts them, and the help of a command shows only those it uses.

use clap::{Arg, Command, CommandFactory as _, FromArgMatches as _};

use super::Arguments;
use crate::config::CONNECTION;

/// The arguments of this command line.
///
/// # Errors
/// What clap prints instead: an error of usage, the help or the version.
pub(crate) fn parse(
    arguments: impl IntoIterator<Item = std::ffi::OsString>,
) -> Result<Arguments, clap::Error> {
    let matches = command().try_get_matches_from(arguments)?;
    Arguments::from_arg_matches(&matches)
}

fn command() -> Command {
    let command = Arguments::command();
    let is_connection = |arg: &&Arg| arg.get_help_heading() == Some(CONNECTION);
    let options: Vec<Arg> = command.get_arguments().filter(is_connection).cloned().collect();
    let names: Vec<String> = options.iter().map(|option| option.get_id().to_string()).collect();
    let hidden = names.into_iter().fold(command, |command, name| command.mut_arg(name, |arg| arg.hide(true)));
    // clap gives each command its own copy of a global argument, unless the command has one with the same id.
    hidden.mut_subcommands(|command| {
        let used = used_by(command.get_name());
        options.iter().fold(command, |command, option| {
            let is_used = used.contains(&option.get_id().as_str());
            command.arg(option.clone().hide(!is_used).hide_short_help(true))
        })
    })
}

/// The ids of the connection options that a command uses.
fn used_by(command: &str) -> &'static [&'static str] {
    match command {
        "check" => &[],
        "send" => &["queue_url"],
        "dead-letters" => &["dead_letters_url", "queue_url"],
        "reset" | "go-live" | "parity" => &["streams_table", "leads_table", "legacy_url"],
        _ => &["streams_table", "leads_table"],
    }
}
