//! What the file system knows of one file: metadata, extended attributes, names in a directory.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
};

use rustix::{fs::lgetxattr, io::Errno};

use crate::{
    Device, Error, Kind, Metadata, Ownership, Timestamp,
    overlay::{DEVICE_XATTR, OWNER_XATTR, parse_device, parse_owner},
};

/// The only extended attribute that becomes part of a layer.
pub(crate) const CAPABILITY: &str = "security.capability";
/// The kernel's limit of an attribute's value (`XATTR_SIZE_MAX`).
const XATTR_MAX: usize = 64 << 10;

/// Turns an error of the standard library about `path` into ours.
pub(crate) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { action, path, source }
}

/// The value of an extended attribute of `path` itself, not of what it may link to.
pub(crate) fn xattr(path: &Path, name: &str) -> Result<Option<Vec<u8>>, Error> {
    let mut value = [0; 256];
    match lgetxattr(path, name, &mut value) {
        Ok(length) => Ok(Some(value[..length].to_vec())),
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(None),
        Err(Errno::RANGE) => {
            let mut value = vec![0; XATTR_MAX];
            let length = lgetxattr(path, name, &mut value[..])
                .map_err(Error::file("reading an attribute of", path))?;
            value.truncate(length);
            Ok(Some(value))
        }
        Err(errno) => Err(Error::file("reading an attribute of", path)(errno)),
    }
}

/// The names in a directory, sorted by their bytes.
pub(crate) fn list(directory: &Path) -> Result<Vec<OsString>, Error> {
    let entries = fs::read_dir(directory).map_err(failed("listing", directory))?;
    let names: io::Result<Vec<_>> = entries.map(|entry| entry.map(|entry| entry.file_name())).collect();
    let mut names = names.map_err(failed("listing", directory))?;
    names.sort_unstable();
    Ok(names)
}

/// What the file at `path` is, as an entry of a layer. `None` for sockets, which layers do not have.
pub(crate) fn kind(path: &Path, metadata: &fs::Metadata) -> Result<Option<Kind>, Error> {
    let device =
        || Device { major: rustix::fs::major(metadata.rdev()), minor: rustix::fs::minor(metadata.rdev()) };
    let file_type = metadata.file_type();
    Ok(Some(if file_type.is_dir() {
        Kind::Directory
    } else if file_type.is_symlink() {
        Kind::Symlink { target: fs::read_link(path).map_err(failed("reading the link", path))? }
    } else if file_type.is_char_device() {
        Kind::CharDevice(device())
    } else if file_type.is_block_device() {
        Kind::BlockDevice(device())
    } else if file_type.is_fifo() {
        Kind::Fifo
    } else if file_type.is_file() {
        regular_kind(path, metadata.len())?
    } else {
        return Ok(None);
    }))
}

/// The metadata of the file at `path` as layers have it.
pub(crate) fn metadata(
    path: &Path,
    metadata: &fs::Metadata,
    ownership: Ownership,
) -> Result<Metadata, Error> {
    let (uid, gid) = match ownership {
        Ownership::Real => (metadata.uid(), metadata.gid()),
        Ownership::Recorded => {
            let recorded = xattr(path, OWNER_XATTR)?;
            recorded.and_then(|value| parse_owner(&value)).unwrap_or((0, 0))
        }
    };
    let capability = xattr(path, CAPABILITY)?;
    Ok(Metadata {
        mode: metadata.mode() & 0o7777,
        uid,
        gid,
        mtime: Timestamp { seconds: metadata.mtime(), nanoseconds: metadata.mtime_nsec() as u32 },
        xattrs: capability.map(|value| (CAPABILITY.to_owned(), value)).into_iter().collect(),
    })
}

/// A regular file, or the device that an empty one stands for.
fn regular_kind(path: &Path, size: u64) -> Result<Kind, Error> {
    let recorded = if size == 0 { xattr(path, DEVICE_XATTR)? } else { None };
    Ok(recorded.and_then(|value| parse_device(&value)).unwrap_or(Kind::File { size }))
}
