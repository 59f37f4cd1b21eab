//! Layers and stacks of layers, before anybody knows whether their files are needed.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use wharf_layer::Outline;
use wharf_oci::Reference;
use wharf_registry::Layout;

use crate::error::{Cause, StepError};
use crate::id::{Hasher, Id};
use crate::llb::Node;
use crate::state::LayerRecord;

/// Where the blob of a layer can be had when the store lacks it.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    Registry(Reference),
    Layout(Layout),
}

/// Where the files of a layer are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In one directory.
    Whole(PathBuf),
    /// In a directory, but for what differs from it, which another has that lies on it.
    Delta { beneath: PathBuf, upper: PathBuf },
}

impl Place {
    /// The directories, the lowest first.
    pub(crate) fn directories(&self) -> impl Iterator<Item = &PathBuf> {
        let (beneath, upper) = match self {
            Self::Whole(directory) => (None, directory),
            Self::Delta { beneath, upper } => (Some(beneath), upper),
        };
        beneath.into_iter().chain([upper])
    }
}

/// A layer.
#[derive(Debug)]
pub(crate) struct Layer {
    /// The blob; for a layer that a step has just made, known when it has been written.
    record: OnceLock<Result<LayerRecord, StepError>>,
    /// Where its files are, once they are anywhere. That stays the same for the time of a build.
    place: Mutex<Option<Place>>,
    /// Its outline, once somebody asked, if it has one.
    outline: Mutex<Option<Option<Arc<Outline>>>>,
    /// Where its blob can be had; `None` for layers that were made here.
    pub(crate) origin: Option<Origin>,
    /// When it was made here, nanoseconds since 1970.
    pub(crate) created: Option<i64>,
}

impl Layer {
    /// A layer of an image.
    pub(crate) fn of_image(record: LayerRecord, origin: Option<Origin>) -> Self {
        Self {
            record: OnceLock::from(Ok(record)),
            place: Mutex::default(),
            outline: Mutex::default(),
            origin,
            created: None,
        }
    }

    /// A layer that an earlier build made, here or elsewhere.
    pub(crate) fn cached(record: LayerRecord, origin: Option<Origin>, created: i64) -> Self {
        Self {
            record: OnceLock::from(Ok(record)),
            place: Mutex::default(),
            outline: Mutex::default(),
            origin,
            created: Some(created),
        }
    }

    /// The layer of a step of which only the result is known.
    pub(crate) fn absent(created: i64) -> Self {
        Self {
            record: OnceLock::from(Err(Cause::Absent.into())),
            place: Mutex::default(),
            outline: Mutex::default(),
            origin: None,
            created: Some(created),
        }
    }

    /// Whether only the result of its step is known.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self.record.get(), Some(Err(error)) if matches!(error.cause(), Cause::Absent))
    }

    /// A layer whose files are in `place`, and whose blob is yet to be written.
    pub(crate) fn fresh(place: Place, created: i64) -> Self {
        Self {
            record: OnceLock::new(),
            place: Mutex::new(Some(place)),
            outline: Mutex::default(),
            origin: None,
            created: Some(created),
        }
    }

    /// A layer whose blob is yet to be written, and whose files nobody is to look at before.
    pub(crate) fn unplaced(created: i64) -> Self {
        Self {
            record: OnceLock::new(),
            place: Mutex::default(),
            outline: Mutex::default(),
            origin: None,
            created: Some(created),
        }
    }

    /// The blob. Waits until it has been written.
    pub(crate) fn record(&self) -> Result<&LayerRecord, StepError> {
        self.record.wait().as_ref().map_err(StepError::clone)
    }

    /// The blob, if it has been written.
    pub(crate) fn known(&self) -> Option<&LayerRecord> {
        self.record.get()?.as_ref().ok()
    }

    /// Says that the blob has been written, or that it never will be.
    pub(crate) fn finish(&self, record: Result<LayerRecord, StepError>) {
        // Only the first word counts: whoever waited has read it.
        let _ = self.record.set(record);
    }

    /// Where its files are. Whoever holds the lock may put them somewhere.
    pub(crate) fn place(&self) -> MutexGuard<'_, Option<Place>> {
        // A panic elsewhere leaves the old place or the new one.
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The outline, as far as anybody asked for it. Whoever holds the lock may find out.
    pub(super) fn outline(&self) -> MutexGuard<'_, Option<Option<Arc<Outline>>>> {
        // A panic elsewhere leaves what was known.
        self.outline.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stack of layers, the base first: what a step starts from, or what it gives.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    /// What stands for it in the keys of the steps that follow.
    pub(crate) id: Id,
    /// The layers.
    pub(crate) layers: Vec<Arc<Layer>>,
    /// What BuildKit knows it by, where that is known and wanted.
    pub(crate) node: Option<Arc<Node>>,
}

impl Chain {
    /// No layers at all.
    pub(crate) fn empty() -> Self {
        Self { id: Hasher::new("scratch").finish(), layers: Vec::new(), node: None }
    }

    /// This stack with one more layer on top, the result called `id`.
    pub(crate) fn with(&self, id: Id, layer: Arc<Layer>, node: Option<Arc<Node>>) -> Self {
        let mut layers = self.layers.clone();
        layers.push(layer);
        Self { id, layers, node }
    }
}
