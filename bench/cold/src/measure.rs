//! Measures a binary: directly for time and memory, and under callgrind for instructions and syscalls.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use crate::aws::{Aws, Line, Mark, Traffic};
use crate::callgrind::{Callgrind, Used};
use crate::figures::{Figures, Phase, Phases};
use crate::life::{Life, Subject};
use crate::spread::Spread;
use crate::tls::Certificates;

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
