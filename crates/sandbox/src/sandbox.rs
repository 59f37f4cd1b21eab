//! The handle that proves that this process has climbed the ladder, and what it makes possible.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::mount::{UnmountFlags, unmount};

use crate::ids::{IdMap, Privilege};
use crate::overlay::View;
use crate::warden::Warden;
use crate::{Error, Overlay, Process, Refusal, Rung, Spec, Unavailable, path, spawn};

/// A process that has its own mount namespace (and user namespace, where it is not root), and so may
/// mount and start sandboxes without being seen outside. Made by [`enter`](crate::enter()); cheap to clone
/// and to share between threads. When the last clone is gone, or the process, all its sandboxes end.
#[derive(Debug, Clone)]
pub struct Sandbox {
    host: Arc<Host>,
}

/// What a process knows of itself once it has entered.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) rung: Rung,
    pub(crate) refusals: Vec<Refusal>,
    /// User and group outside.
    pub(crate) caller: (u32, u32),
    pub(crate) ids: IdMap,
    pub(crate) warden: Warden,
    /// This process's adjustment of its chance to be killed when memory is short, -1000 to 1000.
    pub(crate) oom_score: i32,
}

impl Host {
    /// Takes from a process the protection from the out-of-memory killer that a supervisor may have
    /// given to wharf: it is no part of the supervisor's service.
    pub(crate) fn expose(&self, process: u32) {
        if self.oom_score < 0 {
            // Without it the process runs just as well.
            let _ = std::fs::write(format!("/proc/{process}/oom_score_adj"), "0");
        }
    }
}

impl Sandbox {
    pub(crate) fn new(host: Host) -> Self {
        Self { host: Arc::new(host) }
    }

    /// The rung this host gave.
    pub fn rung(&self) -> Rung {
        self.host.rung
    }

    /// Why the better rungs were out of reach.
    pub fn refusals(&self) -> &[Refusal] {
        &self.host.refusals
    }

    /// User and group id of the process outside, before it entered.
    pub fn caller(&self) -> (u32, u32) {
        self.host.caller
    }

    /// Whether overlays keep their marks (opaque directories) in the extended attributes
    /// `user.overlay.*` rather than `trusted.overlay.*`.
    pub fn user_xattrs(&self) -> bool {
        self.host.ids.privilege() == Privilege::Namespaced
    }

    /// Whether processes can be started at all.
    ///
    /// # Errors
    /// Fails where not, with the reason per rung.
    pub fn require_processes(&self) -> Result<(), Error> {
        match self.host.rung {
            Rung::Files => Err(Unavailable { refusals: self.host.refusals.clone() }.into()),
            Rung::Root | Rung::SubIds | Rung::SingleId | Rung::Chroot => Ok(()),
        }
    }

    /// Starts a process. Returns when its command runs, or with the reason why it could not.
    ///
    /// # Errors
    /// [`Error::Exec`] when the command cannot be run, others when its surroundings cannot be made.
    pub fn spawn(&self, spec: &Spec) -> Result<Process, Error> {
        self.require_processes()?;
        spawn::spawn(spec, &self.host)
    }

    /// Mounts `overlay` at the existing directory `at`, seen by this process only.
    ///
    /// # Errors
    /// Fails when a layer does not exist or the kernel refuses the mount, with its reason.
    pub fn mount_overlay(&self, overlay: &Overlay, at: &Path) -> Result<Mounted, Error> {
        let view = View::new(overlay, self.host.ids.privilege())?;
        view.mount(&path::c_path(at)?).map_err(|failure| Error::Setup {
            step: failure.step,
            subject: Some(view.directory(failure.index).unwrap_or_else(|| at.to_path_buf())),
            kernel_says: failure.log.text(),
            source: failure.errno.into(),
        })?;
        Ok(Mounted { at: at.to_path_buf(), mounted: true })
    }

    /// Whether overlays can be mounted whose layers lie in the directory `within`, which depends on its
    /// file system. Tries it, with directories of its own that it removes again.
    ///
    /// # Errors
    /// The error says why not.
    pub fn probe_overlay(&self, within: &Path) -> Result<(), Error> {
        let probe = within.join(format!(".overlay-probe-{}", std::process::id()));
        let result = self.try_overlay(&probe);
        let removed = std::fs::remove_dir_all(&probe);
        result.and(removed.map_err(|source| Error::Path { path: probe, source }))
    }

    fn try_overlay(&self, probe: &Path) -> Result<(), Error> {
        let [lower, upper, work, at] = ["lower", "upper", "work", "at"].map(|name| probe.join(name));
        for directory in [&lower, &upper, &work, &at] {
            std::fs::create_dir_all(directory)
                .map_err(|source| Error::Path { path: directory.clone(), source })?;
        }
        let upper = Some(crate::Upper { dir: upper, work });
        // As steps are mounted. Without it the unmount would write out all that is dirty on that file system.
        let overlay = Overlay { lowers: vec![lower], upper, volatile: true };
        self.mount_overlay(&overlay, &at)?.unmount()
    }
}

/// A mounted view; unmounted when dropped.
#[derive(Debug)]
pub struct Mounted {
    at: PathBuf,
    mounted: bool,
}

impl Mounted {
    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.at
    }

    /// Unmounts, and says if that failed.
    ///
    /// # Errors
    /// Fails while something in it is still open; the mount then goes away when it is closed.
    pub fn unmount(mut self) -> Result<(), Error> {
        self.mounted = false;
        let result = unmount(&self.at, UnmountFlags::empty());
        if result.is_err() {
            let _ = unmount(&self.at, UnmountFlags::DETACH);
        }
        result.map_err(|errno| Error::Host {
            action: format!("unmounting `{}`", self.at.display()),
            source: errno.into(),
        })
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.mounted {
            let _ = unmount(&self.at, UnmountFlags::DETACH);
        }
    }
}
