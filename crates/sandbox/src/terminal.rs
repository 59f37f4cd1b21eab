//! A terminal of the sandbox's own: opened inside, so that programs find it under `/dev/pts`, and its other
//! end handed out over a socket to whoever started the process.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Uid, fchown};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::process::ioctl_tiocsctty;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};

use crate::{Error, sys};

/// The socket over which the terminal comes: the caller's end, and the child's.
pub(crate) fn socket() -> Result<(OwnedFd, OwnedFd), Error> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).map_err(|errno| {
        Error::Host { action: "making a socket for a terminal".to_owned(), source: errno.into() }
    })
}

/// Opens a terminal that belongs to `owner`, makes it all three standard streams and the controlling
/// terminal of this session, and sends its other end. Called in a child that leads its session.
pub(crate) fn take(socket: BorrowedFd<'_>, owner: Uid) -> Result<(), Errno> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let outer = openpt(flags)?;
    unlockpt(&outer)?;
    let inner = ioctl_tiocgptpeer(&outer, flags)?;
    // Where one id is all there is, it is the owner's already.
    let _ = fchown(&inner, Some(owner), None);
    send(socket, outer.as_fd())?;
    for number in 0..3 {
        sys::become_stream(inner.as_fd(), number)?;
    }
    ioctl_tiocsctty(&inner)
}

fn send(socket: BorrowedFd<'_>, descriptor: BorrowedFd<'_>) -> Result<(), Errno> {
    let descriptors = [descriptor];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(socket, &[IoSlice::new(b"t")], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// The other end of the terminal that a child has taken.
pub(crate) fn receive(socket: &OwnedFd) -> Result<OwnedFd, Error> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received =
        recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, RecvFlags::CMSG_CLOEXEC);
    let terminal = received.map(|_| {
        ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        })
    });
    terminal.and_then(|terminal| terminal.ok_or(Errno::BADMSG)).map_err(|errno| Error::Host {
        action: "taking over the terminal of the sandbox".to_owned(),
        source: errno.into(),
    })
}
