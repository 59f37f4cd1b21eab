//! The sandbox ladder: the ways a host may let us isolate a process, best first.

use std::fmt;

/// A way to isolate, from the best to the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// Namespaces made with the privileges of root.
    Root,
    /// A user namespace with a range of ids from `/etc/subuid`: every user of an image exists.
    SubIds,
    /// A user namespace with one id: everything in an image belongs to root.
    SingleId,
    /// No namespaces: root with the right to `chroot`, as in a container without added capabilities.
    Chroot,
    /// Nothing can be run: root who can still write files and say whose they are.
    Files,
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Root => "root namespaces",
            Self::SubIds => "user namespace with sub-ids",
            Self::SingleId => "user namespace with one id",
            Self::Chroot => "chroot without namespaces",
            Self::Files => "files only, no process",
        })
    }
}

/// Why a rung is out of reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which.
    pub rung: Rung,
    /// The reason, and where known the setting that decides it.
    pub reason: String,
}

/// No rung of the ladder can be reached on this host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this host lets wharf run no process: {}", reasons(refusals))]
pub struct Unavailable {
    /// Why not, per rung.
    pub refusals: Vec<Refusal>,
}

fn reasons(refusals: &[Refusal]) -> String {
    let each: Vec<String> = refusals.iter().map(|r| format!("{}: {}", r.rung, r.reason)).collect();
    each.join("; ")
}
