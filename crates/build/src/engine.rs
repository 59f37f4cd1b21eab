//! The engine: the data directory and the handles that builds share.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::runtime::Handle;
use wharf_registry::{Client, Layout};
use wharf_sandbox::{Rung, Sandbox};

use crate::check::{Checked, Described};
use crate::error::BuildError;
use crate::event::Events;
use crate::request::BuildRequest;
use crate::result::BuildResult;
use crate::state::State;
use crate::witness::Witness;

/// Builds images. Several builds may run at once, in one process or in several on the same data directory.
#[derive(Debug)]
pub struct Engine {
    pub(crate) data: PathBuf,
    pub(crate) store: Layout,
    pub(crate) state: State,
    pub(crate) sandbox: Sandbox,
    pub(crate) client: Client,
    pub(crate) runtime: Handle,
    interrupted: Arc<AtomicBool>,
    /// Why layers cannot be mounted on one another, once somebody asked.
    flat: OnceLock<Option<String>>,
    pub(crate) witness: Option<Arc<dyn Witness>>,
}

impl Engine {
    /// Opens the data directory, which is made when it is missing; what killed processes left is removed.
    ///
    /// `runtime` is where the network is spoken to; it must not be the thread that calls [`build`](Self::build).
    ///
    /// # Errors
    /// Fails when the directory cannot be used.
    pub fn open(data: &Path, sandbox: Sandbox, client: Client, runtime: Handle) -> Result<Self, BuildError> {
        let make = |path: &Path| {
            std::fs::create_dir_all(path)
                .map_err(|source| BuildError::DataDirectory { path: path.to_owned(), source })
        };
        make(data)?;
        make(&data.join("snapshots"))?;
        crate::work::sweep(&data.join("work"))?;
        let store = Layout::open(data.join("store"))?.noting_use();
        let state = State::open(&data.join("state.db"))?;
        let interrupted = Arc::default();
        Ok(Self {
            data: data.to_owned(),
            store,
            state,
            sandbox,
            client,
            runtime,
            interrupted,
            flat: OnceLock::new(),
            witness: None,
        })
    }

    /// The same, with somebody who looks at the layers of images while they are written or unpacked.
    #[must_use]
    pub fn watched_by(mut self, witness: Arc<dyn Witness>) -> Self {
        self.witness = Some(witness);
        self
    }

    /// What stops every build of this engine: their processes are killed, and each ends with an error.
    pub fn interrupter(&self) -> impl Fn() + Send + Sync + 'static {
        let interrupted = Arc::clone(&self.interrupted);
        move || interrupted.store(true, Ordering::Relaxed)
    }

    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Whether stacks of layers are plain trees here, because they cannot be mounted.
    pub(crate) fn is_flat(&self) -> bool {
        self.why_flat().is_some()
    }

    /// Why every stack of layers is copied here, where it is: overlayfs cannot be used.
    pub fn why_flat(&self) -> Option<&str> {
        let probe = || match self.sandbox.rung() {
            rung @ (Rung::Chroot | Rung::Files) => Some(rung.to_string()),
            _ => self.sandbox.probe_overlay(&self.data).err().map(|error| error.to_string()),
        };
        self.flat.get_or_init(probe).as_deref()
    }

    /// The store that images are built into.
    pub fn store(&self) -> &Layout {
        &self.store
    }

    /// Builds an image and its outputs.
    ///
    /// # Errors
    /// The first failure; what was finished before it stays in the cache.
    pub fn build(&self, request: &BuildRequest, events: Events<'_>) -> Result<BuildResult, BuildError> {
        crate::build::build(self, request, events)
    }

    /// Runs BuildKit's checks over what `request` would build. Base images that cannot be had are passed over.
    ///
    /// # Errors
    /// Fails when the Dockerfile cannot be had or read.
    pub fn check(&self, request: &BuildRequest, events: Events<'_>) -> Result<Checked, BuildError> {
        crate::check::check(self, request, events)
    }

    /// Says what can be given to a build of the target of `request`.
    ///
    /// # Errors
    /// Fails where the build would before its first step.
    pub fn outline(
        &self,
        request: &BuildRequest,
        events: Events<'_>,
    ) -> Result<(crate::plan::Outline, Described), BuildError> {
        crate::check::outline(self, request, events)
    }

    /// Reads the Dockerfile of `request`.
    ///
    /// # Errors
    /// Fails when the Dockerfile cannot be had or read.
    pub fn describe(&self, request: &BuildRequest, events: Events<'_>) -> Result<Described, BuildError> {
        crate::check::describe(self, request, events)
    }
}
