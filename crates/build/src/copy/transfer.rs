//! Writes picked files, one after another, at their destination.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use wharf_layer::Ownership;

use super::attributes::{Attributes, set_owner, times};
use crate::error::{Cause, StepError};
use crate::tree::{Entry, Kind, Meta, Moment, Owners, Pick, Tree, capability, here, open_beneath};

const BUFFER: usize = 256 << 10;

/// One copy in progress.
pub(super) struct Transfer<'a> {
    source: &'a Tree,
    root: &'a Tree,
    attributes: Attributes<'a>,
    /// With `--parents`, directories that were there before keep their attributes.
    parents: bool,
    /// Where a file with several names was copied to first.
    links: HashMap<(u64, u64), PathBuf>,
    /// The directories on the way to the current entry, outermost first.
    open: Vec<Directory>,
    buffer: Vec<u8>,
    /// Files get further names instead of being copied.
    pub(super) names: bool,
    /// A file that was no longer as it had been picked.
    pub(super) changed: Option<PathBuf>,
}

/// A directory that is being filled.
struct Directory {
    /// Relative to the pick.
    path: PathBuf,
    source: Rc<OwnedFd>,
    target: Rc<OwnedFd>,
    /// What it gets when it is full, since filling it changes its time.
    finish: Option<Meta>,
    /// The time that it gets instead, and nothing else.
    time: Option<Moment>,
}

impl<'a> Transfer<'a> {
    pub(super) fn new(source: &'a Tree, root: &'a Tree, attributes: Attributes<'a>, parents: bool) -> Self {
        let (links, open, buffer) = (HashMap::new(), Vec::new(), vec![0; BUFFER]);
        Self { source, root, attributes, parents, links, open, buffer, names: false, changed: None }
    }

    /// Copies `pick` to `dest`, a path without symbolic links whose parent exists; of a directory, the
    /// contents go into `dest`, which exists.
    pub(super) fn run(&mut self, pick: &Pick, dest: &Path) -> Result<(), StepError> {
        for entry in &pick.entries {
            let target = Path::new("/").join(dest).join(&entry.path);
            self.entry(pick, dest, entry).map_err(|failure| failure.explain(&target))?;
        }
        self.close_until(None).map_err(|failure| failure.explain(&Path::new("/").join(dest)))
    }

    fn entry(&mut self, pick: &Pick, dest: &Path, entry: &Entry) -> Result<(), Failure> {
        if entry.path.as_os_str().is_empty() {
            return self.top(pick, dest, &entry.meta);
        }
        self.close_until(entry.path.parent())?;
        let Some(directory) = self.open.last() else { return Err(Errno::NOENT.into()) };
        let name = entry.path.file_name().unwrap_or_default();
        if !entry.meta.is_dir() {
            let (source, target) = (directory.source.clone(), directory.target.clone());
            let place = Place { source: &source, source_name: name, target: &target, name };
            return self.leaf(&place, &entry.meta, &dest.join(&entry.path));
        }
        let created = make_directory(&directory.target, name)?;
        let finish = (created || (!entry.implied && !self.parents)).then_some(entry.meta);
        let opened = Directory {
            source: Rc::new(open_directory(&directory.source, name)?),
            target: Rc::new(open_directory(&directory.target, name)?),
            path: entry.path.clone(),
            finish,
            time: None,
        };
        self.open.push(opened);
        Ok(())
    }

    /// What was picked itself.
    fn top(&mut self, pick: &Pick, dest: &Path, meta: &Meta) -> Result<(), Failure> {
        if meta.is_dir() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY;
            let source = Rc::new(self.source.open_at(&pick.path, flags)?);
            let target = Rc::new(self.root.open_at(dest, flags)?);
            // The destination keeps its attributes, or has those of a directory that was just made.
            let time = (!self.parents).then_some(meta.mtime);
            self.open.push(Directory { path: PathBuf::new(), source, target, finish: None, time });
            return Ok(());
        }
        let open = |tree: &Tree, path: &Path| {
            tree.open_at(path.parent().unwrap_or(Path::new("")), OFlags::PATH | OFlags::DIRECTORY)
        };
        let (source, target) = (open(self.source, &pick.path)?, open(self.root, dest)?);
        let place = Place {
            source: &source,
            source_name: pick.path.file_name().unwrap_or_default(),
            target: &target,
            name: dest.file_name().ok_or(Errno::ISDIR)?,
        };
        self.leaf(&place, meta, dest)
    }

    fn leaf(&mut self, place: &Place<'_>, meta: &Meta, path: &Path) -> Result<(), Failure> {
        let owners = self.source.owners();
        match meta.kind {
            Kind::File if self.names => place.create(|| {
                rustix::fs::linkat(
                    place.source,
                    place.source_name,
                    place.target,
                    place.name,
                    AtFlags::empty(),
                )
            }),
            Kind::File if meta.nlink > 1 => match self.links.get(&(meta.dev, meta.ino)) {
                Some(first) => {
                    let first = first.clone();
                    place.create(|| {
                        rustix::fs::linkat(
                            self.root.root(),
                            &first,
                            place.target,
                            place.name,
                            AtFlags::empty(),
                        )
                    })
                }
                None => {
                    self.links.insert((meta.dev, meta.ino), path.to_owned());
                    self.file(place, meta, path)
                }
            },
            Kind::File => self.file(place, meta, path),
            Kind::Symlink => {
                let link = rustix::fs::readlinkat(place.source, place.source_name, Vec::new())?;
                place.create(|| rustix::fs::symlinkat(&link, place.target, place.name))?;
                Ok(self.attributes.set_on_node(place.target.as_fd(), place.name, meta, owners)?)
            }
            Kind::CharDevice => self.node(place, FileType::CharacterDevice, meta),
            Kind::BlockDevice => self.node(place, FileType::BlockDevice, meta),
            Kind::Fifo => self.node(place, FileType::Fifo, meta),
            // A socket means nothing without the process that listens; BuildKit leaves an empty file.
            Kind::Socket => self.node(place, FileType::RegularFile, meta),
            Kind::Directory => Err(Errno::ISDIR.into()),
        }
    }

    fn node(&self, place: &Place<'_>, kind: FileType, meta: &Meta) -> Result<(), Failure> {
        let mode = Mode::from_raw_mode(meta.mode);
        place.create(|| rustix::fs::mknodat(place.target, place.name, kind, mode, meta.rdev))?;
        Ok(self.attributes.set_on_node(place.target.as_fd(), place.name, meta, self.source.owners())?)
    }

    fn file(&mut self, place: &Place<'_>, meta: &Meta, path: &Path) -> Result<(), Failure> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let mut source = File::from(open_beneath(place.source.as_fd(), Path::new(place.source_name), flags)?);
        let mut target = place.create_file()?;
        copy_content(&mut source, &mut target, &mut self.buffer)?;
        let owners = self.source.owners();
        let capability = if owners == Owners::Kept { capability(&source)? } else { Vec::new() };
        self.attributes.set_on_open(target.as_fd(), meta, owners, &capability)?;
        if Meta::from(&rustix::fs::fstat(&source)?) != *meta {
            self.changed.get_or_insert_with(|| path.to_owned());
        }
        Ok(())
    }

    /// Finishes directories until the innermost one that is open is `path`.
    fn close_until(&mut self, path: Option<&Path>) -> Result<(), Failure> {
        while let Some(directory) = self.open.pop_if(|directory| Some(directory.path.as_path()) != path) {
            if let Some(meta) = directory.finish {
                self.attributes.set_on_open(directory.target.as_fd(), &meta, self.source.owners(), &[])?;
            }
            if let Some(time) = directory.time {
                rustix::fs::futimens(&directory.target, &times(time))?;
            }
        }
        Ok(())
    }
}

/// Where one file comes from and goes to.
struct Place<'a> {
    source: &'a OwnedFd,
    source_name: &'a OsStr,
    target: &'a OwnedFd,
    name: &'a OsStr,
}

impl Place<'_> {
    /// Creates a directory entry, in place of any but a directory.
    fn create(&self, make: impl Fn() -> Result<(), Errno>) -> Result<(), Failure> {
        match make() {
            Err(Errno::EXIST) => {
                self.clear()?;
                Ok(make()?)
            }
            result => Ok(result?),
        }
    }

    fn create_file(&self) -> Result<File, Failure> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let make = || rustix::fs::openat(self.target, self.name, flags, Mode::from_raw_mode(0o600));
        let file = match make() {
            Err(Errno::EXIST) => {
                self.clear()?;
                make()?
            }
            result => result?,
        };
        Ok(File::from(file))
    }

    fn clear(&self) -> Result<(), Failure> {
        match rustix::fs::unlinkat(self.target, self.name, AtFlags::empty()) {
            Err(Errno::ISDIR | Errno::PERM) => Err(Failure::DirectoryInTheWay),
            result => Ok(result?),
        }
    }
}

/// Writes a file with the content that `content` gives to `dest`, whose parent exists.
pub(super) fn write_file(
    root: &Tree,
    dest: &Path,
    content: &mut dyn Read,
    mode: u32,
    mtime: Option<Moment>,
    attributes: &Attributes<'_>,
) -> Result<(), StepError> {
    let write = || -> Result<(), Failure> {
        let parent = dest.parent().unwrap_or(Path::new(""));
        let target = root.open_at(parent, OFlags::PATH | OFlags::DIRECTORY)?;
        let name = dest.file_name().ok_or(Errno::ISDIR)?;
        let mut file = Place { source: &target, source_name: name, target: &target, name }.create_file()?;
        io::copy(content, &mut file)?;
        let owner = attributes.owner.unwrap_or((0, 0));
        if owner != (0, 0) || attributes.ownership == Ownership::Recorded {
            set_owner(file.as_fd(), owner, attributes.ownership)?;
        }
        rustix::fs::fchmod(&file, Mode::from_raw_mode(attributes.mode(mode, false)))?;
        if let Some(mtime) = mtime {
            rustix::fs::futimens(&file, &times(mtime))?;
        }
        Ok(())
    };
    let mut write = write;
    write().map_err(|failure| failure.explain(&Path::new("/").join(dest)))
}

/// Makes a directory unless there is one; whether it was made.
fn make_directory(parent: &OwnedFd, name: &OsStr) -> Result<bool, Failure> {
    match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o700)) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => {
            let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if Meta::from(&stat).is_dir() { Ok(false) } else { Err(Failure::NotADirectory) }
        }
        Err(error) => Err(error.into()),
    }
}

fn open_directory(parent: &OwnedFd, name: &OsStr) -> io::Result<OwnedFd> {
    open_beneath(parent.as_fd(), here(Path::new(name)), OFlags::RDONLY | OFlags::DIRECTORY)
}

fn copy_content(source: &mut File, target: &mut File, buffer: &mut [u8]) -> io::Result<()> {
    // By reference, where both lie in one file system that can.
    if rustix::fs::ioctl_ficlone(&*target, &*source).is_ok() {
        return Ok(());
    }
    loop {
        match source.read(buffer)? {
            0 => return Ok(()),
            count => target.write_all(&buffer[..count])?,
        }
    }
}

/// Why an entry could not be written.
enum Failure {
    /// A file cannot take the place of a directory.
    DirectoryInTheWay,
    /// A directory cannot take the place of a file.
    NotADirectory,
    System(io::Error),
}

impl Failure {
    fn explain(self, path: &Path) -> StepError {
        match self {
            Self::DirectoryInTheWay => {
                Cause::Refused(format!("cannot replace to directory {} with file", path.display())).into()
            }
            Self::NotADirectory => {
                Cause::Refused(format!("cannot copy to non-directory: {}", path.display())).into()
            }
            Self::System(source) => {
                Cause::File { action: "copying to", path: path.to_owned(), source }.into()
            }
        }
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self::System(errno.into())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}
