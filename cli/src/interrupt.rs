use std::future::pending;

/// Ready once Ctrl-C was pressed.
pub(crate) async fn interrupted() {
    // Without a handler Ctrl-C ends the process, as it does anyway.
    if tokio::signal::ctrl_c().await.is_err() {
        pending::<()>().await;
    }
}
