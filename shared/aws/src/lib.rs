//! How a function reaches AWS. Lambda gives region and credentials in the environment, so no credential chain is built
//! in: it would be a quarter of the binary and is never used.

mod clients;
mod settings;

pub use clients::{Access, deadline_of};
pub use settings::{BadSetting, Settings};
