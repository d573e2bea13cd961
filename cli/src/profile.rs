//! Profiles: a file that names stacks, so that `--stack prod` also finds region, account and AWS profile.

use std::path::Path;
use std::{fs, io};

use toml::{Table, Value};

use crate::Failure;
use crate::config::Target;

/// A named stack.
///
/// ```toml
/// [prod]
/// stack = "leadstream-prod"
/// region = "eu-central-1"
/// account = "123456789012"   # any other account is refused
/// profile = "cars-prod"      # of the AWS CLI
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    /// The name of the stack.
    pub(crate) stack: String,
    /// The only account that is accepted.
    pub(crate) account: Option<String>,
    /// The AWS to connect to.
    pub(crate) target: Target,
}

/// The profile of this name in the file, or one that only names the stack. A missing file has no profiles.
pub(crate) fn find(name: &str, file: Option<&Path>) -> Result<Profile, Failure> {
    let unnamed = Profile { stack: name.to_owned(), account: None, target: Target::default() };
    let Some(file) = file else { return Ok(unnamed) };
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(unnamed),
        Err(source) => return Err(Failure::Read { file: file.display().to_string(), source }),
    };
    let wrong = |rule: String| Failure::BadProfile { file: file.display().to_string(), rule };
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default();
        wrong(format!("line {}: {}", before.matches('\n').count() + 1, error.message()))
    })?;
    match table.get(name) {
        None => Ok(unnamed),
        Some(Value::Table(fields)) => read(name, fields).map_err(wrong),
        Some(_) => Err(wrong(format!("`{name}` must be a table: [{name}]"))),
    }
}

fn read(name: &str, fields: &Table) -> Result<Profile, String> {
    let mut profile = Profile { stack: name.to_owned(), account: None, target: Target::default() };
    for (key, value) in fields {
        let Value::String(text) = value else {
            return Err(format!("`{key}` of [{name}] must be a string"));
        };
        let text = text.clone();
        match key.as_str() {
            "stack" => profile.stack = text,
            "account" => profile.account = Some(text),
            "region" => profile.target.region = Some(text),
            "profile" => profile.target.profile = Some(text),
            "endpoint" => profile.target.endpoint = Some(text),
            _ => {
                return Err(format!(
                    "[{name}] has an unknown key `{key}`: use stack, region, account, profile or endpoint"
                ));
            }
        }
    }
    Ok(profile)
}
