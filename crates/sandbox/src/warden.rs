//! The warden: a small process that outlives a killed wharf just long enough to kill its sandboxes.
//!
//! Each child introduces itself before it does anything else, by sending a descriptor of its own process
//! over a socket. The other end of that socket is closed when wharf is gone, however it went, and every
//! child that was still on its way has either introduced itself or died; then the warden kills all it
//! knows. The parent-death signal of prctl(2) would not do: it follows the thread that forked, and is
//! forgotten when a process changes its user.

use std::io;
use std::io::IoSliceMut;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown, SocketFlags, SocketType, recvmsg, sendmsg, shutdown,
    socketpair,
};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, getpid, pidfd_open, pidfd_send_signal, setsid, waitpid,
};

use crate::sys::{self, SignalSet};

/// This process's end of the socket. Dropping it ends the warden and whatever it watches.
#[derive(Debug)]
pub(crate) struct Warden {
    socket: OwnedFd,
    pid: Pid,
}

impl Warden {
    /// Forks the warden; `prepare` runs in it first. This process must have a single thread.
    pub(crate) fn start(prepare: impl FnOnce() -> Result<(), Errno>) -> io::Result<Self> {
        let (ours, its) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        // SAFETY: there is no other thread that could hold a lock, and the child never returns.
        match unsafe { libc::fork() } {
            0 => {
                drop(ours);
                let prepared = prepare();
                report(&its, prepared);
                if prepared.is_ok() {
                    watch(its);
                }
                sys::exit_now(0)
            }
            pid => {
                let pid = Pid::from_raw(pid).ok_or_else(io::Error::last_os_error)?;
                drop(its);
                let warden = Self { socket: ours, pid };
                warden.await_report()?;
                Ok(warden)
            }
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Puts the calling process under watch. Called in a child, before exec.
    pub(crate) fn register(&self) -> Result<(), Errno> {
        let me = pidfd_open(getpid(), PidfdFlags::empty())?;
        let me = [me.as_fd()];
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&me));
        sendmsg(&self.socket, &[io::IoSlice::new(b"+")], &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    fn await_report(&self) -> io::Result<()> {
        let mut answer = [0; 4];
        let received = rustix::io::retry_on_intr(|| rustix::io::read(&self.socket, &mut answer))?;
        match i32::from_ne_bytes(answer) {
            _ if received < answer.len() => Err(io::ErrorKind::UnexpectedEof.into()),
            0 => Ok(()),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        // Closing alone would not do while a child that is on its way has the socket, too.
        let _ = shutdown(&self.socket, Shutdown::Both);
        let _ = waitpid(Some(self.pid), WaitOptions::empty());
    }
}

fn report(socket: &OwnedFd, prepared: Result<(), Errno>) {
    let errno = prepared.err().map_or(0, Errno::raw_os_error);
    let _ = rustix::io::write(socket, &errno.to_ne_bytes());
}

/// Watches until the other end of `socket` is closed everywhere, then kills.
fn watch(socket: OwnedFd) {
    // Signals meant for wharf's terminal or process group are not meant for the warden.
    SignalSet::full().block_exactly();
    let _ = setsid();
    sys::close_from(0, Some(socket.as_fd()));
    let mut watched: Vec<OwnedFd> = Vec::new();
    loop {
        let mut ready: Vec<PollFd<'_>> = vec![PollFd::new(&socket, PollFlags::IN)];
        ready.extend(watched.iter().map(|process| PollFd::new(process, PollFlags::IN)));
        if poll(&mut ready, None).is_err() {
            continue;
        }
        let ended: Vec<bool> = ready[1..].iter().map(|process| !process.revents().is_empty()).collect();
        let news = !ready[0].revents().is_empty();
        let mut ended = ended.into_iter();
        watched.retain(|_| !ended.next().unwrap_or(false));
        if news {
            match receive(socket.as_fd()) {
                Ok(Some(process)) => watched.push(process),
                Err(Errno::INTR | Errno::INVAL) => {}
                Ok(None) | Err(_) => break,
            }
        }
    }
    for process in &watched {
        let _ = pidfd_send_signal(process, Signal::KILL);
    }
}

/// The next process to watch; `None` when nobody can send one any more.
fn receive(socket: BorrowedFd<'_>) -> Result<Option<OwnedFd>, Errno> {
    let mut byte = [0];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received =
        recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let process = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    if received.bytes == 0 { Ok(None) } else { process.map(Some).ok_or(Errno::INVAL) }
}
