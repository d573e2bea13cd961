//! Runs the `leads` command on this process's arguments, output streams and AWS environment.

use std::io::{self, BufWriter};
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    cli::run(std::env::args_os(), &mut out, &mut io::stderr()).await.into()
}
