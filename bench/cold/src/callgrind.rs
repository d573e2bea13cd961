//! Counts instructions and syscalls with Valgrind's callgrind. The counts are the same on every machine that runs the
//! same code, and differ hardly from run to run.
//!
//! A process runs under callgrind until its k-th `/next` and is then ended by a signal, at which callgrind writes its
//! sum. The cost of an event is the difference between two such runs.

use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

/// The instructions and syscalls that a process has used when it waits for an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Used {
    pub(crate) instructions: u64,
    pub(crate) syscalls: u64,
}

impl Used {
    /// The use since an earlier moment.
    pub(crate) const fn since(self, earlier: Self) -> Self {
        Self {
            instructions: self.instructions.saturating_sub(earlier.instructions),
            syscalls: self.syscalls.saturating_sub(earlier.syscalls),
        }
    }

    /// The average of `many` events.
    pub(crate) const fn per(self, many: u64) -> Self {
        Self { instructions: self.instructions / many, syscalls: self.syscalls / many }
    }
}

/// The Valgrind installed on this machine.
#[derive(Debug)]
pub(crate) struct Callgrind {
    totals: PathBuf,
    log: PathBuf,
    /// The version, as in `valgrind-3.19.0`.
    pub(crate) version: String,
}

impl Callgrind {
    /// Finds Valgrind. Its output files go into this folder.
    pub(crate) fn find(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let missing =
            "valgrind is needed to count instructions but is not installed: install the package `valgrind`";
        let output = Command::new("valgrind").arg("--version").output();
        let output = output.map_err(|error| {
            let is_missing = error.kind() == io::ErrorKind::NotFound;
            if is_missing { missing.into() } else { Box::<dyn Error>::from(error) }
        })?;
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Ok(Self { totals: folder.join("callgrind.out"), log: folder.join("valgrind.log"), version })
    }

    /// The command that precedes the path of a binary to run it under callgrind.
    pub(crate) fn command_prefix(&self) -> Vec<OsString> {
        let file = |option: &str, path: &Path| {
            let mut word = OsString::from(option);
            word.push(path);
            word
        };
        vec![
            "valgrind".into(),
            "--tool=callgrind".into(),
            "--trace-syscalls=yes".into(),
            file("--log-file=", &self.log),
            file("--callgrind-out-file=", &self.totals),
        ]
    }

    /// The use of the process that ran under callgrind. The process must have ended.
    pub(crate) fn used(&self) -> Result<Used, Box<dyn Error>> {
        let instructions = total(&fs::read_to_string(&self.totals)?).ok_or("callgrind wrote no sum")?;
        let syscalls = syscalls(&String::from_utf8_lossy(&fs::read(&self.log)?));
        Ok(Used { instructions, syscalls })
    }
}

/// The sum in callgrind's file, which has one line `totals:` for each dumped part.
///
/// Source: Valgrind manual, "Callgrind Format Specification".
fn total(text: &str) -> Option<u64> {
    let totals = text.lines().filter_map(|line| line.strip_prefix("totals:")?.trim().parse::<u64>().ok());
    totals.reduce(|sum, part| sum + part)
}

/// The number of syscalls in a log of `--trace-syscalls=yes`. Each begins as in
/// `SYSCALL[123,1](0) sys_read ( 4 ) --> [async]`. A call that may wait has a second entry when it returns, as in
/// `SYSCALL[123,1](0) ... [async] --> Success(0x4)`. Reading the clock is left out, because without Valgrind a process
/// does that without the kernel.
fn syscalls(log: &str) -> u64 {
    let count = |what: &str| log.matches(what).count();
    let others = count(") ... [async] -->") + count(") sys_clock_gettime");
    u64::try_from(count("SYSCALL[").saturating_sub(others)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{syscalls, total};

    #[test]
    fn the_sum_is_that_of_all_parts() {
        let text = "events: Ir\nsummary: 12\n\nfn=(1)\n5 7\ntotals: 12\n";
        assert_eq!(total(text), Some(12));
        assert_eq!(total(&format!("{text}part: 2\ntotals: 30\n")), Some(42));
    }

    #[test]
    fn a_file_that_was_not_finished_has_no_sum() {
        assert_eq!(total("events: Ir\nfn=(1)\n5 7\n"), None);
    }

    #[test]
    fn a_syscall_counts_once_and_a_look_at_the_clock_not_at_all() {
        let log = "==7== Command: ./recorder\n\
            SYSCALL[7,1](257) sys_openat ( 3, 0x1(/lib/libc.so.6), 524288 ) --> [async] ... \n\
            SYSCALL[7,1](257) ... [async] --> Success(0x3) \n\
            SYSCALL[7,1](228) sys_clock_gettime( 1, 0x1 )[sync] --> Success(0x0) \n\
            SYSCALL[7,1](3) sys_close ( 4 )[sync] --> Success(0x0) \n";
        assert_eq!(syscalls(log), 2);
    }
}
