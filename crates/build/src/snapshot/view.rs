//! Stacks of layers as one tree: to read from, and to write into.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wharf_layer::Upper;
use wharf_sandbox::{Mounted, Overlay};

use super::{Chain, Cloning, Glance, Place, Sketch, Snapshots};
use crate::error::{Cause, StepError};
use crate::once::Once;
use crate::tree::{Owners, Tree};

/// A stack of layers, read-only.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) tree: Tree,
    // Dropped after the tree, which holds its root open.
    _mounted: Option<Mounted>,
}

/// The views of one build; each stack is mounted once.
#[derive(Default)]
pub(crate) struct Views {
    open: Once<Arc<View>>,
}

impl Views {
    /// The view of `chain`, mounted when it is first asked for.
    pub(crate) fn open(&self, chain: &Chain, snapshots: &Snapshots<'_>) -> Result<Arc<View>, StepError> {
        self.open.get(chain.id, || View::mount(chain, snapshots).map(Arc::new))
    }
}

impl View {
    fn mount(chain: &Chain, snapshots: &Snapshots<'_>) -> Result<Self, StepError> {
        if snapshots.engine.is_flat() {
            let at = snapshots.flat(&chain.layers)?;
            let tree = Tree::open(&at, Owners::Kept).map_err(Cause::file("opening", &at))?;
            return Ok(Self { tree, _mounted: None });
        }
        let at = snapshots.work.path("view");
        fs::create_dir(&at).map_err(Cause::file("making directory", &at))?;
        let mounted = if chain.layers.is_empty() {
            None
        } else {
            let mut lowers = snapshots.directories(&chain.layers)?;
            if lowers.len() == 1 {
                // Alone, a layer would be shown as it is, with the marks of what it removes.
                let nothing =
                    snapshots.work.directory("nothing").map_err(Cause::file("making directory in", &at))?;
                lowers.insert(0, nothing);
            }
            let overlay = Overlay { lowers, upper: None, volatile: false };
            Some(snapshots.engine.sandbox.mount_overlay(&overlay, &at)?)
        };
        let tree = Tree::open(&at, Owners::Kept).map_err(Cause::file("opening", &at))?;
        Ok(Self { tree, _mounted: mounted })
    }
}

/// Where a step writes: a stack of layers with an empty directory on top.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// What is changed ends up here, in overlayfs's form.
    pub(crate) upper: PathBuf,
    /// The layers below, the base first.
    pub(crate) lowers: Vec<PathBuf>,
    /// The whole tree.
    pub(crate) root: PathBuf,
    mounted: Option<Mounted>,
    /// What stands for the lowest layers, where that is a sketch.
    pub(crate) sketch: Option<Sketch>,
    whole: bool,
}

impl Workspace {
    /// Makes one on top of `chain`; `veil` are directories seen between it and the writes, which leave no
    /// trace in the layer.
    pub(crate) fn create(
        chain: &Chain,
        veil: &[PathBuf],
        snapshots: &Snapshots<'_>,
    ) -> Result<Self, StepError> {
        if snapshots.engine.is_flat() {
            return Self::flat(chain, Cloning::Contents, snapshots);
        }
        let lowers = snapshots.directories(&chain.layers)?;
        Self::on(lowers, None, veil, snapshots)
    }

    /// Makes one for whoever writes files anew and never into those that are there.
    pub(crate) fn for_copies(chain: &Chain, snapshots: &Snapshots<'_>) -> Result<Self, StepError> {
        match snapshots.engine.is_flat() {
            true => Self::flat(chain, Cloning::Names, snapshots),
            false => Self::create(chain, &[], snapshots),
        }
    }

    fn flat(chain: &Chain, cloning: Cloning, snapshots: &Snapshots<'_>) -> Result<Self, StepError> {
        let (upper, below) = snapshots.flat_workspace(chain, cloning)?;
        let (root, lowers) = (upper.clone(), vec![below]);
        Ok(Self { upper, lowers, root, mounted: None, sketch: None, whole: true })
    }

    /// Makes one for whoever takes no more than this `glance` at what is below: as far as nothing has unpacked
    /// the layers, only what it sees is there.
    pub(crate) fn sketch(
        chain: &Chain,
        glance: &Glance,
        snapshots: &Snapshots<'_>,
    ) -> Result<Self, StepError> {
        if !snapshots.engine.is_flat()
            && let Some((lowers, sketch)) = snapshots.sketch(&chain.layers, glance)?
        {
            return Self::on(lowers, sketch, &[], snapshots);
        }
        Self::for_copies(chain, snapshots)
    }

    fn on(
        lowers: Vec<PathBuf>,
        sketch: Option<Sketch>,
        veil: &[PathBuf],
        snapshots: &Snapshots<'_>,
    ) -> Result<Self, StepError> {
        let place = snapshots.work.path("step");
        let [upper, work, at] = ["upper", "work", "root"].map(|name| place.join(name));
        for directory in [&place, &upper, &work, &at] {
            fs::create_dir(directory).map_err(Cause::file("making directory", directory))?;
        }
        copy_root_attributes(lowers.last().map(PathBuf::as_path), &upper)?;
        if lowers.is_empty() && veil.is_empty() {
            return Ok(Self { root: upper.clone(), upper, lowers, mounted: None, sketch, whole: false });
        }
        let overlay = Overlay {
            lowers: lowers.iter().chain(veil).cloned().collect(),
            upper: Some(wharf_sandbox::Upper { dir: upper.clone(), work }),
            volatile: true,
        };
        let mounted = snapshots.engine.sandbox.mount_overlay(&overlay, &at)?;
        Ok(Self { upper, lowers, root: at, mounted: Some(mounted), sketch, whole: false })
    }

    /// The tree, to look things up and to write.
    pub(crate) fn tree(&self) -> Result<Tree, StepError> {
        Tree::open(&self.root, Owners::Kept).map_err(Cause::file("opening", &self.root))
    }

    /// Ends the writing; what was written is in `upper`. Gives also the sketch that stands for layers below.
    pub(crate) fn close(self) -> (Written, Option<Sketch>) {
        // A process that is just being started elsewhere may hold the mount for a moment; dropped, it goes
        // away by itself, and nobody writes to it any more.
        drop(self.mounted);
        let form = if self.whole { Upper::Whole } else { Upper::Overlay };
        (Written { upper: self.upper, beneath: None, lowers: self.lowers, form }, self.sketch)
    }
}

/// What a step wrote.
#[derive(Debug)]
pub(crate) struct Written {
    /// The changes, in overlayfs's form.
    pub(crate) upper: PathBuf,
    /// An earlier snapshot of the same step, on which `upper` lies: the changes are both together.
    pub(crate) beneath: Option<PathBuf>,
    /// The layers below, the base first.
    pub(crate) lowers: Vec<PathBuf>,
    /// What `upper` is: the changes alone, or everything as it is now.
    pub(crate) form: Upper,
}

impl Written {
    /// The directories of the changes, the lowest first.
    pub(crate) fn directories(&self) -> impl Iterator<Item = &PathBuf> {
        self.beneath.iter().chain([&self.upper])
    }

    /// Where the files of the layer are that this becomes.
    pub(crate) fn place(&self) -> Place {
        let upper = self.upper.clone();
        match self.beneath.clone() {
            Some(beneath) => Place::Delta { beneath, upper },
            None => Place::Whole(upper),
        }
    }
}

/// The root directory of a view is that of its topmost layer, so a new layer's has to look the same.
fn copy_root_attributes(below: Option<&Path>, upper: &Path) -> Result<(), StepError> {
    let mode = match below {
        Some(below) => {
            let metadata = fs::metadata(below).map_err(Cause::file("examining", below))?;
            std::os::unix::fs::chown(upper, Some(metadata.uid()), Some(metadata.gid()))
                .map_err(Cause::file("changing the owner of", upper))?;
            metadata.mode() & 0o7777
        }
        None => 0o755,
    };
    fs::set_permissions(upper, Permissions::from_mode(mode))
        .map_err(Cause::file("changing the mode of", upper))
}
