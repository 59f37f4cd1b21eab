//! Directories: those that have entries, and those that are only on the way to one.

use std::{path::Path, rc::Rc};

use rustix::{
    fs::{Mode, mkdirat},
    io::Errno,
};

use super::{Spot, Unpacker, whiteouts::set_opaque};
use crate::{
    Error, Form, Metadata, attributes, inode,
    tree::{Arrival, Place, open_directory},
};

impl Unpacker<'_> {
    /// The directory `path`, with those on the way to it, made where they are missing.
    pub(super) fn enter(&mut self, path: &Path) -> Result<Rc<Place>, Error> {
        loop {
            match self.tree.enter(path)? {
                Arrival::At(place) => return Ok(place),
                Arrival::Stuck(parent, name) => self.make_implied(Spot { parent: &parent, name: &name })?,
            }
        }
    }

    /// The directory `path`, if it is there.
    pub(super) fn find(&mut self, path: &Path) -> Result<Option<Rc<Place>>, Error> {
        match self.tree.enter(path)? {
            Arrival::At(place) => Ok(Some(place)),
            Arrival::Stuck(..) => Ok(None),
        }
    }

    /// Makes the directory `spot`, or takes the one that is there.
    pub(super) fn make_directory(&mut self, spot: Spot<'_>, metadata: Metadata) -> Result<(), Error> {
        let path = spot.path();
        let make = || mkdirat(&spot.parent.directory, spot.name, Mode::RWXU);
        let hides_lower = match make() {
            Ok(()) => false,
            Err(Errno::EXIST) if spot.holds_directory()? => false,
            // What is there, a file or a whiteout, hides the lower directory already.
            Err(Errno::EXIST) => {
                self.replace(spot, make).map(|()| true).map_err(Error::file("creating", &path))?
            }
            Err(errno) => return Err(Error::file("creating", &path)(errno)),
        };
        let directory = spot.open_directory()?;
        attributes::set_owner(&directory, &metadata, self.policy.ownership, &path)?;
        if let (true, Form::Overlay(xattr)) = (hides_lower, self.policy.form) {
            set_opaque(&directory, xattr, &path)?;
        }
        self.directories.push((path, metadata));
        Ok(())
    }

    /// Makes a directory that the archive does not mention, as it is in the layers below if it is there.
    pub(super) fn make_implied(&mut self, spot: Spot<'_>) -> Result<(), Error> {
        let path = spot.path();
        let below = self.lowers.find(&path)?.filter(|below| below.metadata.is_dir());
        let metadata = match below {
            Some(below) => inode::metadata(&below.file, &below.metadata, self.policy.ownership)?,
            None => {
                self.implied.push(path);
                Metadata { mode: 0o755, ..Metadata::default() }
            }
        };
        self.make_directory(spot, metadata)
    }

    /// Sets what the entries said of directories, now that nothing changes in them any more.
    pub(super) fn finish_directories(&mut self) -> Result<(), Error> {
        for (path, metadata) in std::mem::take(&mut self.directories) {
            let parent = self.find(path.parent().unwrap_or(Path::new("")))?;
            let (Some(parent), Some(name)) = (parent, path.file_name()) else { continue };
            match open_directory(&parent.directory, name) {
                // A later entry has put something else in its place.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                directory => {
                    let directory = directory.map_err(Error::file("opening", &path))?;
                    attributes::set_mode_and_time(directory, &metadata, &path)?;
                }
            }
        }
        Ok(())
    }
}
