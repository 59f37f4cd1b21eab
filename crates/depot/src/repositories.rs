//! The data directory: one OCI layout for each repository.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use wharf_oci::Digest;
use wharf_registry::{Layout, LayoutError};

/// The repositories under one directory. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Repositories {
    root: Arc<PathBuf>,
    opened: Arc<Mutex<HashMap<String, Layout>>>,
}

impl Repositories {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: Arc::new(root.into()), opened: Arc::default() }
    }

    /// Where the layout of `name` is; the name is valid, so it holds nothing that leads elsewhere.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        self.root.join(name.replace('/', "+"))
    }

    /// The layout of the repository, if there is one.
    pub(crate) fn get(&self, name: &str) -> Result<Option<Layout>, LayoutError> {
        let directory = self.directory(name);
        if !directory.join("oci-layout").exists() {
            return Ok(None);
        }
        self.create(name).map(Some)
    }

    /// The layout of the repository, made if there is none.
    pub(crate) fn create(&self, name: &str) -> Result<Layout, LayoutError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(layout) = opened.get(name).filter(|layout| layout.root().join("oci-layout").exists()) {
            return Ok(layout.clone());
        }
        let layout = Layout::open(self.directory(name))?;
        opened.insert(name.into(), layout.clone());
        Ok(layout)
    }

    /// A repository that has the blob.
    pub(crate) fn holder(&self, digest: &Digest) -> Result<Option<Layout>, LayoutError> {
        for name in self.names() {
            if let Some(layout) = self.get(&name)?.filter(|layout| layout.has(digest)) {
                return Ok(Some(layout));
            }
        }
        Ok(None)
    }

    /// The names of all repositories, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.root.as_path()).into_iter().flatten().flatten();
        let layouts = entries.filter(|entry| entry.path().join("oci-layout").exists());
        let mut names: Vec<String> =
            layouts.filter_map(|entry| Some(entry.file_name().to_str()?.replace('+', "/"))).collect();
        names.sort_unstable();
        names
    }
}
