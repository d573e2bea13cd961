//! Measures a binary: directly for time and memory, and under Valgrind's callgrind for instructions and syscalls. These
//! counts are the same on every machine that runs the same code, and differ hardly from run to run.
//!
//! A process runs under callgrind until its k-th `/next` and is then ended by a signal, at which callgrind writes its
//! sum. The cost of an event is the difference between two such runs.

use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use crate::aws::{Aws, Certificates, Line, Mark, Traffic};
use crate::figures::{Figures, Phase, Phases, Spread, Used};
use crate::life::{Life, Subject};

/// The number of events after the first one over which a warm event is averaged.
const WARM: u64 = 4;

/// The number of further runs that may replace counts in which a request was repeated.
const ATTEMPTS: usize = 5;

/// The tools and settings of the measurement.
pub(crate) struct Bench {
    pub(crate) certificates: Certificates,
    pub(crate) callgrind: Callgrind,
    /// The folder for files of this run.
    pub(crate) folder: PathBuf,
    /// The number of runs per binary that measure time.
    pub(crate) runs: usize,
    /// The number of runs per binary and point under callgrind.
    pub(crate) counts: usize,
}

impl Bench {
    /// Measures all figures of a binary.
    pub(crate) async fn figures(&self, subject: &Subject) -> Result<Figures, Box<dyn Error>> {
        let mut lines = Vec::new();
        for line in [Line::Plain, Line::Tls] {
            lines.push((line, self.phases(subject, line).await?));
        }
        Ok(Figures { name: subject.name, size: fs::metadata(&subject.path)?.len(), lines })
    }

    async fn phases(&self, subject: &Subject, line: Line) -> Result<Phases, Box<dyn Error>> {
        let (mut starts, mut firsts, mut warms, mut memory) = (vec![], vec![], vec![], vec![]);
        let (mut start, mut first, mut warm) = (Traffic::default(), Traffic::default(), Traffic::default());
        for _ in 0..self.runs {
            let aws = self.aws(subject, line).await?;
            let mut mark = Mark::default();
            let mut process = Life::begin(subject, &[], &aws).await?;
            starts.push(process.started().await?);
            process.idle().await?;
            memory.push(process.memory()?);
            start = aws.traffic_since(&mut mark);
            firsts.push(process.event().await?);
            first = aws.traffic_since(&mut mark);
            for _ in 0..WARM {
                warms.push(process.event().await?);
                warm = aws.traffic_since(&mut mark);
            }
            process.end().await?;
        }

        let mut expected = start.operations.len();
        let to_first = self.used(subject, line, 0, expected).await?;
        expected += first.operations.len();
        let to_second = self.used(subject, line, 1, expected).await?;
        let events = usize::try_from(WARM)?;
        let to_last = self.used(subject, line, 1 + WARM, expected + events * warm.operations.len()).await?;
        Ok(Phases {
            start: Phase::new(starts, to_first.median, to_first.doubt(), start),
            first: Phase::new(
                firsts,
                to_second.median.since(to_first.median),
                to_second.doubt() + to_first.doubt(),
                first,
            ),
            warm: Phase::new(
                warms,
                to_last.median.since(to_second.median).per(WARM),
                (to_last.doubt() + to_second.doubt()) / WARM,
                warm,
            ),
            memory: Spread::of(memory),
        })
    }

    /// The use of a binary until it waits for an event after `events` others. A run with another number of requests
    /// than `requests` is not counted: callgrind made the binary so slow that it repeated a request after a time-out.
    async fn used(
        &self,
        subject: &Subject,
        line: Line,
        events: u64,
        requests: usize,
    ) -> Result<Spread<Used>, Box<dyn Error>> {
        let mut counted = Vec::new();
        for _ in 0..self.counts + ATTEMPTS {
            let aws = self.aws(subject, line).await?;
            let mut process = Life::begin(subject, &self.callgrind.command_prefix(), &aws).await?;
            process.started().await?;
            for _ in 0..events {
                process.event().await?;
            }
            process.idle().await?;
            process.end().await?;
            if aws.traffic_since(&mut Mark::default()).operations.len() == requests {
                counted.push(self.callgrind.used()?);
            }
            if counted.len() == self.counts {
                return Ok(Spread::of(counted));
            }
        }
        Err(format!("{} keeps repeating requests under callgrind: this machine is too busy", subject.name)
            .into())
    }

    async fn aws(&self, subject: &Subject, line: Line) -> Result<Aws, Box<dyn Error>> {
        let trusted = self.folder.join("trusted.pem");
        let Certificates { root, machine, .. } = &self.certificates;
        fs::write(&trusted, if subject.has_roots { root } else { machine })?;
        Aws::start(line, &self.certificates, &trusted).await
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
