//! The merged view of a stack of layer directories in overlay form, without mounting it.
//!
//! A directory of the view is made of the directories of that path in some of the layers. Which ones is
//! worked out on the way down from the root, so that no look-up passes a symbolic link: a path is asked
//! for in a layer only once all its parents are known to be directories there.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, Metadata},
    io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Component, Path, PathBuf},
};

use crate::{Error, OpaqueXattr, inode};

/// Layer directories, topmost first.
#[derive(Debug)]
pub(crate) struct Stack<'a> {
    layers: &'a [PathBuf],
}

/// Which layers take part in a directory of the view, topmost first, as indexes into the stack.
pub(crate) type Parts = Vec<usize>;

/// An entry of the view.
#[derive(Debug)]
pub(crate) struct Found {
    /// Where it really is.
    pub(crate) file: PathBuf,
    pub(crate) metadata: Metadata,
    /// Of a directory, the layers that have a part in it.
    pub(crate) parts: Parts,
}

impl<'a> Stack<'a> {
    pub(crate) fn new(layers: &'a [PathBuf]) -> Self {
        Self { layers }
    }

    /// The layers that make up the root directory: all.
    pub(crate) fn root(&self) -> Parts {
        (0..self.layers.len()).collect()
    }

    /// Where `path` is in one layer.
    pub(crate) fn place(&self, layer: usize, path: &Path) -> PathBuf {
        self.layers[layer].join(path)
    }

    /// The entry at `path`, whose parent directory is made of `parts`.
    pub(crate) fn find_in(&self, parts: &[usize], path: &Path) -> Result<Option<Found>, Error> {
        let mut found: Option<Found> = None;
        for &layer in parts {
            let file = self.layers[layer].join(path);
            let Some(metadata) = lstat(&file)? else { continue };
            let is_directory = metadata.is_dir();
            // Only directories merge, and a whiteout hides what is below it.
            if is_whiteout(&metadata) || (found.is_some() && !is_directory) {
                break;
            }
            let is_last = !is_directory || is_opaque(&file)?;
            let found = found.get_or_insert_with(|| Found { file, metadata, parts: Parts::new() });
            if is_directory {
                found.parts.push(layer);
            }
            if is_last {
                break;
            }
        }
        Ok(found)
    }

    /// The entry at `path`, looked for from the root without following symbolic links.
    pub(crate) fn find(&self, path: &Path) -> Result<Option<Found>, Error> {
        let mut parts = self.root();
        let mut sofar = PathBuf::new();
        let mut found = None;
        for component in path.components() {
            let Component::Normal(name) = component else { return Ok(None) };
            if parts.is_empty() {
                return Ok(None);
            }
            sofar.push(name);
            found = self.find_in(&parts, &sofar)?;
            parts = found.as_ref().map(|found| found.parts.clone()).unwrap_or_default();
        }
        Ok(found)
    }

    /// The names in the directory `path`, made of `parts`.
    pub(crate) fn names(&self, parts: &[usize], path: &Path) -> Result<BTreeSet<OsString>, Error> {
        let mut names = BTreeSet::new();
        let mut hidden = BTreeSet::new();
        for &layer in parts {
            let directory = self.layers[layer].join(path);
            for name in inode::list(&directory)? {
                let is_removed =
                    lstat(&directory.join(&name))?.is_some_and(|metadata| is_whiteout(&metadata));
                if is_removed && !names.contains(&name) {
                    hidden.insert(name);
                } else if !hidden.contains(&name) {
                    names.insert(name);
                }
            }
        }
        Ok(names)
    }
}

/// Whether overlayfs takes this for the removal of an entry.
pub(crate) fn is_whiteout(metadata: &Metadata) -> bool {
    metadata.file_type().is_char_device() && metadata.rdev() == 0
}

/// Whether overlayfs takes this directory to hide the lower ones.
pub(crate) fn is_opaque(directory: &Path) -> Result<bool, Error> {
    for xattr in OpaqueXattr::ALL {
        if inode::xattr(directory, xattr.name())?.as_deref() == Some(b"y") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What `path` itself is, if it is anything.
pub(crate) fn lstat(path: &Path) -> Result<Option<Metadata>, Error> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(inode::failed("examining", path)(error)),
    }
}
