//! What the protocol says of a file (fsutil, `types/stat.proto`), with the mode as Go's `os.FileMode` has it.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use bollard_buildkit_proto::fsutil::types::Stat;
use rustix::fs::{lgetxattr, llistxattr, major, minor};
use rustix::io::Errno;

pub(crate) const DIRECTORY: u32 = 1 << 31;
pub(crate) const SYMLINK: u32 = 1 << 27;
const DEVICE: u32 = 1 << 26;
const PIPE: u32 = 1 << 25;
pub(crate) const SETUID: u32 = 1 << 23;
pub(crate) const SETGID: u32 = 1 << 22;
const CHARACTER_DEVICE: u32 = 1 << 21;
pub(crate) const STICKY: u32 = 1 << 20;
/// All bits that say what kind of thing it is; none of them is set for a regular file.
pub(crate) const KIND: u32 = DIRECTORY | SYMLINK | DEVICE | PIPE | 1 << 24 | CHARACTER_DEVICE | 1 << 19;

/// Describes what lies at `path`, called `name` in the tree. Its owner is root: who a file belongs to here is nobody's
/// business there, and would make equal trees differ.
pub(super) fn describe(path: &Path, name: &str, metadata: &Metadata) -> io::Result<Stat> {
    let kind = metadata.file_type();
    let device = kind.is_block_device() || kind.is_char_device();
    Ok(Stat {
        path: name.to_owned(),
        mode: mode(metadata),
        uid: 0,
        gid: 0,
        size: if kind.is_dir() { 0 } else { i64::try_from(metadata.len()).unwrap_or(i64::MAX) },
        mod_time: metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec()),
        linkname: match kind.is_symlink() {
            true => text(fs::read_link(path)?.into_os_string().into_encoded_bytes(), path)?,
            false => String::new(),
        },
        devmajor: if device { major(metadata.rdev()).into() } else { 0 },
        devminor: if device { minor(metadata.rdev()).into() } else { 0 },
        xattrs: xattrs(path)?,
    })
}

/// The protocol has text for names.
pub(super) fn text(bytes: Vec<u8>, path: &Path) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| {
        let why = format!("`{}` is not UTF-8, and BuildKit takes no other names", path.display());
        io::Error::new(io::ErrorKind::InvalidData, why)
    })
}

fn mode(metadata: &Metadata) -> u32 {
    let (kind, bits) = (metadata.file_type(), metadata.mode());
    let of_kind = match () {
        () if kind.is_dir() => DIRECTORY,
        () if kind.is_symlink() => SYMLINK,
        () if kind.is_block_device() => DEVICE,
        () if kind.is_char_device() => DEVICE | CHARACTER_DEVICE,
        () if kind.is_fifo() => PIPE,
        () => 0,
    };
    let special = [(0o4000, SETUID), (0o2000, SETGID), (0o1000, STICKY)];
    let special = special.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, go)| go);
    bits & 0o777 | of_kind | special.sum::<u32>()
}

fn xattrs(path: &Path) -> io::Result<HashMap<String, Vec<u8>>> {
    let mut names = vec![0; 4096];
    let count = loop {
        match llistxattr(path, &mut names[..]) {
            Err(Errno::RANGE) => names.resize(names.len() * 4, 0),
            // A file system without them, or a file that went away, which opening it will tell.
            Err(Errno::NOTSUP | Errno::NOENT) => return Ok(HashMap::new()),
            count => break count?,
        }
    };
    let names = names[..count].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let mut found = HashMap::new();
    for name in names {
        let mut value = vec![0; 64 << 10];
        // One that may not be read is none, as for every other tool that copies files.
        if let (Ok(name), Ok(length)) = (std::str::from_utf8(name), lgetxattr(path, name, &mut value[..])) {
            value.truncate(length);
            found.insert(name.to_owned(), value);
        }
    }
    Ok(found)
}
