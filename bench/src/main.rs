//! `bench`: what an event costs, ours beside the peers.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "What an event costs, counted")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Prints the corpus, made anew.
    Corpus,
    /// Prints our own figures, for bench/baseline.json.
    Baseline,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    match Arguments::parse().what {
        What::Corpus => print!("{}", bench::corpus::make()),
        What::Baseline => print!("{}", bench::baseline::written(&bench::baseline::measure().await)),
    }
}
