//! Runs a process in a root file system: namespaces, mounts, ids, limits, network.
//!
//! [`enter()`] is called once, by a process that still has a single thread. It climbs the ladder ([`Rung`])
//! and gives a [`Sandbox`], by which any thread starts any number of processes ([`Sandbox::spawn`]) and
//! mounts overlays ([`Sandbox::mount_overlay`]). A [`Spec`] says what to run and in what surroundings; a
//! [`Process`] is watched, stopped, probed, and joined by further commands.
//!
//! What a start does, in order: the parent turns the spec into strings and numbers for the kernel; a child
//! is born into new namespaces, still in the parent's memory; it introduces itself to the warden, opens
//! what it needs of the host, builds the root from the layers, and moves there; it mounts kernel file
//! systems and hides parts of them, then the caller's mounts; it gives up what it no longer needs, and
//! becomes the command. What goes wrong on the way comes back as a [`Step`] and an error number.
//!
//! Invariants:
//! - nothing that is mounted is seen outside this process and its sandboxes, and nothing stays mounted
//!   when they have ended, however they ended;
//! - a sandbox ends with the process that started it, even when that is killed, unless it may outlive it;
//! - no path of an image, and no link in it, is ever resolved against the host's root;
//! - between its birth and exec a child neither allocates nor locks: what needs either is done before;
//! - an upper directory holds what the command did, and of wharf's doings only `/proc`, `/sys` and `/dev`
//!   as empty directories, which docker leaves, too;
//! - the only `unsafe` code of the workspace is here, nearly all of it in the module `sys`.
//!
//! Needs Linux 5.12 (mount_setattr). Deliberately absent: what carries packets between a
//! [`Tunnel`] and the outside, profiles of AppArmor and SELinux, and anything that would need a daemon.

mod bare;
mod capability;
mod cgroup;
mod child;
mod command;
mod enter;
mod error;
mod identity;
mod ids;
mod init;
mod ladder;
mod network;
mod overlay;
mod path;
mod process;
mod report;
mod residue;
mod rooted;
mod sandbox;
mod seccomp;
mod spawn;
mod spec;
mod streams;
mod subids;
mod surroundings;
mod sys;
mod terminal;
mod warden;

pub use capability::{Capabilities, UnknownCapability};
pub use enter::enter;
pub use error::Error;
pub use identity::{Account, UnknownIdentity, resolve_user};
pub use ladder::{Refusal, Rung, Unavailable};
pub use network::{NetworkNamespace, Tunnel};
pub use process::Process;
pub use report::Step;
pub use rooted::open_in_root;
pub use sandbox::{Mounted, Sandbox};
pub use spec::{
    CpuQuota, ExecSpec, Limits, Mount, Network, Overlay, Resource, Root, Security, Spec, Stdio, Swap, Ulimit,
    Upper, User,
};
