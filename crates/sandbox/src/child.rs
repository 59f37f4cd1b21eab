//! Forking a child and hearing from it until its command runs.

use std::ffi::c_void;
use std::io::{PipeReader, Read, pipe};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::report::{self, Failure, Report, Reporter, Trace};
use crate::sys::{self, Memory, SignalSet, Stack};
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
    Failed(Box<Failure>, Vec<Trace>),
    /// It could not be heard.
    Pipe(std::io::Error),
}

impl From<std::io::Error> for NoChild {
    fn from(error: std::io::Error) -> Self {
        Self::Pipe(error)
    }
}

/// Starts a child in new namespaces. It runs `work`, which ends in exec, or in the failure that it
/// returns.
///
/// `work` may neither allocate nor take a lock, since with copied memory other threads, which may hold
/// any, do not exist in the child. With shared memory what it writes is written for the parent, too, but
/// descriptors are each process's own: one that it opens must not end up in a value that the parent drops.
pub(crate) fn start<F>(namespaces: i32, memory: Memory, work: F) -> Result<Child, NoChild>
where
    F: FnOnce(Reporter<'_>) -> Failure,
{
    let (ours, its) = pipe()?;
    let stack = Stack::new().map_err(NoChild::Fork)?;
    let mut start = Start { work: Some(work), pipe: its.as_fd() };
    // No handler of this process may run in the child. Nor may one run in this thread, which has to
    // keep still while it waits: it shares with the child where the C library puts error numbers.
    let unblocked = SignalSet::full().block_exactly();
    // SAFETY: `enter::<F>` expects a `Start<F>`, and neither returns nor unwinds. It and the stack live
    // until `hear` has seen the pipe close, which the kernel does after exec has left this memory.
    let cloned = unsafe { sys::clone(namespaces, memory, &stack, enter::<F>, (&raw mut start).cast()) };
    drop(its);
    let heard = cloned.map_err(NoChild::Fork).and_then(|(pid, pidfd)| hear(ours, pid, pidfd));
    unblocked.block_exactly();
    heard
}

struct Start<'a, F> {
    work: Option<F>,
    pipe: BorrowedFd<'a>,
}

extern "C" fn enter<F: FnOnce(Reporter<'_>) -> Failure>(start: *mut c_void) -> i32 {
    // SAFETY: `start` is the one that the parent put on its stack for this child alone.
    let start = unsafe { &mut *start.cast::<Start<'_, F>>() };
    match start.work.take() {
        Some(work) => run(Reporter::new(start.pipe), work),
        None => CHILD_FAILED,
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
            Err(NoChild::Failed(Box::new(failure), traces))
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
