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
    /// Directories in it that are still to be emptied.
    inner: Vec<OsString>,
    is_kept: bool,
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
    let mut levels = vec![empty(parent, &[], name, kept)?];
    while let Some(level) = levels.last_mut() {
        if let Some(inner) = level.inner.pop() {
            let level = empty(parent, &levels, &inner, kept)?;
            levels.push(level);
        } else if let Some(done) = levels.pop() {
            remove_directory(parent, &levels, &done)?;
        }
    }
    Ok(())
}

/// Removes what `directory` contains, by the same rule.
pub(crate) fn remove_content(directory: BorrowedFd<'_>, kept: &HashSet<u64>) -> Result<()> {
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            remove(directory, OsStr::from_bytes(name.to_bytes()), kept)?;
        }
    }
    Ok(())
}

/// Removes all but directories from the directory `name` below `levels`.
fn empty(top: BorrowedFd<'_>, levels: &[Level], name: &OsStr, kept: &HashSet<u64>) -> Result<Level> {
    let parent = descend(top, levels)?;
    let parent = parent.as_ref().map_or(top, AsFd::as_fd);
    let directory = openat(parent, name, DIRECTORY, Mode::empty())?;
    let mut inner = Vec::new();
    for entry in Dir::read_from(&directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let stat = statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            inner.push(OsStr::from_bytes(name.to_bytes()).to_owned());
        } else if !kept.contains(&stat.st_ino) {
            unlinkat(&directory, name, AtFlags::empty())?;
        }
    }
    let is_kept = kept.contains(&fstat(&directory)?.st_ino);
    Ok(Level { name: name.to_owned(), inner, is_kept })
}

fn remove_directory(top: BorrowedFd<'_>, levels: &[Level], level: &Level) -> Result<()> {
    if level.is_kept {
        return Ok(());
    }
    let parent = descend(top, levels)?;
    let parent = parent.as_ref().map_or(top, AsFd::as_fd);
    match unlinkat(parent, &level.name, AtFlags::REMOVEDIR) {
        // Something in it is kept.
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(()),
        result => result,
    }
}

/// Opens the innermost of `levels`; `None` where there are none.
fn descend(top: BorrowedFd<'_>, levels: &[Level]) -> Result<Option<OwnedFd>> {
    levels.iter().try_fold(None, |here: Option<OwnedFd>, level| {
        let here = here.as_ref().map_or(top, AsFd::as_fd);
        openat(here, &level.name, DIRECTORY, Mode::empty()).map(Some)
    })
}
