//! The signal that ends the process.

/// Waits for SIGTERM or SIGINT. SIGTERM is caught from this call on, not only once the future is polled.
pub fn shutdown_signal() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let term = signal(SignalKind::terminate());
    async move {
        let Ok(mut term) = term else { return std::future::pending().await };
        tokio::select! {
            _ = term.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    }
}
