//! A directory tree in which no path leads outside.
//!
//! Paths are walked part by part on open directories; symbolic links are read and followed as they would
//! be if the tree were the root file system. This needs no privilege, no `chroot` and no `openat2`,
//! which older container runtimes refuse.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    os::{fd::OwnedFd, unix::ffi::OsStringExt},
    path::{Component, Path, PathBuf},
    rc::Rc,
};

use rustix::{
    fs::{CWD, FileType, Mode, OFlags, fstat, openat, readlinkat},
    io::Errno,
};

use crate::Error;

/// How many symbolic links a path may pass, as in the kernel.
const MAX_LINKS: usize = 40;
/// Opens something only to walk on from there, which works on everything and has no effect on it.
const PASSING: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The tree below one directory.
#[derive(Debug)]
pub(crate) struct Tree {
    root: Rc<Place>,
    /// The last path asked for and where it led; entries that follow one another are mostly neighbours.
    latest: Option<(PathBuf, Rc<Place>)>,
}

/// An open directory of the tree.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) directory: OwnedFd,
    /// Its path from the root of the tree, without symbolic links.
    pub(crate) path: PathBuf,
}

/// Where a path leads.
#[derive(Debug)]
pub(crate) enum Arrival {
    At(Rc<Place>),
    /// The way ends here: `name` is no directory, or nothing at all.
    Stuck(Rc<Place>, OsString),
}

impl Tree {
    /// The tree below `directory`, which may itself be reached through symbolic links.
    pub(crate) fn open(directory: &Path) -> Result<Self, Error> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened =
            openat(CWD, directory, flags, Mode::empty()).map_err(Error::file("opening", directory))?;
        Ok(Self::at(opened))
    }

    /// The tree below an open directory.
    pub(crate) fn at(directory: OwnedFd) -> Self {
        Self { root: Rc::new(Place { directory, path: PathBuf::new() }), latest: None }
    }

    /// Walks to the directory `path`.
    pub(crate) fn enter(&mut self, path: &Path) -> Result<Arrival, Error> {
        let (mut here, rest) = self.start(path);
        let mut todo = parts(rest);
        let mut links = 0;
        while let Some(name) = todo.pop() {
            if name == ".." {
                here = self.parent(&here)?;
                continue;
            }
            let fail = |errno| Error::file("entering", here.path.join(&name))(errno);
            let child = match openat(&here.directory, &name, PASSING, Mode::empty()) {
                Err(Errno::NOENT) => return Ok(self.stuck(here, name)),
                child => child.map_err(fail)?,
            };
            match FileType::from_raw_mode(fstat(&child).map_err(fail)?.st_mode) {
                FileType::Directory => here = here.child(child, &name),
                FileType::Symlink if links == MAX_LINKS => return Err(fail(Errno::LOOP)),
                FileType::Symlink => {
                    links += 1;
                    let target = readlinkat(&child, "", Vec::new()).map_err(fail)?;
                    let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                    if target.has_root() {
                        here = Rc::clone(&self.root);
                    }
                    todo.extend(parts(&target));
                }
                _ => return Ok(self.stuck(here, name)),
            }
        }
        self.latest = Some((path.to_owned(), Rc::clone(&here)));
        Ok(Arrival::At(here))
    }

    /// The caller will make `name` and ask again: from here, then.
    fn stuck(&mut self, here: Rc<Place>, name: OsString) -> Arrival {
        self.latest = Some((here.path.clone(), Rc::clone(&here)));
        Arrival::Stuck(here, name)
    }

    /// Forgets what was found so far, after something was replaced that a path may have passed.
    pub(crate) fn forget(&mut self) {
        self.latest = None;
    }

    /// Where to begin on the way to `path`, and what of it remains.
    fn start<'p>(&self, path: &'p Path) -> (Rc<Place>, &'p Path) {
        let near =
            self.latest.as_ref().and_then(|(known, place)| Some((place, path.strip_prefix(known).ok()?)));
        near.map_or((Rc::clone(&self.root), path), |(place, rest)| (Rc::clone(place), rest))
    }

    /// The directory above, walked to from the root: `..` on the file system would follow a directory
    /// that was moved out of the tree.
    fn parent(&self, place: &Place) -> Result<Rc<Place>, Error> {
        let mut here = Rc::clone(&self.root);
        for name in place.path.parent().into_iter().flat_map(Path::iter) {
            let flags = PASSING | OFlags::DIRECTORY;
            let child = openat(&here.directory, name, flags, Mode::empty());
            here = here.child(child.map_err(Error::file("entering", here.path.join(name)))?, name);
        }
        Ok(here)
    }
}

impl Place {
    /// The directory opened for listing it and for changing it.
    pub(crate) fn reopen(&self) -> Result<File, Error> {
        open_directory(&self.directory, OsStr::new(".")).map_err(Error::file("opening", &self.path))
    }

    fn child(&self, directory: OwnedFd, name: &OsStr) -> Rc<Self> {
        Rc::new(Self { directory, path: self.path.join(name) })
    }
}

/// Opens the directory `name` in `parent`, and nothing but a directory.
pub(crate) fn open_directory(parent: &OwnedFd, name: &OsStr) -> rustix::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty()).map(File::from)
}

/// The parts of a path, last one first. What is left out (`.`, the leading slash) does not move.
fn parts(path: &Path) -> Vec<OsString> {
    let moving = |component: &Component<'_>| matches!(component, Component::Normal(_) | Component::ParentDir);
    path.components().rev().filter(moving).map(|component| component.as_os_str().to_owned()).collect()
}
