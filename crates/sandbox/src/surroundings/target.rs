//! Mount points: creating what is missing, and telling the parent, so that it can be removed again.
//!
//! Runs in the child once `/` is the sandbox's, so no link in the image can lead outside.

use std::ffi::CStr;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat, lstat, openat2, stat, statat};
use rustix::io::Errno;

use crate::report::{DirectoryState, Modified, PATH_MAX, Reporter};

/// As many symbolic links as the kernel follows in one path.
const MAX_LINKS: usize = 40;

/// Makes mount points in the root file system.
#[derive(Debug)]
pub(super) struct MountPoints<'a> {
    reporter: Reporter<'a>,
    /// The layer that takes the writes; `None` where the root is an ordinary directory.
    layer: Option<OwnedFd>,
    /// What is made on another device lies in another mount, and vanishes with it.
    device: u64,
}

impl<'a> MountPoints<'a> {
    pub(super) fn new(reporter: Reporter<'a>, layer: Option<OwnedFd>) -> Result<Self, Errno> {
        Ok(Self { reporter, layer, device: stat(c"/")?.st_dev })
    }

    /// Opens `target`, making it a directory or a file if there is nothing.
    pub(super) fn open(&self, target: &CStr, directory: bool) -> Result<OwnedFd, Errno> {
        match open_existing(target) {
            Err(Errno::NOENT) => {
                self.make(target, directory)?;
                open_existing(target)
            }
            opened => opened,
        }
    }

    /// Goes to `target` name by name as the kernel would, but goes on where it would give up: behind
    /// a link whose target is missing, too (`/etc/resolv.conf` often is one).
    fn make(&self, target: &CStr, directory: bool) -> Result<(), Errno> {
        let mut ahead = Ahead::new();
        ahead.prepend(target.to_bytes())?;
        let mut here = Here::new();
        self.pass(&here, &lstat(here.as_c_str())?);
        let mut links = 0;
        while ahead.step_into(&mut here)? {
            let found = match lstat(here.as_c_str()) {
                Ok(found) => found,
                Err(Errno::NOENT) => {
                    self.create(&here, directory || !ahead.is_empty())?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            match FileType::from_raw_mode(found.st_mode) {
                FileType::Directory => self.pass(&here, &found),
                FileType::Symlink if links < MAX_LINKS => {
                    links += 1;
                    ahead.prepend_link(&mut here)?;
                }
                FileType::Symlink => return Err(Errno::LOOP),
                _ if ahead.is_empty() => {}
                _ => return Err(Errno::NOTDIR),
            }
        }
        Ok(())
    }

    fn pass(&self, here: &Here, found: &Stat) {
        if found.st_dev != self.device {
            return;
        }
        let own = self.layer.as_ref().is_none_or(|layer| {
            here.is_root() || statat(layer, here.relative(), AtFlags::SYMLINK_NOFOLLOW).is_ok()
        });
        let state = DirectoryState {
            mode: found.st_mode,
            uid: found.st_uid,
            gid: found.st_gid,
            modified: modified(found),
        };
        self.reporter.passed(here.bytes(), own, &state);
    }

    fn create(&self, here: &Here, directory: bool) -> Result<(), Errno> {
        if directory {
            rustix::fs::mkdir(here.as_c_str(), Mode::from_raw_mode(0o755))?;
        } else {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            rustix::fs::open(here.as_c_str(), flags, Mode::from_raw_mode(0o644))?;
        }
        let parent = lstat(here.parent().as_c_str())?;
        if parent.st_dev == self.device {
            self.reporter.made(here.bytes(), modified(&parent));
        }
        Ok(())
    }
}

/// Links of `/proc` that lead to open files rather than to names are not followed: this process still
/// has some of the host.
fn open_existing(target: &CStr) -> Result<OwnedFd, Errno> {
    openat2(CWD, target, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::NO_MAGICLINKS)
}

fn modified(found: &Stat) -> Modified {
    (found.st_mtime, found.st_mtime_nsec as i64)
}

/// The path walked so far: absolute, without links. The bytes after it are zero.
#[derive(Clone)]
struct Here {
    buffer: [u8; PATH_MAX],
    length: usize,
}

impl Here {
    fn new() -> Self {
        Self { buffer: [0; PATH_MAX], length: 0 }
    }

    fn is_root(&self) -> bool {
        self.length == 0
    }

    fn push(&mut self, name: &[u8]) -> Result<(), Errno> {
        let end = self.length + 1 + name.len();
        if end >= PATH_MAX {
            return Err(Errno::NAMETOOLONG);
        }
        self.buffer[self.length] = b'/';
        self.buffer[self.length + 1..end].copy_from_slice(name);
        self.length = end;
        Ok(())
    }

    fn pop(&mut self) {
        let end = self.bytes().iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        self.truncate(end);
    }

    fn truncate(&mut self, end: usize) {
        self.buffer[end..self.length].fill(0);
        self.length = end;
    }

    fn parent(&self) -> Self {
        let mut parent = self.clone();
        parent.pop();
        parent
    }

    /// Empty for the root.
    fn bytes(&self) -> &[u8] {
        &self.buffer[..self.length]
    }

    fn as_c_str(&self) -> &CStr {
        if self.is_root() { c"/" } else { until_nul(&self.buffer) }
    }

    fn relative(&self) -> &CStr {
        until_nul(&self.buffer[1..])
    }
}

fn until_nul(bytes: &[u8]) -> &CStr {
    CStr::from_bytes_until_nul(bytes).unwrap_or_default()
}

/// The path still to be walked, kept at the end of its buffer so that a link can be put before it.
struct Ahead {
    buffer: [u8; PATH_MAX],
    start: usize,
}

impl Ahead {
    fn new() -> Self {
        Self { buffer: [0; PATH_MAX], start: PATH_MAX }
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    fn is_empty(&self) -> bool {
        self.rest().iter().all(|byte| *byte == b'/')
    }

    fn prepend(&mut self, path: &[u8]) -> Result<(), Errno> {
        let start = self.start.checked_sub(path.len() + 1).ok_or(Errno::NAMETOOLONG)?;
        self.buffer[start..start + path.len()].copy_from_slice(path);
        self.buffer[self.start - 1] = b'/';
        self.start = start;
        Ok(())
    }

    /// Takes the next name over into `here`; false at the end.
    fn step_into(&mut self, here: &mut Here) -> Result<bool, Errno> {
        while let Some(start) = self.rest().iter().position(|byte| *byte != b'/') {
            let rest = &self.rest()[start..];
            let length = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
            let name = &rest[..length];
            let after = self.start + start + length;
            match name {
                b"." => {}
                b".." => here.pop(),
                _ => here.push(name)?,
            }
            let step = name != b"." && name != b"..";
            self.start = after;
            if step {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Replaces the link at `here` by what it says.
    fn prepend_link(&mut self, here: &mut Here) -> Result<(), Errno> {
        let mut buffer = [0; PATH_MAX];
        let length = rustix::fs::readlinkat_raw(CWD, here.as_c_str(), &mut buffer[..])?;
        let link = &buffer[..length];
        self.prepend(link)?;
        if link.first() == Some(&b'/') {
            here.truncate(0)
        } else {
            here.pop()
        }
        Ok(())
    }
}
