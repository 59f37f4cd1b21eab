//! Opening files of a root file system from outside, without being led astray by its symbolic links.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat2};
use rustix::io::Errno;

/// Opens a regular file for reading at `path` inside `root`. Symbolic links are resolved as if `root`
/// were `/`.
///
/// # Errors
/// Fails when the file does not exist or is not a regular file.
pub fn open_in_root(root: &Path, path: &Path) -> io::Result<File> {
    let root = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    // Opening a fifo must not wait for a writer, nor a device do whatever opening does to it.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let file = loop {
        match openat2(&root, path, flags, Mode::empty(), resolve) {
            // Something was renamed while the kernel walked through `..`.
            Err(Errno::AGAIN) => {}
            opened => break opened?,
        }
    };
    match FileType::from_raw_mode(fstat(&file)?.st_mode) {
        FileType::RegularFile => Ok(File::from(file)),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
    }
}
