//! A process that begins anew: what it knows may no longer be so, and is learnt at a start. The program is executed again in the same
//! process, so that nobody waits until it is started again: a kubelet does so ever later.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::Context as _;

/// Why a process begins anew: an end that is no fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Anew(pub(super) String);

impl fmt::Display for Anew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Anew {}

/// Executes the program again if that is how it ended; otherwise its end stays as it is.
pub(super) fn or_end(end: anyhow::Result<()>) -> anyhow::Result<()> {
    let Some(why) = end.as_ref().err().and_then(|error| error.downcast_ref::<Anew>()) else { return end };
    tracing::warn!("{why}: this process begins anew");
    match execute() {
        Ok(never) => match never {},
        Err(error) => Err(error).with_context(|| format!("{why}; the program could not be executed again")),
    }
}

/// Files and sockets are closed by that, and nothing that was written is waited for: the end has done so.
fn execute() -> io::Result<Infallible> {
    let mut words = std::env::args_os();
    let mut command = Command::new(std::env::current_exe()?);
    if let Some(name) = words.next() {
        command.arg0(name);
    }
    Err(command.args(words).exec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_for_another_reason_stays_one() {
        assert!(or_end(Ok(())).is_ok());
        let error = or_end(Err(anyhow::anyhow!("the disk is full"))).unwrap_err();
        assert_eq!(error.to_string(), "the disk is full");
        // The supervisor says which task it was.
        let named = anyhow::Error::new(Anew("free again".to_owned())).context("the watch failed");
        assert!(named.is::<Anew>());
    }
}
