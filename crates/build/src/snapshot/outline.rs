//! Stacks of layers of which only the outline is known: every name with its kind, its owner and its mode, and
//! holes in place of contents.
//!
//! That is all that a copy needs of what is below it, and it costs neither the disk nor the time of unpacking
//! a base image that nobody will run.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wharf_layer::{ApplyOptions, Contents, Form};

use super::unpack::touch;
use super::{Layer, Snapshots, publish};
use crate::error::{Cause, StepError};
use crate::event::Event;
use crate::id::Hasher;

/// The files that a copy reads: who users and groups are.
const READ: [&str; 2] = ["etc/passwd", "etc/group"];

impl Snapshots<'_> {
    /// Directories that stand for `layers` in an overlay, the lowest first: one outline of all up to the last
    /// layer that is not unpacked, if there is one, and the directories of the rest. Whether there is an outline
    /// is the second part.
    pub(super) fn outlines(&self, layers: &[Arc<Layer>]) -> Result<(Vec<PathBuf>, bool), StepError> {
        let mut unknown = 0;
        for (index, layer) in layers.iter().enumerate() {
            if !self.find(&layers[..index], layer, &mut layer.place())? {
                unknown = index + 1;
            }
        }
        let (below, above) = layers.split_at(unknown);
        if below.is_empty() {
            return Ok((self.directories(layers)?, false));
        }
        let mut directories = vec![self.outline(below)?];
        for layer in above {
            // It was found above, and stays for the time of the build.
            directories.extend(layer.place().clone());
        }
        Ok((directories, true))
    }

    /// The outline of a stack, found or made.
    fn outline(&self, layers: &[Arc<Layer>]) -> Result<PathBuf, StepError> {
        let mut id = Hasher::new("outline");
        for layer in layers {
            id.text(layer.record()?.diff_id.as_ref());
        }
        let name = self.engine.snapshots().join(format!("outline-{}", id.finish()));
        if name.is_dir() {
            touch(&name);
            return Ok(name);
        }
        let directory = self.work.path("outline");
        fs::create_dir(&directory).map_err(Cause::file("making directory", &directory))?;
        for layer in layers {
            let record = layer.record()?;
            self.fetch(layer, &record.blob)?;
            (self.events)(Event::Unpacking { diff_id: record.diff_id.clone() });
            let options = ApplyOptions {
                contents: Contents::Only(READ.map(PathBuf::from).to_vec()),
                ..ApplyOptions::new(Form::Plain, self.engine.ownership())
            };
            let blob = self.engine.store.open_blob(&record.blob.digest)?;
            let applied = wharf_layer::apply(blob, &directory, &options)?;
            if applied.diff_id != record.diff_id {
                let (expected, actual) = (record.diff_id.clone(), applied.diff_id);
                return Err(wharf_layer::Error::DigestMismatch { expected, actual }.into());
            }
        }
        publish(&directory, &name)
    }
}

/// Whether a file in `upper` may be the very file that `outline` only has the outline of: same size and time.
/// Such a file is no change, which only its content can tell.
pub(crate) fn may_repeat(upper: &Path, outline: &Path) -> bool {
    let mut pending = vec![PathBuf::new()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(upper.join(&directory)).into_iter().flatten().flatten() {
            let path = directory.join(entry.file_name());
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                pending.push(path);
                continue;
            }
            let moment = |metadata: &fs::Metadata| (metadata.len(), metadata.mtime(), metadata.mtime_nsec());
            let below = fs::symlink_metadata(outline.join(&path));
            let repeats = below.is_ok_and(|below| below.is_file() && moment(&below) == moment(&metadata));
            if metadata.is_file() && repeats {
                return true;
            }
        }
    }
    false
}
