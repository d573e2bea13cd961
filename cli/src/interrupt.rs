use std::future::pending;

/// Completes once Ctrl-C was pressed.
pub(crate) async fn interrupted() {
    // If no handler can be installed, Ctrl-C ends the process by default.
    if tokio::signal::ctrl_c().await.is_err() {
        pending::<()>().await;
    }
}
