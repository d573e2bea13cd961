//! The real functions, deployed by the real template on a local AWS. `make test-local` starts one and ends it.
#![expect(clippy::unwrap_used, reason = "test code")]

mod after;
mod alone;
mod audit;
mod bad_input;
mod held;
mod logs;
mod receipts;
mod redrive;
mod repeats;
mod scenarios;
mod strict;
mod sweeper;
mod takeover;

use tests::Stack;

/// Runs a test on the stack that the environment names.
fn on_the_stack(test: impl AsyncFnOnce(Stack)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stack = Stack::from_env().await.unwrap_or_else(|error| panic!("{error}"));
        test(stack).await;
    });
}
