//! Stacks of layers as far as a copy looks at them: the names on its way, and holes in place of contents.
//!
//! What a copy writes depends on what is below it: where symbolic links lead, which directories are there and
//! whose they are, what is replaced. All of that is in the outlines of the layers, so neither the layers nor
//! even their blobs need be here. A sketch is a directory with just the names that the copy can come upon; on
//! top of it the copy goes on as it does on files, so its layer is the same.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wharf_layer::{ApplyOptions, Contents, Entry, Form, Kind, Named, Outline, Part};

use super::{Layer, Place, Snapshots};
use crate::error::{Cause, StepError};
use crate::tree::{LINKS_MAX, names};

/// The files that say who users and groups are.
const USERS: [&str; 2] = ["etc/passwd", "etc/group"];

/// What somebody is going to look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Glance {
    /// Where it goes to, symbolic links followed.
    pub(crate) dest: PathBuf,
    /// What it may come upon there, relative to where that is; `None` is everything.
    pub(crate) names: Option<BTreeSet<PathBuf>>,
    /// It asks who users and groups are.
    pub(crate) users: bool,
}

/// Directories of an overlay, the lowest first, and the sketch that the lowest is, if it is one.
pub(super) type Lowers = (Vec<PathBuf>, Option<Sketch>);

/// A sketch in a directory.
#[derive(Debug)]
pub(crate) struct Sketch {
    /// Where it is.
    pub(crate) directory: PathBuf,
    view: wharf_layer::View,
    /// The layers that it stands for, topmost first.
    layers: Vec<Arc<Layer>>,
}

impl Snapshots<'_> {
    /// Directories that stand for `layers` in an overlay, the lowest first, for whoever takes no more than this
    /// `glance`: a sketch of all up to the last layer that is not unpacked, if there is one, and the directories
    /// of the rest. `None` where that takes unpacking them.
    pub(super) fn sketch(&self, layers: &[Arc<Layer>], glance: &Glance) -> Result<Option<Lowers>, StepError> {
        let mut unknown = 0;
        for (index, layer) in layers.iter().enumerate() {
            if !self.find(&layers[..index], layer, &mut layer.place())? {
                unknown = index + 1;
            }
        }
        let (below, above) = layers.split_at(unknown);
        if below.is_empty() {
            return Ok(Some((self.directories(layers)?, None)));
        }
        let Some(outlines) = self.outlines(below)? else { return Ok(None) };
        // They were found just now, and stay for the time of the build.
        let places: Vec<Place> = above.iter().filter_map(|layer| layer.place().clone()).collect();
        let above: Vec<PathBuf> = places.iter().flat_map(Place::directories).cloned().collect();
        let mut layers = below.to_vec();
        layers.reverse();
        let sketch = self.draw(layers, &outlines, &above, glance)?;
        let directories = [vec![sketch.directory.clone()], above].concat();
        Ok(Some((directories, Some(sketch))))
    }

    fn draw(
        &self,
        layers: Vec<Arc<Layer>>,
        outlines: &[Arc<Outline>],
        above: &[PathBuf],
        glance: &Glance,
    ) -> Result<Sketch, StepError> {
        let ownership = self.engine.ownership();
        let outlined: Vec<Part> = outlines.iter().rev().cloned().map(Part::Outline).collect();
        let unpacked = above.iter().rev().cloned().map(Part::Directory);
        let all = wharf_layer::View::new(unpacked.chain(outlined.clone()).collect(), ownership);
        let directory =
            self.work.directory("sketch").map_err(Cause::file("making a directory in", &self.engine.data))?;
        let sketch = Sketch { directory, view: wharf_layer::View::new(outlined, ownership), layers };

        let mut paths = BTreeSet::new();
        let dest = resolve(&all, &glance.dest, &mut paths)?;
        match &glance.names {
            Some(names) => paths.extend(names.iter().map(|name| dest.join(name))),
            None => {
                paths.extend(outlines.iter().flat_map(|outline| outline.below(&dest)).map(Path::to_owned))
            }
        }
        let mut read = Vec::new();
        for users in USERS.iter().filter(|_| glance.users) {
            read.push(resolve(&all, Path::new(users), &mut paths)?);
        }
        let above: Vec<PathBuf> =
            paths.iter().flat_map(|path| path.ancestors()).map(Path::to_owned).collect();
        paths.extend(above);

        let named = paths.iter().map(|path| sketch.view.find(path)).collect::<Result<Vec<_>, _>>()?;
        let named: Vec<Named> = named.into_iter().flatten().collect();
        let entries = named.iter().map(|named| (&named.entry, named.content.as_deref()));
        wharf_layer::lay_out(entries, &sketch.directory, ownership)?;
        // Files of users that links lead to elsewhere.
        let is_hollow = |path: &&PathBuf| {
            let found = named.iter().find(|named| named.entry.path == **path);
            found
                .is_some_and(|named| matches!(named.entry.kind, Kind::File { .. }) && named.content.is_none())
        };
        let hollow: Vec<PathBuf> = read.iter().filter(is_hollow).cloned().collect();
        self.fill(&sketch, &hollow)?;
        Ok(sketch)
    }

    /// Gives files of a sketch their contents, for which their layers are fetched.
    pub(crate) fn fill(&self, sketch: &Sketch, paths: &[PathBuf]) -> Result<(), StepError> {
        let mut wanted: BTreeMap<usize, Vec<(PathBuf, PathBuf)>> = BTreeMap::new();
        for path in paths {
            if let Some(Named { layer, source, .. }) = sketch.view.find(path)? {
                wanted.entry(layer).or_default().push((source, path.clone()));
            }
        }
        for (layer, files) in wanted {
            let layer = &sketch.layers[layer];
            let record = layer.record()?;
            self.fetch(layer, &record.blob)?;
            let scratch = self.work.directory("contents");
            let scratch = scratch.map_err(Cause::file("making a directory in", &self.engine.data))?;
            let options = ApplyOptions {
                contents: Contents::Only(files.iter().map(|(source, _)| source.clone()).collect()),
                ..ApplyOptions::new(Form::Plain, self.engine.ownership())
            };
            self.apply_to(&scratch, record, &options)?;
            for (source, path) in files {
                let target = sketch.directory.join(path);
                let put =
                    || fs::remove_file(&target).and_then(|()| fs::hard_link(scratch.join(source), &target));
                put().map_err(Cause::file("filling in", &target))?;
            }
        }
        Ok(())
    }
}

impl Sketch {
    /// The files in `upper` that may be the very files that this only has the outline of: same size and time.
    /// Such a file is no change, which only its content can tell.
    pub(crate) fn repeats(&self, upper: &Path) -> Vec<PathBuf> {
        let mut repeats = Vec::new();
        let mut pending = vec![PathBuf::new()];
        while let Some(directory) = pending.pop() {
            for entry in fs::read_dir(upper.join(&directory)).into_iter().flatten().flatten() {
                let path = directory.join(entry.file_name());
                let Ok(metadata) = entry.metadata() else { continue };
                if metadata.is_dir() {
                    pending.push(path);
                    continue;
                }
                let moment =
                    |metadata: &fs::Metadata| (metadata.len(), metadata.mtime(), metadata.mtime_nsec());
                let below = fs::symlink_metadata(self.directory.join(&path));
                let is_same = below.is_ok_and(|below| below.is_file() && moment(&below) == moment(&metadata));
                if metadata.is_file() && metadata.len() > 0 && is_same {
                    repeats.push(path);
                }
            }
        }
        repeats
    }
}

/// `path` without symbolic links in `view`, as [`Tree::resolve`](crate::tree::Tree::resolve) finds it in files.
/// What is looked at on the way is added to `seen`.
fn resolve(
    view: &wharf_layer::View,
    path: &Path,
    seen: &mut BTreeSet<PathBuf>,
) -> Result<PathBuf, StepError> {
    let mut pending: Vec<OsString> = names(path).rev().collect();
    let mut found = PathBuf::new();
    let mut links = 0;
    while let Some(name) = pending.pop() {
        if name == ".." {
            found.pop();
            continue;
        }
        let next = found.join(&name);
        seen.insert(next.clone());
        let Some(Named { entry: Entry { kind: Kind::Symlink { target }, .. }, .. }) = view.find(&next)?
        else {
            found = next;
            continue;
        };
        links += 1;
        if links > LINKS_MAX {
            // Whoever goes there will find out, and say so.
            break;
        }
        if target.is_absolute() {
            found = PathBuf::new();
        }
        pending.extend(names(&target).rev());
    }
    Ok(found)
}
