//! The command line of `leads`.

mod command;
mod commands;
mod copies;
mod values;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, CommandFactory as _, FromArgMatches as _, Parser};
pub(crate) use command::Command;
pub(crate) use commands::{Console, DeadLetters, GoLive, Pace, Parity, Picked, Reset, Status};
pub(crate) use copies::{Export, Import, Resync, Tail};
pub(crate) use values::buyer_id;

use crate::Places;
use crate::config::CONNECTION;

/// Check and post offer events, inspect what Leadstream has recorded, and carry out operators' decisions.
#[derive(Debug, Parser)]
#[command(name = "leads", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// Print one JSON document instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) places: Places,

    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 success, 1 findings or an unknown buyer, 2 wrong usage, a failure or --yes missing,
130 interrupted, the answer is incomplete.

AWS credentials and region are found as by the AWS CLI: AWS_PROFILE, AWS_REGION, `aws login`.
AWS_ENDPOINT_URL selects a local AWS, and AWS_ENDPOINT_URL_SQS or AWS_ENDPOINT_URL_DYNAMODB
another one for that service. For the stack of `make up` use: --stack local";

/// The arguments of this command line.
///
/// # Errors
/// What clap prints instead: an error of usage, the help or the version.
pub(crate) fn parse(
    arguments: impl IntoIterator<Item = std::ffi::OsString>,
) -> Result<Arguments, clap::Error> {
    let matches = command().try_get_matches_from(arguments)?;
    let mut arguments = Arguments::from_arg_matches(&matches)?;
    if arguments.places.stack.as_ref().is_some_and(|name| !name.is_empty()) {
        arguments.places.forget_variables(&matches);
    } else {
        arguments.places.stack = None;
    }
    Ok(arguments)
}

impl Places {
    /// Forgets places that come from variables: beside a stack, only options count. Otherwise a shell set up for one
    /// stack would mix its tables with the queues of another.
    fn forget_variables(&mut self, matches: &ArgMatches) {
        let single = [
            ("queue_url", &mut self.queue_url),
            ("dead_letters_url", &mut self.dead_letters_url),
            ("sales_team_url", &mut self.sales_team_url),
            ("streams_table", &mut self.streams_table),
            ("leads_table", &mut self.leads_table),
            ("legacy_url", &mut self.legacy_url),
        ];
        for (id, place) in single {
            if matches.value_source(id) == Some(ValueSource::EnvVariable) {
                *place = None;
            }
        }
    }
}

/// The command line. Every command accepts the connection options, and its help shows only those that it uses.
pub(crate) fn command() -> clap::Command {
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
        "check" | "completions" | "man" => &[],
        "send" => &["stack", "profiles", "queue_url"],
        "dead-letters" => &["stack", "profiles", "dead_letters_url", "queue_url"],
        "reset" | "go-live" | "parity" => {
            &["stack", "profiles", "streams_table", "leads_table", "legacy_url"]
        }
        "status" => &["stack", "profiles"],
        "resync" => &["stack", "profiles", "sales_team_url", "streams_table", "leads_table"],
        "console" => &["stack", "profiles", "streams_table", "leads_table", "dead_letters_url"],
        _ => &["stack", "profiles", "streams_table", "leads_table"],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use serde_json::Value;

    use super::command;

    /// Commands that print something else than an answer.
    const WITHOUT_JSON: [&str; 2] = ["completions", "man"];

    /// The words of each command, joined by hyphens.
    fn names() -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for command in command().get_subcommands() {
            let name = command.get_name().to_owned();
            if command.has_subcommands() {
                names.extend(command.get_subcommands().map(|one| format!("{name}-{}", one.get_name())));
            } else {
                names.insert(name);
            }
        }
        names
    }

    #[test]
    fn every_command_with_json_has_a_published_schema_and_every_schema_a_command() {
        let mut names = names();
        for name in WITHOUT_JSON {
            assert!(names.remove(name), "{name}");
        }
        // An export to a file is answered with a document of its own.
        names.insert("export-result".to_owned());
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/leads");
        let files =
            fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        let files: BTreeSet<String> = files.collect();
        assert_eq!(files, names.iter().map(|name| format!("{name}.schema.json")).collect());
        for file in files {
            let schema: Value =
                serde_json::from_str(&fs::read_to_string(folder.join(&file)).unwrap()).unwrap();
            assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{file}");
            assert_eq!(schema["$id"], format!("https://leadstream.example/leads/{file}"));
            jsonschema::draft202012::meta::validate(&schema).unwrap();
            jsonschema::draft202012::new(&schema).unwrap();
        }
    }
}
