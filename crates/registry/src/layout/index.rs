//! Names: `index.json`, read by anybody, changed by one at a time.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use wharf_oci::{Descriptor, Index};

use super::{Doing, Layout, LayoutError};

/// The annotation under which a descriptor in `index.json` carries its name.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The parsed index and the file it came from; a rename gives a new inode, so a change is always seen.
#[derive(Debug)]
pub(super) struct Cached {
    stamp: (u64, u64, i64, i64),
    index: Arc<Index>,
}

impl Layout {
    fn index_path(&self) -> PathBuf {
        self.root.join("index.json")
    }

    pub(super) fn create_index(&self) -> Result<(), LayoutError> {
        if self.index_path().exists() {
            return Ok(());
        }
        let _lock = self.lock_index()?;
        // Somebody else may have been faster.
        if self.index_path().exists() { Ok(()) } else { self.write_index(&Index::new(Vec::new())) }
    }

    /// The document as it is now.
    pub fn index(&self) -> Result<Arc<Index>, LayoutError> {
        let path = self.index_path();
        let file = File::open(&path).doing("opening", &path)?;
        let metadata = file.metadata().doing("examining", &path)?;
        let stamp = (metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec());
        let mut cached = self.cached.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(cached) = cached.as_ref().filter(|cached| cached.stamp == stamp) {
            return Ok(cached.index.clone());
        }
        let text = std::io::read_to_string(file).doing("reading", &path)?;
        let index: Index = serde_json::from_str(&text)
            .map_err(|source| LayoutError::Malformed { path: path.clone(), source })?;
        let index = Arc::new(index);
        *cached = Some(Cached { stamp, index: index.clone() });
        Ok(index)
    }

    /// Changes the index while no other process does; it is written only if `change` changed it.
    pub fn update<T>(&self, change: impl FnOnce(&mut Index) -> T) -> Result<T, LayoutError> {
        let _lock = self.lock_index()?;
        let before = self.index()?;
        let mut after = Index::clone(&before);
        let outcome = change(&mut after);
        if after != *before {
            self.write_index(&after)?;
        }
        Ok(outcome)
    }

    /// Held until dropped; blocks while another thread or process holds it.
    pub(super) fn lock_index(&self) -> Result<File, LayoutError> {
        let path = self.root.join("index.lock");
        let file =
            File::options().write(true).create(true).truncate(false).open(&path).doing("opening", &path)?;
        file.lock().doing("locking", &path)?;
        Ok(file)
    }

    fn write_index(&self, index: &Index) -> Result<(), LayoutError> {
        let path = self.index_path();
        let bytes = serde_json::to_vec(index)
            .map_err(|source| LayoutError::Malformed { path: path.clone(), source })?;
        self.replace(&path, &bytes)
    }

    /// What `name` stands for.
    pub fn resolve(&self, name: &str) -> Result<Option<Descriptor>, LayoutError> {
        Ok(self.index()?.manifests.iter().find(|entry| name_of(entry) == Some(name)).map(without_name))
    }

    /// Every name and what it stands for, sorted by name.
    pub fn refs(&self) -> Result<Vec<(String, Descriptor)>, LayoutError> {
        let index = self.index()?;
        let named = |entry: &Descriptor| Some((name_of(entry)?.to_owned(), without_name(entry)));
        let mut refs: Vec<_> = index.manifests.iter().filter_map(named).collect();
        refs.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(refs)
    }

    /// Lets `name` stand for `descriptor`, whatever it stood for before.
    pub fn tag(&self, name: &str, descriptor: &Descriptor) -> Result<(), LayoutError> {
        self.update(|index| set_name(index, name, descriptor))
    }

    /// Lets `name` stand for `descriptor` only if it stands for nothing yet; returns whether it did so. Of
    /// several processes that try at once exactly one succeeds.
    pub fn tag_if_absent(&self, name: &str, descriptor: &Descriptor) -> Result<bool, LayoutError> {
        self.update(|index| {
            let absent = !index.manifests.iter().any(|entry| name_of(entry) == Some(name));
            if absent {
                set_name(index, name, descriptor);
            }
            absent
        })
    }

    /// Forgets `name`; returns whether it was known. What it stood for stays until it is pruned.
    pub fn untag(&self, name: &str) -> Result<bool, LayoutError> {
        self.update(|index| {
            let before = index.manifests.len();
            index.manifests.retain(|entry| name_of(entry) != Some(name));
            index.manifests.len() < before
        })
    }
}

pub(super) fn name_of(entry: &Descriptor) -> Option<&str> {
    entry.annotations.get(REF_NAME).map(String::as_str)
}

pub(super) fn without_name(entry: &Descriptor) -> Descriptor {
    let mut descriptor = entry.clone();
    descriptor.annotations.remove(REF_NAME);
    descriptor
}

pub(super) fn set_name(index: &mut Index, name: &str, descriptor: &Descriptor) {
    index.manifests.retain(|entry| name_of(entry) != Some(name));
    let mut entry = descriptor.clone();
    entry.annotations.insert(REF_NAME.into(), name.into());
    index.manifests.push(entry);
}
