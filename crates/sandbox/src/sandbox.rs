//! The handle that proves that this process has climbed the ladder, and what it makes possible.

use std::path::{Path, PathBuf};

use crate::{Error, Overlay, Process, Refusal, Rung, Spec, Unavailable};

/// A process that has its own mount namespace (and user namespace, where it is not root), and so may
/// mount and start sandboxes without being seen outside. Cheap to share between threads.
#[derive(Debug, Clone)]
pub struct Sandbox {
    rung: Rung,
    refusals: Vec<Refusal>,
    caller: (u32, u32),
}

/// Moves the calling process into namespaces of its own, by the best rung the host allows. The process
/// must have a single thread; afterwards it is root in those namespaces, and threads started later
/// are in them, too.
///
/// # Errors
/// Fails when no rung can be reached, with the reason per rung; the process is then as it was.
pub fn enter() -> Result<Sandbox, Unavailable> {
    Err(Unavailable { refusals: Vec::new() })
}

impl Sandbox {
    /// The rung this host gave.
    pub fn rung(&self) -> Rung {
        self.rung
    }

    /// Why the better rungs were out of reach.
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    /// User and group id of the process outside, before it entered.
    pub fn caller(&self) -> (u32, u32) {
        self.caller
    }

    /// Starts a process. Returns when its command runs, or with the reason why it could not.
    ///
    /// # Errors
    /// [`Error::Exec`] when the command cannot be run, others when its surroundings cannot be made.
    pub fn spawn(&self, spec: &Spec) -> Result<Process, Error> {
        Err(Error::Invalid(format!("`{:?}` is not supported on this host", spec.args)))
    }

    /// Mounts `overlay` at the existing directory `at`, seen by this process only.
    ///
    /// # Errors
    /// Fails when a layer does not exist or the kernel refuses the mount, with its reason.
    pub fn mount_overlay(&self, overlay: &Overlay, at: &Path) -> Result<Mounted, Error> {
        Err(Error::Invalid(format!("cannot mount {overlay:?} at {at:?}")))
    }

    /// Whether overlays can be mounted whose layers lie in the directory `within`, which depends on its
    /// file system.
    ///
    /// # Errors
    /// The error says why not.
    pub fn probe_overlay(&self, within: &Path) -> Result<(), Error> {
        Err(Error::Invalid(format!("no overlay in {within:?}")))
    }
}

/// A mounted view; unmounted when dropped.
#[derive(Debug)]
pub struct Mounted {
    at: PathBuf,
}

impl Mounted {
    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.at
    }

    /// Unmounts, and says if that failed.
    ///
    /// # Errors
    /// Fails while something in it is still open.
    pub fn unmount(self) -> Result<(), Error> {
        Ok(())
    }
}
