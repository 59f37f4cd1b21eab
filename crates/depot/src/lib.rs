//! The embedded registry: the distribution specification (1.1) served from OCI layouts on disk.
//!
//! For demos, tests, air gaps and laptops: docker, skopeo, crane and the like push to it and pull from it, and
//! what they push can be read with anything that reads OCI layouts. Each repository is a layout of its own in
//! the data directory, named like the repository with `+` for `/` (a character that no repository name has).
//! Mounting a blob from another repository is a hard link.
//!
//! Invariants:
//! - a blob or manifest that was acknowledged is there, whatever is killed afterwards;
//! - tags change atomically, across any number of processes on one directory;
//! - memory does not depend on the size of what travels;
//! - no request leads to a file outside the data directory.

mod access;
mod blobs;
mod depot;
mod lists;
mod manifests;
mod problem;
mod range;
mod repositories;
mod route;
mod running;
mod tls;
mod unread;
mod uploads;
mod upstream;

pub use access::{Access, AccessError, Users};
pub use depot::{Depot, DepotError, Needed, Options};
pub use running::Running;
pub use tls::{Tls, TlsError};
pub use upstream::Upstream;
