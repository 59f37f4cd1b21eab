//! Brings layers into directories: found, or fetched and unpacked, several at a time.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};
use rustix::io::Errno;
use wharf_layer::{Applied, ApplyOptions, Form, OpaqueXattr, Ownership, Shown};
use wharf_oci::{Descriptor, Digest};
use wharf_registry::{LayoutError, Progress};

use super::{Layer, Origin, Place};
use crate::engine::Engine;
use crate::error::{Cause, StepError};
use crate::event::{Event, Events};
use crate::id::Hasher;
use crate::state::LayerRecord;
use crate::witness;
use crate::work::WorkDirectory;

/// So many layers are fetched and unpacked at once.
const THREADS: usize = 4;

/// Brings layers into directories, for one build.
#[derive(Clone, Copy)]
pub(crate) struct Snapshots<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) work: &'a WorkDirectory,
    pub(crate) events: Events<'a>,
    /// The blobs of layers that a witness is to see.
    pub(crate) looked_at: &'a HashSet<Digest>,
}

impl Snapshots<'_> {
    /// The directories of `layers`, in the same order; some have several.
    pub(crate) fn directories(&self, layers: &[Arc<Layer>]) -> Result<Vec<PathBuf>, StepError> {
        if let Some(directories) = known_directories(layers) {
            return Ok(directories);
        }
        self.preflight(layers)?;
        self.unpack_side_by_side(layers)?;
        let mut directories = Vec::new();
        for (index, layer) in layers.iter().enumerate() {
            directories.extend(self.on_top_of(&layers[..index], layer)?.directories().cloned());
        }
        Ok(directories)
    }

    /// Whether the disk can take the layers that have no directory yet, and their blobs where they are not here.
    /// What a compressed layer becomes is not known beforehand; it hardly ever becomes less.
    fn preflight(&self, layers: &[Arc<Layer>]) -> Result<(), StepError> {
        let mut needed = 0;
        for (index, layer) in layers.iter().enumerate() {
            if !self.find(&layers[..index], layer, &mut layer.place())? {
                let blob = &layer.record()?.blob;
                let is_here = self.engine.store.size(&blob.digest) == Some(blob.size);
                needed += if is_here { blob.size } else { 2 * blob.size };
            }
        }
        crate::space::require(&self.engine.snapshots(), needed, "unpacking the layers below a step")
    }

    /// Unpacks every layer that can be unpacked without looking at those below it.
    fn unpack_side_by_side(&self, layers: &[Arc<Layer>]) -> Result<(), StepError> {
        let next = AtomicUsize::new(0);
        let failure = Mutex::new(None);
        std::thread::scope(|scope| {
            for _ in 0..THREADS.min(layers.len()) {
                scope.spawn(|| {
                    while let Some(index) =
                        Some(next.fetch_add(1, Ordering::Relaxed)).filter(|i| *i < layers.len())
                    {
                        if let Err(error) = self.unpack(&layers[..index], &layers[index]) {
                            next.store(layers.len(), Ordering::Relaxed);
                            failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                        }
                    }
                });
            }
        });
        failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// Finds or unpacks a layer, unless it needs those below.
    fn unpack(&self, below: &[Arc<Layer>], layer: &Layer) -> Result<(), StepError> {
        let mut place = layer.place();
        if self.find(below, layer, &mut place)? {
            return Ok(());
        }
        let record = layer.record()?;
        let [alone, stacked] = self.names(below, &record.diff_id)?;
        let (directory, implied) = self.apply_whole(layer, record, &[])?;
        if implied && !below.is_empty() {
            // Directories that the layer enters without naming them look like those below.
            return fs::remove_dir_all(&directory).map_err(Cause::file("removing", &directory));
        }
        *place = Some(Place::Whole(publish(&directory, if implied { &stacked } else { &alone })?));
        Ok(())
    }

    /// Whether the files of a layer are somewhere; where an earlier build left them is put into `place`.
    pub(super) fn find(
        &self,
        below: &[Arc<Layer>],
        layer: &Layer,
        place: &mut Option<Place>,
    ) -> Result<bool, StepError> {
        if place.is_none() {
            let diff_id = &layer.record()?.diff_id;
            let whole = self.names(below, diff_id)?.into_iter().find(|name| touch(name));
            *place = whole.map(Place::Whole).or_else(|| self.engine.find_delta(diff_id));
        }
        Ok(place.is_some())
    }

    /// What the directory of a layer is called: by itself, and where it holds on these layers only.
    fn names(&self, below: &[Arc<Layer>], diff_id: &Digest) -> Result<[PathBuf; 2], StepError> {
        Ok([self.engine.snapshot(diff_id), self.name_on_top_of(below, diff_id)?])
    }

    /// Where the files of a layer are, unpacked with those below in view if that has not been done without.
    fn on_top_of(&self, below: &[Arc<Layer>], layer: &Layer) -> Result<Place, StepError> {
        let mut place = layer.place();
        if let Some(place) = &*place {
            return Ok(place.clone());
        }
        let record = layer.record()?;
        let mut lowers = known_directories(below).unwrap_or_default();
        lowers.reverse(); // the topmost first
        let (directory, _) = self.apply_whole(layer, record, &lowers)?;
        let published = Place::Whole(publish(&directory, &self.name_on_top_of(below, &record.diff_id)?)?);
        *place = Some(published.clone());
        Ok(published)
    }

    /// The name of a snapshot that holds for this layer on top of these layers only.
    fn name_on_top_of(&self, below: &[Arc<Layer>], diff_id: &Digest) -> Result<PathBuf, StepError> {
        let mut hasher = Hasher::new("below");
        for lower in below {
            hasher.text(lower.record()?.diff_id.as_ref());
        }
        let id = hasher.finish().to_string();
        Ok(self.engine.snapshots().join(format!("{}-{}", diff_id.digest(), &id[..16])))
    }

    /// Unpacks a layer into a new directory; if its blob turns out damaged, once more from where it came.
    fn apply_whole(
        &self,
        layer: &Layer,
        record: &LayerRecord,
        lowers: &[PathBuf],
    ) -> Result<(PathBuf, bool), StepError> {
        self.fetch(layer, &record.blob)?;
        (self.events)(Event::Unpacking { diff_id: record.diff_id.clone() });
        let first = self.apply(record, lowers);
        let Err(error) = first else { return first };
        match self.engine.store.verify(&record.blob) {
            Err(LayoutError::Corrupt { .. } | LayoutError::Missing { .. }) => {}
            _ => return Err(error),
        }
        self.engine.store.discard(&record.blob.digest)?;
        if layer.origin.is_none() {
            return Err(Cause::Damaged { digest: record.blob.digest.clone() }.into());
        }
        let text = format!("layer {} in the store was damaged and is fetched again", record.blob.digest);
        (self.events)(Event::Warning { text });
        self.fetch(layer, &record.blob)?;
        self.apply(record, lowers)
    }

    fn apply(&self, record: &LayerRecord, lowers: &[PathBuf]) -> Result<(PathBuf, bool), StepError> {
        let directory = self.work.path("layer");
        fs::create_dir(&directory).map_err(Cause::file("making directory", &directory))?;
        let options = ApplyOptions {
            lowers: lowers.to_vec(),
            outline: true,
            ..ApplyOptions::new(Form::Overlay(self.engine.opaque()), self.engine.ownership())
        };
        let applied = self.apply_to(&directory, record, &options)?;
        self.engine.keep_outline(&record.diff_id, applied.outline.as_ref())?;
        Ok((directory, !applied.implied.is_empty()))
    }

    /// Applies a layer that is in the store.
    pub(super) fn apply_to(
        &self,
        directory: &Path,
        record: &LayerRecord,
        options: &ApplyOptions,
    ) -> Result<Applied, StepError> {
        let blob = self.engine.store.open_blob(&record.blob.digest)?;
        let apply = |shown| {
            let applied = wharf_layer::apply_shown(blob, directory, options, shown)?;
            Ok((applied.diff_id.clone(), applied))
        };
        self.reading(record, apply)
    }

    /// Reads a layer with `read`, which gives its diff_id, too, and checks that it is the one that the config names.
    /// If it becomes part of an image, the witness sees it.
    pub(super) fn reading<T>(
        &self,
        record: &LayerRecord,
        read: impl FnOnce(Option<Shown>) -> Result<(Digest, T), wharf_layer::Error>,
    ) -> Result<T, StepError> {
        let blob = &record.blob.digest;
        let witness = self.engine.witness.as_ref();
        let witness = witness.filter(|witness| self.looked_at.contains(blob) && !witness.knows(blob));
        let checked = |shown| -> Result<T, StepError> {
            let (actual, read) = read(shown)?;
            match actual == record.diff_id {
                true => Ok(read),
                false => {
                    let expected = record.diff_id.clone();
                    Err(wharf_layer::Error::DigestMismatch { expected, actual }.into())
                }
            }
        };
        witness::shown(witness, checked, |_| blob.clone())
    }

    /// Brings the blob of a layer into the store.
    pub(crate) fn fetch(&self, layer: &Layer, blob: &Descriptor) -> Result<(), StepError> {
        if self.engine.store.size(&blob.digest) == Some(blob.size) {
            return Ok(());
        }
        let fetched = self.fetch_from_origin(layer, blob);
        match fetched {
            // The step can run again.
            Err(error) if layer.created.is_some() => {
                let text = format!("layer {} cannot be had from the cache: {error}", blob.digest);
                (self.events)(Event::Warning { text });
                Err(Cause::Damaged { digest: blob.digest.clone() }.into())
            }
            fetched => fetched,
        }
    }

    fn fetch_from_origin(&self, layer: &Layer, blob: &Descriptor) -> Result<(), StepError> {
        match &layer.origin {
            Some(Origin::Registry(reference)) => {
                let what = reference.to_string();
                let progress = |event| self.transfer(&what, event);
                let progress: Progress<'_> = &progress;
                let engine = self.engine;
                let fetch =
                    wharf_registry::fetch_blob(&engine.client, reference, blob, &engine.store, progress);
                engine.runtime.block_on(fetch)?;
                Ok(())
            }
            Some(Origin::Layout(layout)) => copy_blob(layout, &self.engine.store, blob),
            None => Err(Cause::Damaged { digest: blob.digest.clone() }.into()),
        }
    }

    fn transfer(&self, what: &str, event: wharf_registry::Event) {
        match event {
            wharf_registry::Event::Advanced { digest, done, total } => {
                (self.events)(Event::Transfer { what: what.to_owned(), digest, done, total });
            }
            wharf_registry::Event::Finished { digest, total, .. } => {
                (self.events)(Event::Transfer { what: what.to_owned(), digest, done: total, total });
            }
            wharf_registry::Event::Retrying { what, cause, .. } => {
                (self.events)(Event::Note { text: format!("{what}: {cause}; trying again") });
            }
            wharf_registry::Event::Warning { registry, text } => {
                (self.events)(Event::Warning { text: format!("{registry}: {text}") });
            }
            _ => {}
        }
    }
}

/// The directories of `layers`, if the files of all of them are somewhere.
fn known_directories(layers: &[Arc<Layer>]) -> Option<Vec<PathBuf>> {
    let places: Vec<Place> = layers.iter().map(|layer| layer.place().clone()).collect::<Option<_>>()?;
    Some(places.iter().flat_map(Place::directories).cloned().collect())
}

/// Copies a blob from one layout into another, verified.
pub(crate) fn copy_blob(
    from: &wharf_registry::Layout,
    to: &wharf_registry::Layout,
    blob: &Descriptor,
) -> Result<(), StepError> {
    let mut source = from.open_blob(&blob.digest)?;
    let mut writer = to.writer()?;
    io::copy(&mut source, &mut writer).map_err(Cause::file("copying", &from.path(&blob.digest)))?;
    writer.commit(Some(&blob.digest))?;
    Ok(())
}

/// Notes in its time of access that a snapshot is in use, so that pruning spares it, and takes others first. That
/// time is part of no layer. Returns whether the snapshot is there: asked in any other way, it may be gone before
/// the time is noted.
pub(super) fn touch(snapshot: &Path) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW as _ };
    let same = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT as _ };
    let times = Timestamps { last_access: now, last_modification: same };
    rustix::fs::utimensat(CWD, snapshot, &times, AtFlags::SYMLINK_NOFOLLOW).is_ok()
}

/// Gives the finished directory `from` its name `to`, unless somebody else was faster; gives where it is now.
/// A directory that came too late stays where it is, as others may be looking at it.
pub(crate) fn publish(from: &Path, to: &Path) -> Result<PathBuf, StepError> {
    // Its times may be those that a layer says.
    touch(from);
    loop {
        match fs::rename(from, to).map_err(|error| (error.raw_os_error(), error)) {
            Ok(()) => return Ok(to.to_owned()),
            Err((Some(code), _))
                if [Errno::EXIST, Errno::NOTEMPTY].iter().any(|e| e.raw_os_error() == code) =>
            {
                // One that is pruned in this moment makes room.
                if touch(to) {
                    return Ok(to.to_owned());
                }
            }
            // An empty directory is replaced by a rename, and a file cannot be there.
            Err((_, error)) => return Err(Cause::file("naming", to)(error)),
        }
    }
}

impl Engine {
    /// Where snapshots are.
    pub(crate) fn snapshots(&self) -> PathBuf {
        self.data.join("snapshots")
    }

    /// The snapshot of a layer that is the same whatever is below it.
    pub(crate) fn snapshot(&self, diff_id: &Digest) -> PathBuf {
        self.snapshots().join(diff_id.digest())
    }

    /// Which attribute marks opaque directories in them.
    pub(crate) fn opaque(&self) -> OpaqueXattr {
        if self.sandbox.user_xattrs() { OpaqueXattr::User } else { OpaqueXattr::Trusted }
    }

    /// Where owners are kept in them.
    pub(crate) fn ownership(&self) -> Ownership {
        match self.sandbox.rung() {
            wharf_sandbox::Rung::SingleId => Ownership::Recorded,
            _ => Ownership::Real,
        }
    }
}
