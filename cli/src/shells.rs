//! `leads completions` and `leads man`: what shells and `man` know of this command, made from its own options.

use std::io::Write;
use std::path::Path;

use clap_complete::Shell;

use crate::args::command;
use crate::output::Output;
use crate::{Exit, Failure};

/// Prints the completions of a shell.
pub(crate) fn completions<O: Write, E: Write>(
    shell: Shell,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "leads", &mut script);
    output.line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Good)
}

/// Writes the man pages into a folder.
pub(crate) fn man(folder: &Path) -> Result<Exit, Failure> {
    let written = clap_mangen::generate_to(command(), folder);
    written.map_err(|source| Failure::WriteFile { file: folder.display().to_string(), source })?;
    Ok(Exit::Good)
}
