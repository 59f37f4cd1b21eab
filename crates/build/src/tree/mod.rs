//! Trees of files that are read without being led out of them: build contexts and root file systems.
//!
//! Whatever a symbolic link says, a path is looked up as if the tree's root were `/`. Lookups walk the path
//! themselves and then open what they found with `openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)`, so a link
//! that appears in between makes an error and nothing worse.

mod digest;
mod entry;
mod memo;
mod pick;
mod walk;

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use wharf_dockerfile::IgnorePatterns;

pub(crate) use digest::{CAPABILITY, Contents, capability, digest};
pub(crate) use entry::{Entry, Kind, Meta, Moment};
pub(crate) use memo::Memo;
pub(crate) use pick::{Pick, PickError, Query, pick};

/// Symbolic links followed in one lookup before it counts as a loop, as in the kernel.
pub(crate) const LINKS_MAX: usize = 40;

/// A tree of files.
#[derive(Debug)]
pub(crate) struct Tree {
    root: OwnedFd,
    path: PathBuf,
    ignore: Option<Arc<IgnorePatterns>>,
    owners: Owners,
}

/// Whom files belong to once they are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owners {
    /// Everything belongs to root, and nothing has extended attributes: build contexts.
    Root,
    /// As the file system says.
    Kept,
}

impl Tree {
    /// The tree at `path`.
    pub(crate) fn open(path: &Path, owners: Owners) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
        Ok(Self { root, path: path.to_owned(), ignore: None, owners })
    }

    /// The same tree without what `patterns` name.
    pub(crate) fn ignoring(mut self, patterns: Arc<IgnorePatterns>) -> Self {
        self.ignore = Some(patterns);
        self
    }

    /// Where the tree is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    pub(crate) fn owners(&self) -> Owners {
        self.owners
    }

    /// `path` without symbolic links, relative to the root. What does not exist is kept as it is.
    pub(crate) fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        let mut pending: Vec<OsString> = names(path).rev().collect();
        let mut found = PathBuf::new();
        let mut links = 0;
        while let Some(name) = pending.pop() {
            if name == ".." {
                found.pop();
                continue;
            }
            let next = found.join(&name);
            match rustix::fs::readlinkat(&self.root, &next, Vec::new()) {
                Ok(target) => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(Errno::LOOP.into());
                    }
                    let target = PathBuf::from(into_os_string(target.into_bytes()));
                    if target.is_absolute() {
                        found = PathBuf::new();
                    }
                    pending.extend(names(&target).rev());
                }
                Err(Errno::INVAL | Errno::NOENT | Errno::NOTDIR) => found = next,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(found)
    }

    /// What is at `path`, which holds no symbolic links but perhaps in its last part.
    pub(crate) fn meta(&self, path: &Path) -> io::Result<Option<Meta>> {
        match rustix::fs::statat(&self.root, here(path), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Meta::from(&stat))),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens what is at `path`, which holds no symbolic links.
    pub(crate) fn open_at(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        open_beneath(self.root(), path, flags)
    }

    /// Opens the regular file at `path` for reading, following symbolic links inside the tree.
    pub(crate) fn open_file(&self, path: &Path) -> io::Result<File> {
        let path = self.resolve(path)?;
        let file = File::from(self.open_at(&path, OFlags::RDONLY | OFlags::NONBLOCK)?);
        if file.metadata()?.is_file() { Ok(file) } else { Err(Errno::INVAL.into()) }
    }

    /// Whether the ignore file lets `path` through: it, or something in it.
    fn is_visible(&self, path: &Path) -> io::Result<bool> {
        match &self.ignore {
            Some(ignore) if ignore.matches(&path.to_string_lossy()) => {
                let is_dir = self.meta(path)?.is_some_and(|meta| meta.is_dir());
                Ok(is_dir && walk::any_visible(self, path)?)
            }
            _ => Ok(true),
        }
    }
}

/// Opens `path` beneath `directory` without following symbolic links.
pub(crate) fn open_beneath(directory: BorrowedFd<'_>, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(rustix::fs::openat2(directory, here(path), flags, Mode::empty(), resolve)?)
}

/// An empty path means the directory itself, which system calls want to see written.
pub(crate) fn here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

/// The names in a path; a leading or doubled slash and `.` say nothing.
pub(crate) fn names(path: &Path) -> impl DoubleEndedIterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

fn into_os_string(bytes: Vec<u8>) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_inside_the_tree_and_never_out_of_it() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path();
        std::fs::create_dir_all(root.join("real/inner")).unwrap();
        std::fs::write(root.join("real/file"), "x").unwrap();
        symlink("real", root.join("relative")).unwrap();
        symlink("/real/inner/..", root.join("absolute")).unwrap();
        symlink("../../../../real", root.join("real/up")).unwrap();
        symlink("/etc/passwd", root.join("passwd")).unwrap();
        symlink("turn", root.join("turn")).unwrap();
        let tree = Tree::open(root, Owners::Root).unwrap();
        let resolve = |path: &str| tree.resolve(Path::new(path)).map(|p| p.to_string_lossy().into_owned());
        assert_eq!(resolve("/relative/file").unwrap(), "real/file");
        assert_eq!(resolve("absolute/file").unwrap(), "real/file");
        assert_eq!(resolve("real/up/up/up/file").unwrap(), "real/file");
        assert_eq!(resolve("/../../x/../real").unwrap(), "real");
        assert_eq!(resolve("passwd").unwrap(), "etc/passwd");
        assert_eq!(resolve("nowhere/at/all").unwrap(), "nowhere/at/all");
        assert!(resolve("turn").is_err());
        assert!(tree.open_file(Path::new("passwd")).is_err());
        assert!(tree.open_file(Path::new("relative/file")).is_ok());
    }
}
