//! A network made before the processes that see it, so that it is ready when the first of them runs.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;

use crate::{Error, Sandbox, sys};

/// A network of its own: a loopback interface, and whatever is added to it. It exists for as long as a
/// process or a copy of this value does.
#[derive(Debug, Clone)]
pub struct NetworkNamespace {
    descriptor: Arc<OwnedFd>,
}

/// How the end of a tunnel looks from inside.
#[derive(Debug, Clone, Copy)]
pub struct Tunnel {
    /// The address of the interface `eth0`.
    pub address: Ipv4Addr,
    /// The mask of the network it is in.
    pub netmask: Ipv4Addr,
    /// The longest packet, in bytes.
    pub mtu: u16,
}

impl Sandbox {
    /// Makes a network for processes of this sandbox, by [`Network::Of`](crate::Network::Of).
    ///
    /// # Errors
    /// Fails when the kernel refuses another network namespace.
    pub fn network(&self) -> Result<NetworkNamespace, Error> {
        let made = sys::on_own_thread(|| {
            sys::unshare(libc::CLONE_NEWNET)?;
            sys::loopback_up()?;
            let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
            rustix::fs::open(c"/proc/thread-self/ns/net", flags, rustix::fs::Mode::empty())
        });
        let descriptor = made.map_err(|errno| failed("making a network", errno))?;
        Ok(NetworkNamespace { descriptor: Arc::new(descriptor) })
    }
}

impl NetworkNamespace {
    /// Runs `work` on a thread that sees this network, and returns what it returns.
    ///
    /// # Errors
    /// Fails when the kernel does not let the thread in.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
        let joined = sys::on_own_thread(|| {
            sys::join(self.descriptor.as_fd(), libc::CLONE_NEWNET)?;
            Ok(work())
        });
        joined.map_err(|errno: Errno| failed("entering the network of a sandbox", errno))
    }

    /// Adds the interface `eth0` with the default route, whose packets are read from and written to the
    /// file, one in each call, as they are on the wire without a frame around them. Needs `/dev/net/tun`.
    ///
    /// # Errors
    /// Fails when the device is missing or the caller may not use it, and when the interface exists.
    pub fn tunnel(&self, tunnel: &Tunnel) -> Result<File, Error> {
        self.enter(|| {
            // The device makes its interface in the network that it was opened in.
            let device = File::options().read(true).write(true).open("/dev/net/tun");
            let device = device.map_err(|source| Error::Path { path: "/dev/net/tun".into(), source })?;
            let added = sys::add_tunnel(device.as_fd(), tunnel);
            added.map_err(|errno| failed("adding an interface to the network of a sandbox", errno))?;
            Ok(device)
        })?
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

fn failed(action: &str, errno: Errno) -> Error {
    Error::Host { action: action.to_owned(), source: errno.into() }
}
