//! Runs a process in a root file system: namespaces, mounts, ids, limits, network.
//!
//! The only crate with `unsafe`. [`enter`] is called once, by a process with one thread; the [`Sandbox`]
//! it returns starts any number of processes from any number of threads.

mod error;
mod identity;
mod ladder;
mod process;
mod rooted;
mod sandbox;
mod spec;

pub use error::{Error, Step};
pub use identity::{Account, UnknownIdentity, resolve_user};
pub use ladder::{Refusal, Rung, Unavailable};
pub use process::Process;
pub use rooted::open_in_root;
pub use sandbox::{Mounted, Sandbox, enter};
pub use spec::{
    CpuQuota, ExecSpec, Limits, Mount, Network, Overlay, Resource, Root, Security, Spec, Stdio, Ulimit,
    Upper, User,
};
