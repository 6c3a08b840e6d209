//! Threads that the process cannot go on without.

use std::any::Any;
use std::convert::Infallible;
use std::io;
use std::thread::{Builder, JoinHandle};

use anyhow::{Context as _, anyhow};
use tokio::sync::oneshot;

/// A thread whose end is noticed, in whatever way it ends: it returns, it fails, or it panics.
pub struct SupervisedThread {
    name: String,
    handle: Option<JoinHandle<anyhow::Result<()>>>,
    /// Nothing is ever sent: the thread holds the other end, and drops it when it ends.
    ended: oneshot::Receiver<Infallible>,
}

impl SupervisedThread {
    /// Starts a thread of this name.
    pub fn spawn(
        name: impl Into<String>,
        work: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
    ) -> io::Result<SupervisedThread> {
        let name = name.into();
        let (running, ended) = oneshot::channel();
        let handle = Builder::new().name(name.clone()).spawn(move || {
            // Dropped also when `work` panics.
            let _running = running;
            work()
        })?;
        Ok(SupervisedThread { name, handle: Some(handle), ended })
    }

    /// Waits for the end of the thread; its result, which is an error if it panicked.
    pub async fn ended(&mut self) -> anyhow::Result<()> {
        if self.handle.is_some() {
            let _ = (&mut self.ended).await;
        }
        self.result()
    }

    /// Waits for the end of a thread that should not end; why it did.
    pub async fn failure(&mut self) -> anyhow::Error {
        match self.ended().await {
            Ok(()) => anyhow!("the thread {} ended, and the process cannot go on without it", self.name),
            Err(error) => error,
        }
    }

    /// Blocks until the thread has ended; its result, as [`SupervisedThread::ended`] gives it.
    pub fn join(mut self) -> anyhow::Result<()> {
        self.result()
    }

    /// The result, which can be had once.
    fn result(&mut self) -> anyhow::Result<()> {
        let Some(handle) = self.handle.take() else { return Ok(()) };
        match handle.join() {
            Ok(result) => result.with_context(|| format!("the thread {} failed", self.name)),
            Err(panic) => Err(anyhow!("the thread {} panicked: {}", self.name, message_of(&*panic))),
        }
    }
}

fn message_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_thread_that_ends_in_whatever_way_is_noticed_and_named() {
        let mut returns = SupervisedThread::spawn("returns", || Ok(())).unwrap();
        let mut fails = SupervisedThread::spawn("fails", || Err(anyhow!("no socket"))).unwrap();
        let mut panics = SupervisedThread::spawn("panics", || panic!("at {}", 7)).unwrap();
        let said = [returns.failure().await, fails.failure().await, panics.failure().await];
        assert_eq!(
            said.map(|error| format!("{error:#}")),
            [
                "the thread returns ended, and the process cannot go on without it",
                "the thread fails failed: no socket",
                "the thread panics panicked: at 7"
            ]
        );
        assert!(panics.ended().await.is_ok(), "the result can be had once");
    }

    #[tokio::test]
    async fn a_thread_that_goes_on_is_waited_for() {
        let (go, stop) = std::sync::mpsc::channel::<()>();
        let mut thread = SupervisedThread::spawn("goes-on", move || Ok(stop.recv()?)).unwrap();
        let soon = std::time::Duration::from_millis(50);
        assert!(tokio::time::timeout(soon, thread.ended()).await.is_err());
        go.send(()).unwrap();
        assert!(thread.join().is_ok());
    }
}
