//! Commands on many buyers: selecting them (named, from a file, a sample, or all) and working on each, a few at a time.

mod each;
mod list;
mod scan;

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use domain::BuyerId;
pub(crate) use each::{Ended, GAVE_UP, each};
pub use list::{BadLine, Listed, listed};
pub use scan::sample;
use scan::scan;

use crate::output::{Output, count};
use crate::progress::Progress;
use crate::{Failure, Tables};

/// A selection of buyers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Which {
    /// The buyers named on the command line.
    Named(Vec<BuyerId>),
    /// The buyers listed in this file.
    File(PathBuf),
    /// A reproducible sample of this size.
    Sample(u64),
    /// Every buyer that has a stream.
    All,
}

impl Which {
    /// Whether the operator named each buyer.
    pub(crate) const fn names_each(&self) -> bool {
        match self {
            Self::Named(_) | Self::File(_) => true,
            Self::Sample(_) | Self::All => false,
        }
    }

    /// The named buyers without repeats; `None` if they have to be found by a scan. A file is read here, so that its
    /// faults are reported before anything else happens.
    pub(crate) fn listed(&self) -> Result<Option<Listed>, Failure> {
        let listed = match self {
            Self::Named(buyers) => Listed::of(buyers.iter().cloned()),
            Self::File(path) => {
                let file = path.display().to_string();
                let text = fs::read(path).map_err(|source| Failure::Read { file: file.clone(), source })?;
                listed(&text).map_err(|lines| Failure::Buyers { file: file.clone(), lines })?
            }
            Self::Sample(_) | Self::All => return Ok(None),
        };
        if listed.buyers.is_empty() {
            return Err(Failure::Usage("the file contains no buyer's id".to_owned()));
        }
        Ok(Some(listed))
    }

    /// The selected buyers: those listed, or those found by a scan of the streams table. `None` if interrupted.
    pub(crate) async fn resolve<O: Write, E: Write>(
        &self,
        listed: Option<Listed>,
        rate: u32,
        tables: &Tables,
        interrupted: &mut (impl Future<Output = ()> + Unpin),
        output: &mut Output<'_, O, E>,
    ) -> Result<Option<Vec<BuyerId>>, Failure> {
        if let Some(Listed { buyers, blank, repeated }) = listed {
            if blank + repeated > 0 {
                let (blank, repeated) = (count(blank, "blank line"), count(repeated, "repeat"));
                let buyers = count(buyers.len() as u64, "buyer");
                output.aside(&format!("{buyers}; {blank} and {repeated} skipped."))?;
            }
            return Ok(Some(buyers));
        }
        output.aside(&format!(
            "Reading the keys of the whole streams table to find every buyer, at most {rate} read units per second."
        ))?;
        let progress = Progress::counting("commits read");
        let found = scan(tables, rate, interrupted, &progress).await;
        progress.end();
        let Some(all) = found? else { return Ok(None) };
        Ok(Some(match self {
            Self::Sample(size) => sample(all, *size),
            Self::Named(_) | Self::File(_) | Self::All => all.into_iter().collect(),
        }))
    }
}
