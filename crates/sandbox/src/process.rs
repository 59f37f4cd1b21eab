//! A running process and its end.

use std::io::{PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitIdStatus, waitid};

use crate::bare::Furnishing;
use crate::cgroup::Cgroup;
use crate::child::Child;
use crate::residue::Residue;
use crate::sandbox::Host;
use crate::streams::Pipes;
use crate::{Capabilities, Error, ExecSpec, Network, Security, spawn, sys};

/// A process in its sandbox. Dropping it kills everything in the sandbox, unless it may outlive us.
#[derive(Debug)]
pub struct Process {
    task: Arc<Task>,
    pipes: Pipes,
    terms: Terms,
    leftovers: Mutex<Leftovers>,
    /// Commands run beside this one. The kernel does not let process 1 end before these are reaped.
    beside: Mutex<Vec<Weak<Task>>>,
}

/// What was agreed on when the process was started.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) host: Arc<Host>,
    pub(crate) security: Security,
    pub(crate) capabilities: Capabilities,
    pub(crate) network: Network,
    pub(crate) stop_signal: i32,
    pub(crate) outlive: bool,
}

/// What to clear away when the process has ended.
#[derive(Debug, Default)]
pub(crate) struct Leftovers {
    pub(crate) residue: Residue,
    pub(crate) cgroup: Option<Cgroup>,
    /// What was put into the root where nothing can be mounted.
    pub(crate) furnishing: Option<Furnishing>,
    pub(crate) out_of_memory: bool,
}

/// A process to be waited for, once, by whoever comes first.
#[derive(Debug)]
struct Task {
    pid: Pid,
    pidfd: OwnedFd,
    status: Mutex<Option<ExitStatus>>,
}

impl Process {
    pub(crate) fn new(child: Child, pipes: Pipes, terms: Terms, leftovers: Leftovers) -> Self {
        let task = Arc::new(Task { pid: child.pid, pidfd: child.pidfd, status: Mutex::new(None) });
        Self { task, pipes, terms, leftovers: Mutex::new(leftovers), beside: Mutex::default() }
    }

    /// Its process id, as this process sees it.
    pub fn pid(&self) -> u32 {
        self.task.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// The writing end of a piped standard input; `None` the second time.
    pub fn take_stdin(&mut self) -> Option<PipeWriter> {
        self.pipes.stdin.take()
    }

    /// The reading end of a piped standard output; `None` the second time.
    pub fn take_stdout(&mut self) -> Option<PipeReader> {
        self.pipes.stdout.take()
    }

    /// The reading end of a piped standard error; `None` the second time.
    pub fn take_stderr(&mut self) -> Option<PipeReader> {
        self.pipes.stderr.take()
    }

    /// The other end of the terminal that the process runs on; `None` without one, and the second time.
    /// Reading it fails with EIO once nobody inside has the terminal open any more.
    pub fn take_terminal(&mut self) -> Option<OwnedFd> {
        self.pipes.terminal.take()
    }

    /// Waits for the end and cleans up. May be called again, and from several threads.
    ///
    /// # Errors
    /// Fails when the kernel cannot say how it ended, or when what wharf made in the root for its
    /// sake cannot be removed.
    pub fn wait(&self) -> Result<ExitStatus, Error> {
        loop {
            if let Some(status) = self.wait_until(None)? {
                return Ok(status);
            }
        }
    }

    /// As [`wait`](Self::wait), for at most `timeout`; `None` when it still runs.
    ///
    /// # Errors
    /// As for [`wait`](Self::wait).
    pub fn wait_timeout(&self, timeout: Duration) -> Result<Option<ExitStatus>, Error> {
        self.wait_until(Instant::now().checked_add(timeout))
    }

    /// Sends `signal` to the process. SIGKILL takes everything in the sandbox with it; other signals
    /// reach a process 1 only if it handles them.
    ///
    /// # Errors
    /// Fails when there is no such signal; that the process has already ended is no error.
    pub fn kill(&self, signal: i32) -> Result<(), Error> {
        match sys::send_signal(self.pidfd(), signal) {
            Err(Errno::SRCH) => Ok(()),
            sent => sent.map_err(|errno| Error::Host {
                action: format!("sending signal {signal} to process {}", self.pid()),
                source: errno.into(),
            }),
        }
    }

    /// Sends the stop signal, and SIGKILL when the process is still there after `grace`.
    ///
    /// # Errors
    /// As for [`wait`](Self::wait).
    pub fn stop(&self, grace: Duration) -> Result<ExitStatus, Error> {
        self.kill(self.terms.stop_signal)?;
        if let Some(status) = self.wait_timeout(grace)? {
            return Ok(status);
        }
        self.kill(libc::SIGKILL)?;
        self.wait()
    }

    /// Whether the memory limit of the sandbox made the kernel kill something in it.
    pub fn out_of_memory(&self) -> bool {
        let leftovers = lock(&self.leftovers);
        leftovers.out_of_memory || leftovers.cgroup.as_ref().is_some_and(Cgroup::out_of_memory)
    }

    /// Runs a further command in the same namespaces and with the same restrictions. It ends with this
    /// process at the latest.
    ///
    /// # Errors
    /// As for [`Sandbox::spawn`](crate::Sandbox::spawn).
    pub fn exec(&self, spec: &ExecSpec) -> Result<Self, Error> {
        let process = {
            let leftovers = lock(&self.leftovers);
            spawn::exec(spec, self.pidfd(), leftovers.cgroup.as_ref(), &self.terms)?
        };
        lock(&self.beside).push(Arc::downgrade(&process.task));
        Ok(process)
    }

    /// Runs `work` on a thread that sees the network of the sandbox, and returns what it returns.
    ///
    /// # Errors
    /// Fails when the process has ended.
    pub fn in_network<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
        let joined = sys::on_own_thread(|| {
            match &self.terms.network {
                Network::Host => {}
                Network::Isolated => sys::join(self.pidfd(), libc::CLONE_NEWNET)?,
                Network::Of(network) => sys::join(network.descriptor(), libc::CLONE_NEWNET)?,
            }
            Ok(work())
        });
        joined.map_err(|errno: Errno| Error::Host {
            action: format!("entering the network of process {}", self.pid()),
            source: errno.into(),
        })
    }

    fn pidfd(&self) -> BorrowedFd<'_> {
        self.task.pidfd.as_fd()
    }

    fn wait_until(&self, deadline: Option<Instant>) -> Result<Option<ExitStatus>, Error> {
        loop {
            if let Some(status) = self.task.reap().map_err(|errno| self.lost(errno))? {
                self.clear_away()?;
                return Ok(Some(status));
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(None);
            }
            self.wait_for_news(left).map_err(|errno| self.lost(errno))?;
        }
    }

    /// Sleeps until this process or one beside it has ended, and reaps the ones beside it.
    fn wait_for_news(&self, at_most: Option<Duration>) -> Result<(), Errno> {
        /// While we sleep, another thread may start a command beside this one and never wait for it.
        const LOOK_AGAIN: Duration = Duration::from_secs(1);
        let beside: Vec<Arc<Task>> = {
            let mut beside = lock(&self.beside);
            beside.retain(|task| task.upgrade().is_some_and(|task| lock(&task.status).is_none()));
            beside.iter().filter_map(Weak::upgrade).collect()
        };
        let tasks = beside.iter().chain(std::iter::once(&self.task));
        let mut ends: Vec<PollFd<'_>> = tasks.map(|task| PollFd::new(&task.pidfd, PollFlags::IN)).collect();
        let timeout = at_most.map_or(LOOK_AGAIN, |left| left.min(LOOK_AGAIN));
        let timeout =
            Timespec { tv_sec: timeout.as_secs().cast_signed(), tv_nsec: timeout.subsec_nanos().into() };
        match poll(&mut ends, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        for task in beside {
            task.reap()?;
        }
        Ok(())
    }

    /// Everything in the sandbox has ended, so its layer and its control group are nobody's any more.
    fn clear_away(&self) -> Result<(), Error> {
        let mut leftovers = lock(&self.leftovers);
        if let Some(cgroup) = leftovers.cgroup.take() {
            leftovers.out_of_memory = cgroup.out_of_memory();
        }
        let removed = leftovers.furnishing.take().map_or(Ok(()), Furnishing::remove);
        std::mem::take(&mut leftovers.residue).remove().and(removed)
    }

    fn lost(&self, errno: Errno) -> Error {
        Error::Host { action: format!("waiting for process {}", self.pid()), source: errno.into() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.terms.outlive {
            // After an error here there is nobody left to tell, and nothing left to try.
            let _ = self.kill(libc::SIGKILL);
            let _ = self.wait();
        }
    }
}

impl Task {
    /// How it ended, if it has.
    fn reap(&self) -> Result<Option<ExitStatus>, Errno> {
        let mut status = lock(&self.status);
        if status.is_none() {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
            *status = waitid(WaitId::PidFd(self.pidfd.as_fd()), options)?.as_ref().map(exit_status);
        }
        Ok(*status)
    }
}

fn exit_status(status: &WaitIdStatus) -> ExitStatus {
    // In the form of wait(2): the code in the second byte, or the signal in the first.
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => ExitStatus::from_raw((code & 0xff) << 8),
        (None, signal) => ExitStatus::from_raw(signal.unwrap_or(libc::SIGKILL)),
    }
}

/// A thread that panicked while it held one of these locks left the value whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
