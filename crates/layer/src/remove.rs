//! Removes a file or a whole directory, however deep, holding no more than two directories open.

use std::{
    collections::HashSet,
    ffi::{OsStr, OsString},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
};

use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, openat, statat, unlinkat},
    io::{Errno, Result},
};

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A directory that is being emptied.
struct Level {
    name: OsString,
    /// Its device and inode, by which it is known again on the way back up.
    identity: (u64, u64),
    /// Directories in it that are still to be emptied.
    inner: Vec<OsString>,
}

/// Removes `name` in `parent` with all that is in it, except for the inodes in `kept` and the directories
/// that lead to them. What is not there is not missed.
pub(crate) fn remove(parent: BorrowedFd<'_>, name: &OsStr, kept: &HashSet<u64>) -> Result<()> {
    let stat = match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(()),
        stat => stat?,
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return if kept.contains(&stat.st_ino) { Ok(()) } else { unlinkat(parent, name, AtFlags::empty()) };
    }
    let (mut here, level) = empty(parent, name, kept)?;
    let mut levels = vec![level];
    while let Some(level) = levels.last_mut() {
        if let Some(inner) = level.inner.pop() {
            let (directory, level) = empty(here.as_fd(), &inner, kept)?;
            here = directory;
            levels.push(level);
        } else if let Some(done) = levels.pop() {
            here = up(&here, parent, levels.last())?;
            if !kept.contains(&done.identity.1) {
                remove_directory(&here, &done.name)?;
            }
        }
    }
    Ok(())
}

/// Removes what `directory` contains, by the same rule.
pub(crate) fn remove_content(directory: BorrowedFd<'_>, kept: &HashSet<u64>) -> Result<()> {
    for name in names(directory)? {
        remove(directory, &name, kept)?;
    }
    Ok(())
}

/// Removes all but directories from the directory `name`, and gives it.
fn empty(parent: BorrowedFd<'_>, name: &OsStr, kept: &HashSet<u64>) -> Result<(OwnedFd, Level)> {
    let directory = openat(parent, name, DIRECTORY, Mode::empty())?;
    let mut inner = Vec::new();
    for name in names(directory.as_fd())? {
        let stat = statat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            inner.push(name);
        } else if !kept.contains(&stat.st_ino) {
            unlinkat(&directory, &name, AtFlags::empty())?;
        }
    }
    let identity = identity(&directory)?;
    Ok((directory, Level { name: name.to_owned(), identity, inner }))
}

/// The directory above `here`: that of `level`, or `top` where there is none. One that was moved away in
/// the meantime is not followed.
fn up(here: &OwnedFd, top: BorrowedFd<'_>, level: Option<&Level>) -> Result<OwnedFd> {
    let Some(level) = level else {
        return openat(top, ".", DIRECTORY, Mode::empty());
    };
    let above = openat(here, "..", DIRECTORY, Mode::empty())?;
    if identity(&above)? == level.identity { Ok(above) } else { Err(Errno::STALE) }
}

fn remove_directory(parent: &OwnedFd, name: &OsStr) -> Result<()> {
    match unlinkat(parent, name, AtFlags::REMOVEDIR) {
        // Something in it is kept.
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(()),
        result => result,
    }
}

fn identity(directory: &OwnedFd) -> Result<(u64, u64)> {
    fstat(directory).map(|stat| (stat.st_dev, stat.st_ino))
}

fn names(directory: BorrowedFd<'_>) -> Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    Ok(names)
}
