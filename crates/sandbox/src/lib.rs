//! Runs a process in a root file system: namespaces, mounts, ids, limits, network.
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
mod subids;
mod surroundings;
mod sys;
mod warden;

pub use enter::enter;
pub use error::Error;
pub use identity::{Account, UnknownIdentity, resolve_user};
pub use ladder::{Refusal, Rung, Unavailable};
pub use process::Process;
pub use report::Step;
pub use rooted::open_in_root;
pub use sandbox::{Mounted, Sandbox};
pub use spec::{
    CpuQuota, ExecSpec, Limits, Mount, Network, Overlay, Resource, Root, Security, Spec, Stdio, Ulimit,
    Upper, User,
};
