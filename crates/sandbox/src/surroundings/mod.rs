//! The surroundings of a process: what is prepared before the fork, and how the child makes them.
//!
//! [`Surroundings::new`] turns the caller's [`Spec`] into strings for the kernel, and may allocate and
//! explain. [`Surroundings::build`] runs in the child, in fresh namespaces, and may do neither. Everything
//! of the host that is needed is opened before `/` changes; afterwards no path can leave the new root.

mod devices;
mod kernel;
mod mounts;
mod target;

use std::mem::ManuallyDrop;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{chdir, fchdir, pivot_root, umask};

use crate::cgroup::Cgroup;
use crate::ids::{IdMap, Privilege};
use crate::overlay::View;
use crate::report::{During, Failure, Reporter, Step};
use crate::{Error, Network, Root, Security, Spec, sys};

use target::MountPoints;

/// A descriptor that the child keeps for later, in memory that it may share with its parent. There the
/// number means something else, so nobody closes it but the child, as it closes all before exec.
type Kept = Option<ManuallyDrop<OwnedFd>>;

fn kept(descriptor: OwnedFd) -> Kept {
    Some(ManuallyDrop::new(descriptor))
}

/// Everything around a process, ready to be built without allocating.
#[derive(Debug)]
pub(crate) struct Surroundings {
    privilege: Privilege,
    network: Network,
    confined: bool,
    readonly: bool,
    hostname: Vec<u8>,
    cgroup: Vec<OwnedFd>,
    root: View,
    kernel: kernel::Prepared,
    devices: devices::Prepared,
    mounts: Vec<mounts::Prepared>,
}

impl Surroundings {
    pub(crate) fn new(spec: &Spec, ids: &IdMap, cgroup: Option<&Cgroup>) -> Result<Self, Error> {
        let privilege = ids.privilege();
        let root = match &spec.root {
            Root::Overlay(overlay) => View::new(overlay, privilege)?,
            Root::Dir(directory) => View::of_directory(directory)?,
        };
        Ok(Self {
            privilege,
            network: spec.network.clone(),
            confined: spec.security == Security::Default,
            readonly: spec.readonly,
            hostname: spec.hostname.clone().into_bytes(),
            cgroup: cgroup.map(Cgroup::open).transpose()?.unwrap_or_default(),
            root,
            kernel: kernel::Prepared::new(spec.security == Security::Default),
            devices: devices::Prepared::new(spec.shm_size, ids)?,
            mounts: spec.mounts.iter().map(mounts::Prepared::new).collect::<Result<_, _>>()?,
        })
    }

    /// The namespaces a child needs to be born in.
    pub(crate) fn namespaces(network: &Network) -> i32 {
        let always = libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
        match network {
            // One that exists already is joined, not made.
            Network::Host | Network::Of(_) => always,
            Network::Isolated => always | libc::CLONE_NEWNET,
        }
    }

    /// The namespaces that a child has apart from this process, however it came to them.
    pub(crate) fn shared(network: &Network) -> i32 {
        match network {
            Network::Host => Self::namespaces(network),
            Network::Isolated | Network::Of(_) => Self::namespaces(network) | libc::CLONE_NEWNET,
        }
    }

    /// What a failure of [`build`](Self::build) was about.
    pub(crate) fn subject(&self, failure: &Failure) -> Option<PathBuf> {
        let mount = self.mounts.get(failure.index);
        match failure.step {
            Step::Layer => self.root.directory(failure.index),
            Step::Root | Step::Overlay => Some(self.root.anchor_path()),
            Step::Source => mount.and_then(mounts::Prepared::source),
            Step::Mount | Step::MountPoint | Step::File => mount.map(mounts::Prepared::target),
            _ => None,
        }
    }

    /// Makes them, in the child.
    pub(crate) fn build(&mut self, reporter: Reporter<'_>) -> Result<(), Failure> {
        self.enter_cgroup().during(Step::ControlGroup)?;
        if let Network::Of(network) = &self.network {
            sys::join(network.descriptor(), libc::CLONE_NEWNET).during(Step::Join)?;
        }
        umask(Mode::empty());
        for (index, mount) in self.mounts.iter_mut().enumerate() {
            mount.open().during_nth(Step::Source, index)?;
        }
        self.kernel.open()?;
        if self.privilege == Privilege::Namespaced {
            self.devices.open_host().during(Step::Dev)?;
        }
        let layer = self.root.open_writable().during(Step::Root)?;

        self.change_root()?;
        self.kernel.attach_proc(&self.network)?;
        let memory = self.devices.mount()?;
        self.kernel.attach_sys()?;
        if self.confined {
            // Before the caller's mounts, which could take away what files are hidden with.
            kernel::mask().during(Step::Mask)?;
        }
        let points = MountPoints::new(reporter, layer).during(Step::Root)?;
        for (index, mount) in self.mounts.iter_mut().enumerate() {
            mount.make_file(&memory).during_nth(Step::File, index)?;
            let target = points.open(mount.at(), mount.is_directory());
            let target = target.during_nth(Step::MountPoint, index)?;
            mount.attach(&target, &memory).during_nth(Step::Mount, index)?;
        }
        if self.readonly {
            sys::make_readonly(c"/").during(Step::ReadonlyRoot)?;
        }

        rustix::system::sethostname(&self.hostname).during(Step::Hostname)?;
        if matches!(self.network, Network::Isolated) {
            sys::loopback_up().during(Step::Loopback)?;
        }
        umask(Mode::WGRP | Mode::WOTH);
        Ok(())
    }

    /// The namespace comes after the move, so that the group is what the process sees as the root of
    /// all groups.
    fn enter_cgroup(&self) -> Result<(), Errno> {
        for processes in &self.cgroup {
            rustix::io::write(processes, b"0")?;
        }
        sys::unshare(libc::CLONE_NEWCGROUP)
    }

    fn change_root(&self) -> Result<(), Failure> {
        let root = self.root.mount(self.root.anchor())?;
        let change = || {
            fchdir(&root)?;
            // Both on the same directory: the old root comes to lie on the new one, and is taken off.
            pivot_root(c".", c".")?;
            unmount(c".", UnmountFlags::DETACH)?;
            chdir(c"/")
        };
        change().during(Step::Pivot)
    }
}
