//! Forking a child and hearing from it until its command runs.

use std::io::{PipeReader, Read, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::report::{self, Failure, Report, Reporter, Trace};
use crate::sys::{self, Fork, SignalSet};
use crate::{Error, Step};

/// A child whose command runs.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) pid: Pid,
    pub(crate) pidfd: OwnedFd,
    pub(crate) traces: Vec<Trace>,
}

/// Why there is no child.
#[derive(Debug)]
pub(crate) enum NoChild {
    /// There never was one.
    Fork(Errno),
    /// It said what it could not do, after having done this.
    Failed(Failure, Vec<Trace>),
    /// It could not be heard.
    Pipe(std::io::Error),
}

impl From<std::io::Error> for NoChild {
    fn from(error: std::io::Error) -> Self {
        Self::Pipe(error)
    }
}

/// Forks a child in new namespaces. It runs `work`, which ends in exec, or in the failure that it
/// returns. `work` may neither allocate nor take a lock: other threads of this process do not exist in
/// the child, and may have held any.
pub(crate) fn start(namespaces: i32, work: impl FnOnce(Reporter<'_>) -> Failure) -> Result<Child, NoChild> {
    let (ours, its) = pipe()?;
    // No handler of this process may run in the child.
    let unblocked = SignalSet::full().block_exactly();
    // SAFETY: `work` keeps to what is allowed by its contract, and `run` neither returns nor unwinds.
    let forked = unsafe { sys::fork(namespaces) };
    if let Ok(Fork::Child) = forked {
        run(Reporter::new(its.as_fd()), work);
    }
    unblocked.block_exactly();
    drop(its);
    match forked {
        Ok(Fork::Parent(pid, pidfd)) => hear(ours, pid, pidfd),
        Ok(Fork::Child) => unreachable!("the child is in `run`"),
        Err(errno) => Err(NoChild::Fork(errno)),
    }
}

fn run(reporter: Reporter<'_>, work: impl FnOnce(Reporter<'_>) -> Failure) -> ! {
    /// Were `work` to panic, unwinding would go on as a second copy of the caller.
    struct NoUnwinding;
    impl Drop for NoUnwinding {
        fn drop(&mut self) {
            sys::exit_now(CHILD_FAILED);
        }
    }
    let _guard = NoUnwinding;
    let failure = work(reporter);
    reporter.failed(&failure);
    sys::exit_now(CHILD_FAILED)
}

/// Nobody sees this code: the failure is told by the pipe.
const CHILD_FAILED: i32 = 1;

fn hear(mut pipe: PipeReader, pid: Pid, pidfd: OwnedFd) -> Result<Child, NoChild> {
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes)?;
    let Report { traces, failure } = report::parse(&bytes);
    match failure {
        None => Ok(Child { pid, pidfd, traces }),
        Some(failure) => {
            waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED).map_err(std::io::Error::from)?;
            Err(NoChild::Failed(failure, traces))
        }
    }
}

impl NoChild {
    /// What the child had done to the root file system by then.
    pub(crate) fn take_traces(&mut self) -> Vec<Trace> {
        match self {
            Self::Failed(_, traces) => std::mem::take(traces),
            _ => Vec::new(),
        }
    }

    /// The error for a command; `subject` knows what a failed step was about.
    pub(crate) fn explain(self, command: &str, subject: impl FnOnce(&Failure) -> Option<PathBuf>) -> Error {
        match self {
            Self::Fork(errno) => {
                Error::Setup { step: Step::Fork, subject: None, kernel_says: None, source: errno.into() }
            }
            Self::Pipe(source) => {
                Error::Host { action: "hearing from the child that makes the sandbox".to_owned(), source }
            }
            Self::Failed(failure, _) if failure.step == Step::Exec => {
                Error::Exec { command: command.to_owned(), source: failure.errno.into() }
            }
            Self::Failed(failure, _) => Error::Setup {
                step: failure.step,
                subject: subject(&failure),
                kernel_says: failure.log.text(),
                source: failure.errno.into(),
            },
        }
    }
}
