//! Putting files into a root file system the way `COPY` does.
//!
//! The rules are BuildKit's: what is copied onto a directory goes into it, the contents of a directory are
//! copied and not the directory, symbolic links at the destination are followed (inside the root) and those
//! below it are replaced, directories that are in the way of files are an error. Everything goes through
//! descriptors of directories that were opened without following links, so nothing is written outside.

mod attributes;
mod listing;
mod owner;
mod transfer;

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

pub(crate) use attributes::{Attributes, mirror, set_time, set_time_of, set_time_of_open};
pub(crate) use listing::Listing;
pub(crate) use owner::resolve_owner;

use crate::error::{Cause, StepError};
use crate::tree::{Moment, Pick, Query, Tree, here, pick};
use transfer::Transfer;

/// Where copies go to, and what becomes of their attributes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    /// The root file system.
    pub(crate) root: &'a Tree,
    /// A path in it; a slash at its end says that it is a directory.
    pub(crate) dest: &'a str,
    /// Owner and mode of what is copied and made.
    pub(crate) attributes: Attributes<'a>,
}

/// Where exactly `pick` goes; the directories above are made.
pub(crate) fn place(pick: &Pick, target: &Target<'_>) -> Result<PathBuf, StepError> {
    let is_dir = pick.entries.first().is_some_and(|entry| entry.meta.is_dir());
    destination(target, is_dir, &pick.name)
}

/// Copies one pick of `source`. Gives the path of a file that changed while it was read, if there was one.
pub(crate) fn copy(
    source: &Tree,
    pick: &Pick,
    parents: bool,
    target: &Target<'_>,
) -> Result<Option<PathBuf>, StepError> {
    copy_to(source, pick, &place(pick, target)?, parents, target)
}

/// The same where the [`place`] is known.
pub(crate) fn copy_to(
    source: &Tree,
    pick: &Pick,
    dest: &Path,
    parents: bool,
    target: &Target<'_>,
) -> Result<Option<PathBuf>, StepError> {
    let mut transfer = Transfer::new(source, target.root, target.attributes, parents);
    transfer.run(pick, dest)?;
    Ok(transfer.changed)
}

/// Copies the whole of `source`, attributes of the root included; with `names`, files get further names instead.
pub(crate) fn clone_tree(source: &Tree, target: &Target<'_>, names: bool) -> Result<(), StepError> {
    let everything = Query { path: "/", glob: false, parents: None, excludes: &[] };
    for pick in pick(source, &everything)? {
        let mut transfer = Transfer::new(source, target.root, target.attributes, false);
        transfer.names = names;
        transfer.run(&pick, Path::new(""))?;
        if let Some(root) = pick.entries.first() {
            let at = target.root.path();
            let directory = target.root.open_at(Path::new(""), OFlags::RDONLY | OFlags::DIRECTORY);
            let directory = directory.map_err(Cause::file("opening", at))?;
            target
                .attributes
                .set_on_open(directory.as_fd(), &root.meta, source.owners(), &[])
                .map_err(Cause::file("setting the attributes of", at))?;
        }
    }
    Ok(())
}

/// Writes a file with the given content.
pub(crate) fn write_file(
    content: &mut dyn std::io::Read,
    name: &OsStr,
    mode: u32,
    mtime: Option<Moment>,
    target: &Target<'_>,
) -> Result<(), StepError> {
    let dest = destination(target, false, name)?;
    transfer::write_file(target.root, &dest, content, mode, mtime, &target.attributes)
}

/// Makes the destination as a directory and gives its path, without symbolic links.
pub(crate) fn make_destination(target: &Target<'_>) -> Result<PathBuf, StepError> {
    let dest = resolve(target.root, target.dest)?;
    make_directories(target.root, &dest, &target.attributes)?;
    Ok(dest)
}

/// Works out where exactly a file or directory called `name` goes, and makes the directories above it.
fn destination(target: &Target<'_>, is_dir: bool, name: &OsStr) -> Result<PathBuf, StepError> {
    let Target { root, dest, attributes } = target;
    let (above, last) = dest.rsplit_once('/').unwrap_or(("", dest));
    let above = if last.is_empty() || last == "." { dest } else { above };
    make_directories(root, &resolve(root, above)?, attributes)?;
    let mut path = resolve(root, dest)?;
    let meta = root.meta(&path).map_err(Cause::file("examining", &path))?;
    if !is_dir && meta.is_some_and(|meta| meta.is_dir()) && !name.is_empty() {
        path.push(name);
    }
    let made = match (is_dir, path.parent()) {
        (true, _) if meta.is_none() => path.as_path(),
        (_, Some(parent)) => parent,
        (_, None) => Path::new(""),
    };
    make_directories(root, made, attributes)?;
    Ok(path)
}

fn resolve(root: &Tree, path: &str) -> Result<PathBuf, StepError> {
    root.resolve(Path::new(path)).map_err(Cause::file("looking up", Path::new(path)))
}

/// Makes `path` (without symbolic links) and what is missing above it, mode 0755 before `attributes`.
pub(crate) fn make_directories(
    root: &Tree,
    path: &Path,
    attributes: &Attributes<'_>,
) -> Result<(), StepError> {
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    let fail = |error: Errno| Cause::file("making directory", &Path::new("/").join(path))(error);
    match root.meta(path).map_err(Cause::file("examining", path))? {
        Some(meta) if meta.is_dir() => return Ok(()),
        Some(_) => return Err(fail(Errno::NOTDIR)),
        None => {}
    }
    let parent = path.parent().unwrap_or(Path::new(""));
    make_directories(root, parent, attributes)?;
    let directory = root
        .open_at(parent, OFlags::PATH | OFlags::DIRECTORY)
        .map_err(Cause::file("opening directory", here(parent)))?;
    let name = path.file_name().unwrap_or_default();
    rustix::fs::mkdirat(&directory, name, Mode::from_raw_mode(0o755)).map_err(fail)?;
    attributes.set_on_new_directory(&directory, name).map_err(fail)
}
