//! Supervision of tasks: a task that must run as long as the process ends it when it ends; other panics are caught.

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;

use anyhow::anyhow;
use futures::FutureExt as _;
use tokio::sync::mpsc;

/// Starts tasks that must run as long as the process.
#[derive(Clone, Debug)]
pub(super) struct Tasks {
    ends: mpsc::UnboundedSender<anyhow::Error>,
}

/// Receives the first end of such a task.
#[derive(Debug)]
pub(super) struct Supervisor {
    ends: mpsc::UnboundedReceiver<anyhow::Error>,
}

/// A starter of tasks and the supervisor that hears of their ends.
pub(super) fn supervised() -> (Tasks, Supervisor) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Tasks { ends: sender }, Supervisor { ends: receiver })
}

impl Tasks {
    /// Starts a task. If it returns, fails or panics, the supervisor receives an error that names it.
    pub(super) fn spawn<F>(&self, name: impl Into<String>, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let (tasks, name) = (self.clone(), name.into());
        tokio::spawn(async move {
            tasks.fail(match catch(task).await {
                Ok(Ok(())) => anyhow!("{name} ended, although it should run as long as the process"),
                Ok(Err(error)) => error.context(format!("{name} failed")),
                Err(panic) => anyhow!("{name} panicked: {panic}"),
            });
        });
    }

    /// Ends the process with an error.
    pub(super) fn fail(&self, error: anyhow::Error) {
        // Without a supervisor the process is ending already.
        let _ = self.ends.send(error);
    }
}

impl Supervisor {
    /// Waits for the first end of a task; says which task it was and why it ended.
    pub(super) async fn first_end(&mut self) -> anyhow::Error {
        // Without a sender no task is left, which no caller brings about: the context holds one.
        self.ends.recv().await.unwrap_or_else(|| anyhow!("no task is left"))
    }
}

/// A panic that was caught.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Panic(String);

impl Panic {
    fn of(payload: &(dyn Any + Send)) -> Panic {
        let text = payload.downcast_ref::<&str>().map(ToString::to_string);
        Panic(text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned()))
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Runs a future and catches its panic. What a panic leaves behind half changed is the affair of its owner: the fleet's lock
/// ends the process, and leaf locks are never left so.
pub(super) async fn catch<F: Future>(future: F) -> Result<F::Output, Panic> {
    AssertUnwindSafe(future).catch_unwind().await.map_err(|payload| Panic::of(&*payload))
}

#[cfg(test)]
mod tests {
    use super::super::testing::first_end;
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_in_whatever_way_is_named() {
        let (tasks, mut supervisor) = supervised();
        tasks.spawn("the watch", async { Ok(()) });
        assert!(first_end(&mut supervisor).await.starts_with("the watch ended"));
        tasks.spawn("the server", async { Err(anyhow!("address in use")) });
        assert_eq!(first_end(&mut supervisor).await, "the server failed: address in use");
        tasks.spawn("the clock", async { panic!("at {}", 12) });
        assert_eq!(first_end(&mut supervisor).await, "the clock panicked: at 12");
    }

    #[tokio::test]
    async fn a_caught_panic_has_its_message() {
        assert_eq!(catch(async { 7 }).await, Ok(7));
        let panic = catch(async { panic!("a literal") }).await;
        assert_eq!(panic, Err::<(), _>(Panic("a literal".to_owned())));
        let panic = catch(async { std::panic::panic_any(7) }).await;
        assert_eq!(panic, Err::<(), _>(Panic("no message".to_owned())));
    }
}
