//! The caller's mounts.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid, fchmod, fchown, fstat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
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
    Tmpfs { size: Option<CString>, mode: CString },
    File { contents: Vec<u8>, mode: Mode, uid: Uid, gid: Gid, readonly: bool },
}

/// What an in-memory file is called until it is mounted.
const NAMELESS: &CStr = c".file";

impl Prepared {
    pub(super) fn new(mount: &Mount) -> Result<Self, Error> {
        let kind = match mount {
            Mount::Bind { source, readonly, recursive, .. } => {
                Kind::Bind { source: path::c_path(source)?, readonly: *readonly, recursive: *recursive }
            }
            Mount::Tmpfs { size, mode, .. } => Kind::Tmpfs {
                size: size.map(|size| path::c_string(size.to_string(), "a size")).transpose()?,
                mode: path::c_string(format!("{mode:o}"), "a mode")?,
            },
            Mount::File { contents, mode, uid, gid, readonly, .. } => Kind::File {
                readonly: *readonly,
                contents: contents.clone(),
                mode: Mode::from_raw_mode(*mode),
                uid: Uid::from_raw(*uid),
                gid: Gid::from_raw(*gid),
            },
        };
        let directory = matches!(kind, Kind::Tmpfs { .. });
        Ok(Self { target: path::c_absolute(mount.target())?, kind, tree: None, directory })
    }

    /// Opens or makes what is to be mounted, while the host's paths can still be seen.
    pub(super) fn open(&mut self) -> Result<(), Errno> {
        match &self.kind {
            Kind::Bind { source, readonly, recursive } => {
                let tree = open_bind(source, *readonly, *recursive)?;
                self.directory = FileType::from_raw_mode(fstat(&tree)?.st_mode) == FileType::Directory;
                self.tree = kept(tree);
            }
            Kind::Tmpfs { size, mode } => self.tree = kept(make_tmpfs(size.as_deref(), mode)?),
            // Needs a place in memory, of which there is none yet.
            Kind::File { .. } => {}
        }
        Ok(())
    }

    /// Writes an in-memory file into `memory`.
    pub(super) fn make_file(&mut self, memory: &OwnedFd) -> Result<(), Errno> {
        let Kind::File { contents, mode, uid, gid, readonly } = &self.kind else { return Ok(()) };
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
        let tree = open_tree(memory, NAMELESS, flags)?;
        if *readonly {
            sys::set_mount_attributes(tree.as_fd(), MountAttrFlags::MOUNT_ATTR_RDONLY, false)?;
        }
        self.tree = kept(tree);
        Ok(())
    }

    /// Mounts on `target`. A file in `memory` then loses its name there.
    pub(super) fn attach(&mut self, target: &OwnedFd, memory: &OwnedFd) -> Result<(), Errno> {
        let tree = self.tree.take().ok_or(Errno::BADF)?;
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        move_mount(&*tree, c"", target, c"", flags)?;
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

fn open_bind(source: &CStr, readonly: bool, recursive: bool) -> Result<OwnedFd, Errno> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    flags.set(OpenTreeFlags::AT_RECURSIVE, recursive);
    let tree = open_tree(CWD, source, flags)?;
    if readonly {
        sys::set_mount_attributes(tree.as_fd(), MountAttrFlags::MOUNT_ATTR_RDONLY, recursive)?;
    }
    Ok(tree)
}

fn make_tmpfs(size: Option<&CStr>, mode: &CStr) -> Result<OwnedFd, Errno> {
    let context = fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&context, c"mode", mode)?;
    if let Some(size) = size {
        fsconfig_set_string(&context, c"size", size)?;
    }
    fsconfig_create(&context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}
