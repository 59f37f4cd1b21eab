//! What is there: read from the database, the store and the directories.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, Mode, OFlags};
use wharf_oci::{Descriptor, Digest};

use super::{Item, ItemKind, Usage};
use crate::engine::Engine;
use crate::error::BuildError;
use crate::snapshot::stands_on;
use crate::state::LayerRecord;

/// An item, and what has to go for it.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) item: Item,
    /// When it was made, as far as that is known: of what was last used together, the last goes first, as what
    /// was built on another is of no use without it.
    pub(super) made: i64,
    pub(super) blobs: Vec<Digest>,
    pub(super) directories: Vec<PathBuf>,
}

/// Everything that is there.
pub(super) struct Inventory {
    pub(super) usage: Usage,
    /// In the order of `usage.items`.
    pub(super) found: Vec<Found>,
}

impl Engine {
    /// What the data directory holds.
    ///
    /// # Errors
    /// Fails when the database or the store cannot be read.
    pub fn usage(&self) -> Result<Usage, BuildError> {
        Ok(inventory(self, &[])?.usage)
    }
}

/// Looks at everything. What `keep` leads to is no item, and neither is what an image with a name needs.
pub(super) fn inventory(engine: &Engine, keep: &[Descriptor]) -> Result<Inventory, BuildError> {
    let names = engine.store.refs()?;
    let blobs = engine.store.blobs()?;
    let named = engine.store.reachable(names.iter().map(|(_, descriptor)| descriptor))?;
    let kept = engine.store.reachable(keep)?;
    let mut kept_snapshots = diff_ids(engine, &kept);
    let size = |digest: &Digest| blobs.get(digest).copied().unwrap_or(0);
    let is_free = |digest: &Digest| !named.contains(digest) && !kept.contains(digest);

    let mut snapshots = snapshots(engine);
    let below_kept = kept_snapshots.iter().filter_map(|id| snapshots.get(id)).flatten();
    let below_kept: Vec<String> =
        below_kept.filter_map(|place| stands_on(place)).map(|below| id(&below)).collect();
    kept_snapshots.extend(below_kept);
    let mut found = Vec::new();
    let mut in_steps = HashSet::new();
    for (layer, made, used) in layers_of_steps(engine)? {
        in_steps.insert(layer.blob.digest.clone());
        let id = layer.diff_id.digest();
        if kept_snapshots.contains(id) {
            continue;
        }
        let directories = snapshots.remove(id).unwrap_or_default();
        let mut freed: u64 = directories.iter().map(|place| disk_size(place)).sum();
        let mut own = Vec::new();
        if is_free(&layer.blob.digest) {
            freed += size(&layer.blob.digest);
            own.push(layer.blob.digest.clone());
        }
        let item = Item { id: layer.blob.digest.digest().into(), kind: ItemKind::Step, size: freed, used };
        found.push(Found { item, made, blobs: own, directories });
    }
    for (id, directories) in snapshots.into_iter().filter(|(id, _)| !kept_snapshots.contains(id.as_str())) {
        let used = directories.iter().filter_map(|place| fs::metadata(place).ok());
        let used = used.map(|metadata| metadata.atime()).max().unwrap_or(0);
        let size = directories.iter().map(|place| disk_size(place)).sum();
        found.push(Found {
            item: Item { id, kind: ItemKind::Snapshot, size, used },
            made: 0,
            blobs: Vec::new(),
            directories,
        });
    }
    for (digest, size) in blobs.iter().filter(|(digest, _)| is_free(digest) && !in_steps.contains(*digest)) {
        let used = fs::metadata(engine.store.path(digest)).map_or(0, |metadata| metadata.mtime());
        let item = Item { id: digest.digest().into(), kind: ItemKind::Blob, size: *size, used };
        found.push(Found { item, made: 0, blobs: vec![digest.clone()], directories: Vec::new() });
    }
    found.extend(cache_mounts(engine));
    age_with_deltas(&mut found);
    found.sort_by(|a, b| {
        let order = |found: &Found| (found.item.used, Reverse(found.made));
        order(a).cmp(&order(b)).then_with(|| a.item.id.cmp(&b.item.id))
    });
    let usage = Usage {
        images: names.len(),
        image_bytes: named.iter().map(size).sum(),
        items: found.iter().map(|found| found.item.clone()).collect(),
    };
    Ok(Inventory { usage, found })
}

/// The layers that steps made, each once, with the time of their last use.
fn layers_of_steps(engine: &Engine) -> Result<Vec<(LayerRecord, i64, i64)>, BuildError> {
    let mut layers: HashMap<Digest, (LayerRecord, i64, i64)> = HashMap::new();
    for (layer, made, used) in engine.state.step_layers()? {
        let known = layers.entry(layer.blob.digest.clone()).or_insert((layer, made, used));
        known.2 = known.2.max(used);
    }
    Ok(layers.into_values().collect())
}

/// The snapshots by the diff ID of their layer; a layer may have one for each stack below it.
fn snapshots(engine: &Engine) -> BTreeMap<String, Vec<PathBuf>> {
    let mut snapshots: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for entry in fs::read_dir(engine.snapshots()).into_iter().flatten().flatten() {
        snapshots.entry(id(&entry.path())).or_default().push(entry.path());
    }
    snapshots
}

/// The diff ID of the layer that a snapshot is of.
fn id(snapshot: &Path) -> String {
    let name = snapshot.file_name().unwrap_or_default().to_string_lossy();
    name.split('-').next().unwrap_or(&name).to_owned()
}

/// What a delta stands on is used whenever the delta is, and goes after it.
fn age_with_deltas(found: &mut [Found]) {
    let mut used: HashMap<PathBuf, i64> = HashMap::new();
    for found in found.iter() {
        for below in found.directories.iter().filter_map(|directory| stands_on(directory)) {
            let latest = used.entry(below).or_insert(i64::MIN);
            *latest = found.item.used.max(*latest);
        }
    }
    for found in found {
        let by_deltas = found.directories.iter().filter_map(|directory| used.get(directory)).max();
        found.item.used = by_deltas.map_or(found.item.used, |used| found.item.used.max(*used));
    }
}

/// The diff IDs of the layers of all images among `digests`.
fn diff_ids(engine: &Engine, digests: &HashSet<Digest>) -> HashSet<String> {
    let config = |digest: &Digest| {
        let small = engine.store.size(digest)? <= wharf_registry::DOCUMENT_MAX;
        let bytes = engine.store.read(digest).ok().filter(|bytes| small && bytes.starts_with(b"{"))?;
        serde_json::from_slice::<wharf_oci::ImageConfig>(&bytes).ok()
    };
    let configs = digests.iter().filter_map(config);
    configs.flat_map(|config| config.rootfs.diff_ids).map(|id| id.digest().to_owned()).collect()
}

fn cache_mounts(engine: &Engine) -> Vec<Found> {
    let entries = fs::read_dir(engine.data.join("cache-mounts")).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    directories
        .map(|entry| {
            let path = entry.path();
            let used = fs::metadata(path.with_extension("lock")).map_or(0, |metadata| metadata.mtime());
            let id = entry.file_name().to_string_lossy().into_owned();
            let item = Item { id, kind: ItemKind::CacheMount, size: disk_size(&path), used };
            Found { item, made: 0, blobs: Vec::new(), directories: vec![path] }
        })
        .collect()
}

/// What a directory takes on the disk, hard links counted once.
fn disk_size(root: &Path) -> u64 {
    let mut seen = HashSet::new();
    let mut total = 0;
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for path in paths_in(&directory) {
            // What goes away meanwhile takes nothing.
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
            if metadata.nlink() < 2 || metadata.is_dir() || seen.insert((metadata.dev(), metadata.ino())) {
                total += on_disk(&metadata);
            }
            if metadata.is_dir() {
                pending.push(path);
            }
        }
    }
    total
}

/// What is in a directory, read without a trace: its time of access says when somebody used it.
fn paths_in(directory: &Path) -> Vec<PathBuf> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = |flags| rustix::fs::open(directory, flags, Mode::empty());
    let opened = open(flags | OFlags::NOATIME).or_else(|_| open(flags)).and_then(Dir::new);
    let entries = opened.into_iter().flatten().flatten();
    let names = entries.map(|entry| OsString::from_vec(entry.file_name().to_bytes().to_vec()));
    names.filter(|name| name != "." && name != "..").map(|name| directory.join(name)).collect()
}

fn on_disk(metadata: &Metadata) -> u64 {
    metadata.blocks() * 512
}
