//! Standard streams: what the child reads and writes, and what the caller has of it.

use std::fs::OpenOptions;
use std::io::{PipeReader, PipeWriter, pipe};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use crate::{Error, Stdio};

/// The ends of the pipes that stay with the caller.
#[derive(Debug, Default)]
pub(crate) struct Pipes {
    pub(crate) stdin: Option<PipeWriter>,
    pub(crate) stdout: Option<PipeReader>,
    pub(crate) stderr: Option<PipeReader>,
    pub(crate) terminal: Option<OwnedFd>,
}

/// The child's end of a standard stream.
#[derive(Debug)]
pub(crate) enum Stream {
    /// Keep the caller's stream of this number.
    Inherited(BorrowedFd<'static>),
    Owned(OwnedFd),
    /// Given to the user of the command, who may open it anew by way of `/dev/stdout`.
    Pipe(OwnedFd),
    Shared(Arc<OwnedFd>),
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Inherited(fd) => *fd,
            Self::Owned(fd) | Self::Pipe(fd) => fd.as_fd(),
            Self::Shared(fd) => fd.as_fd(),
        }
    }
}

/// Opens the child's ends of all three, and the caller's ends of those that are pipes.
pub(crate) fn open([stdin, stdout, stderr]: [&Stdio; 3]) -> Result<([Stream; 3], Pipes), Error> {
    let mut pipes = Pipes::default();
    let stdin = match stdin {
        Stdio::Piped => {
            let (read, write) = new_pipe()?;
            pipes.stdin = Some(write);
            Stream::Pipe(read.into())
        }
        other => stream(other, rustix::stdio::stdin())?,
    };
    let output = |stdio: &Stdio, inherited, ours: &mut Option<PipeReader>| match stdio {
        Stdio::Piped => {
            let (read, write) = new_pipe()?;
            *ours = Some(read);
            Ok(Stream::Pipe(write.into()))
        }
        other => stream(other, inherited),
    };
    let stdout = output(stdout, rustix::stdio::stdout(), &mut pipes.stdout)?;
    let stderr = output(stderr, rustix::stdio::stderr(), &mut pipes.stderr)?;
    Ok(([stdin, stdout, stderr], pipes))
}

fn stream(stdio: &Stdio, inherited: BorrowedFd<'static>) -> Result<Stream, Error> {
    match stdio {
        Stdio::Inherit => Ok(Stream::Inherited(inherited)),
        Stdio::File(file) => Ok(Stream::Shared(Arc::clone(file))),
        Stdio::Null | Stdio::Piped => {
            let null = OpenOptions::new().read(true).write(true).open("/dev/null");
            let failed = |source| Error::Path { path: "/dev/null".into(), source };
            Ok(Stream::Owned(null.map_err(failed)?.into()))
        }
    }
}

fn new_pipe() -> Result<(PipeReader, PipeWriter), Error> {
    pipe().map_err(|source| Error::Host { action: "making a pipe for a standard stream".to_owned(), source })
}
