//! Removals. They act on what lower layers have and spare what their own layer brings, wherever in the
//! layer they stand.

use std::{
    fs::File,
    os::fd::AsFd,
    path::{Path, PathBuf},
};

use rustix::fs::{FileType, Mode, XattrFlags, fsetxattr, mknodat};

use super::{Spot, Unpacker, file_type};
use crate::{
    Error, Form, OpaqueXattr,
    remove::{remove, remove_content},
};

impl Unpacker<'_> {
    /// Removes what lower layers have at `path`.
    pub(super) fn remove_lower(&mut self, path: &Path) -> Result<(), Error> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
        match self.policy.form {
            Form::Plain => {
                let Some(parent) = self.find(parent)? else { return Ok(()) };
                self.tree.forget();
                remove(parent.directory.as_fd(), name, &self.own).map_err(Error::file("removing", path))
            }
            Form::Overlay(xattr) => {
                let parent = self.enter(parent)?;
                let spot = Spot { parent: &parent, name };
                match spot.stat()?.as_ref().map(file_type) {
                    None => mknodat(&parent.directory, name, FileType::CharacterDevice, Mode::empty(), 0)
                        .map_err(Error::file("creating a whiteout at", path)),
                    Some(FileType::Directory) => set_opaque(&spot.open_directory()?, xattr, path),
                    // It hides the lower one by being there.
                    Some(_) => Ok(()),
                }
            }
        }
    }

    /// Removes what lower layers have in the directory `path`.
    pub(super) fn hide_lower(&mut self, path: &Path) -> Result<(), Error> {
        match self.policy.form {
            Form::Plain => {
                let Some(place) = self.find(path)? else { return Ok(()) };
                self.tree.forget();
                remove_content(place.reopen()?.as_fd(), &self.own).map_err(Error::file("emptying", path))
            }
            Form::Overlay(_) if path.as_os_str().is_empty() => Err(Error::Unrepresentable {
                path: PathBuf::from("/"),
                reason: "a layer hides everything below it, which overlayfs cannot express",
            }),
            Form::Overlay(xattr) => set_opaque(&self.enter(path)?.reopen()?, xattr, path),
        }
    }
}

/// Makes overlayfs hide what lower layers have in `directory`.
pub(super) fn set_opaque(directory: &File, xattr: OpaqueXattr, path: &Path) -> Result<(), Error> {
    fsetxattr(directory, xattr.name(), b"y", XattrFlags::empty())
        .map_err(Error::file("marking as opaque", path))
}
