//! The caller's mounts.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid, fchmod, fchown, fstat};
use rustix::io::Errno;
use rustix::mount::{
    MountAttrFlags, MountFlags, MoveMountFlags, OpenTreeFlags, mount, move_mount, open_tree,
};

use super::{Kept, kept};
use crate::{Error, Mount, path, sys};

/// One mount, and once its source is open, the mount that is not attached yet.
#[derive(Debug)]
pub(super) struct Prepared {
    target: CString,
    kind: Kind,
    tree: Kept,
    directory: bool,
}

#[derive(Debug)]
enum Kind {
    Bind { source: CString, readonly: bool, recursive: bool },
    Tmpfs { options: CString },
    File { contents: Vec<u8>, mode: Mode, uid: Uid, gid: Gid },
}

/// What an in-memory file is called until it is mounted.
const NAMELESS: &CStr = c".file";

impl Prepared {
    pub(super) fn new(mount: &Mount) -> Result<Self, Error> {
        let kind = match mount {
            Mount::Bind { source, readonly, recursive, .. } => {
                Kind::Bind { source: path::c_path(source)?, readonly: *readonly, recursive: *recursive }
            }
            Mount::Tmpfs { size, mode, .. } => {
                let size = size.map(|size| format!(",size={size}")).unwrap_or_default();
                Kind::Tmpfs { options: path::c_string(format!("mode={mode:o}{size}"), "a mount option")? }
            }
            Mount::File { contents, mode, uid, gid, .. } => Kind::File {
                contents: contents.clone(),
                mode: Mode::from_raw_mode(*mode),
                uid: Uid::from_raw(*uid),
                gid: Gid::from_raw(*gid),
            },
        };
        let directory = matches!(kind, Kind::Tmpfs { .. });
        Ok(Self { target: path::c_absolute(mount.target())?, kind, tree: None, directory })
    }

    /// Opens what is to be mounted, while the host's paths can still be seen.
    pub(super) fn open_source(&mut self) -> Result<(), Errno> {
        let Kind::Bind { source, readonly, recursive } = &self.kind else { return Ok(()) };
        let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        flags.set(OpenTreeFlags::AT_RECURSIVE, *recursive);
        let tree = open_tree(CWD, source.as_c_str(), flags)?;
        if *readonly {
            sys::set_mount_attributes(tree.as_fd(), MountAttrFlags::MOUNT_ATTR_RDONLY, *recursive)?;
        }
        self.directory = FileType::from_raw_mode(fstat(&tree)?.st_mode) == FileType::Directory;
        self.tree = kept(tree);
        Ok(())
    }

    /// Writes an in-memory file into `memory`.
    pub(super) fn make_file(&mut self, memory: &OwnedFd) -> Result<(), Errno> {
        let Kind::File { contents, mode, uid, gid } = &self.kind else { return Ok(()) };
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(memory, NAMELESS, flags, Mode::RUSR | Mode::WUSR)?;
        let mut rest = contents.as_slice();
        while !rest.is_empty() {
            let written = rustix::io::write(&file, rest)?;
            rest = &rest[written..];
        }
        fchown(&file, Some(*uid), Some(*gid))?;
        fchmod(&file, *mode)?;
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        self.tree = kept(open_tree(memory, NAMELESS, flags)?);
        Ok(())
    }

    /// Mounts at the target, which exists by now. A file in `memory` then loses its name there.
    pub(super) fn attach(&mut self, memory: &OwnedFd) -> Result<(), Errno> {
        if let Kind::Tmpfs { options } = &self.kind {
            let flags = MountFlags::NOSUID | MountFlags::NODEV;
            return mount(c"tmpfs", self.at(), c"tmpfs", flags, options.as_c_str());
        }
        let Some(tree) = self.tree.take() else { return Ok(()) };
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_SYMLINKS;
        move_mount(&*tree, c"", CWD, self.at(), flags)?;
        if let Kind::File { .. } = self.kind {
            rustix::fs::unlinkat(memory, NAMELESS, AtFlags::empty())?;
        }
        Ok(())
    }

    pub(super) fn at(&self) -> &CStr {
        &self.target
    }

    pub(super) fn is_directory(&self) -> bool {
        self.directory
    }

    pub(super) fn target(&self) -> PathBuf {
        path::from_c(&self.target)
    }

    pub(super) fn source(&self) -> Option<PathBuf> {
        match &self.kind {
            Kind::Bind { source, .. } => Some(path::from_c(source)),
            _ => None,
        }
    }
}
