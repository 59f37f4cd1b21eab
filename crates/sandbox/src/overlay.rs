//! Mounting many directories as one, in a child before exec as well as in wharf's own namespace.
//!
//! Layers are named to the kernel as `/proc/self/fd/N`: such a name is short however long the path is,
//! needs no escaping, and cannot be redirected between the look and the mount.

use std::ffi::{CStr, CString};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

use crate::ids::Privilege;
use crate::report::{During, Failure, Log, Step};
use crate::{Error, Overlay, path, sys};

// How a failure numbers the directories.
const UPPER: usize = 0;
const WORK: usize = 1;
const FIRST_LOWER: usize = 2;

/// Directories to be seen as one, ready to be mounted without allocating.
#[derive(Debug)]
pub(crate) struct View {
    /// The topmost first, as overlayfs wants them.
    lowers: Vec<CString>,
    upper: Option<Upper>,
    /// Keep overlayfs's marks in `user.overlay.*`, since a user namespace has no `trusted.*`.
    user_xattrs: bool,
    volatile: bool,
}

#[derive(Debug)]
struct Upper {
    dir: CString,
    work: CString,
}

impl View {
    pub(crate) fn new(overlay: &Overlay, privilege: Privilege) -> Result<Self, Error> {
        if overlay.lowers.is_empty() && overlay.upper.is_none() {
            return Err(Error::Invalid("an overlay needs at least one directory".to_owned()));
        }
        let upper = match &overlay.upper {
            Some(upper) => Some(Upper { dir: path::c_path(&upper.dir)?, work: path::c_path(&upper.work)? }),
            None => None,
        };
        let lowers =
            overlay.lowers.iter().rev().map(|lower| path::c_path(lower)).collect::<Result<_, _>>()?;
        let user_xattrs = privilege == Privilege::Namespaced;
        Ok(Self { lowers, upper, user_xattrs, volatile: overlay.volatile })
    }

    /// One directory, as it is.
    pub(crate) fn of_directory(directory: &Path) -> Result<Self, Error> {
        let upper = Upper { dir: path::c_path(directory)?, work: CString::default() };
        Ok(Self { lowers: Vec::new(), upper: Some(upper), user_xattrs: false, volatile: false })
    }

    /// A directory that exists and that the view may be mounted over where nobody else looks.
    pub(crate) fn anchor(&self) -> &CStr {
        match &self.upper {
            Some(upper) => &upper.dir,
            None => &self.lowers[0],
        }
    }

    pub(crate) fn anchor_path(&self) -> PathBuf {
        path::from_c(self.anchor())
    }

    /// The layer that takes the writes, to be asked what it already has. `None` when the view is a
    /// single directory, which has it all.
    pub(crate) fn open_writable(&self) -> Result<Option<OwnedFd>, Errno> {
        let Some(upper) = self.upper.as_ref().filter(|_| !self.lowers.is_empty()) else { return Ok(None) };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(&upper.dir, flags, Mode::empty()).map(Some)
    }

    /// The directory with this number in a [`Failure`] of [`mount`](Self::mount).
    pub(crate) fn directory(&self, index: usize) -> Option<PathBuf> {
        let directory = match (&self.upper, index) {
            (Some(upper), UPPER) => &upper.dir,
            (Some(upper), WORK) => &upper.work,
            _ => self.lowers.get(index.checked_sub(FIRST_LOWER)?)?,
        };
        Some(path::from_c(directory))
    }

    /// Mounts at `at` and returns a descriptor of the mount's root.
    pub(crate) fn mount(&self, at: &CStr) -> Result<OwnedFd, Failure> {
        let mount = match (self.lowers.as_slice(), &self.upper) {
            ([], Some(upper)) => clone_directory(&upper.dir, false)?,
            ([only], None) => clone_directory(only, true)?,
            _ => match self.overlay() {
                Ok(mount) => mount,
                // A kernel before 6.8 takes the layers only in one string, and says no more than this
                // to `lowerdir+`. If that fails, too, the first explanation is the better one.
                Err(failure) if failure.errno == Errno::INVAL => {
                    return self.mount_by_string(at).or(Err(failure));
                }
                Err(failure) => return Err(failure),
            },
        };
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        move_mount(&mount, c"", CWD, at, flags).during(Step::Overlay)?;
        Ok(mount)
    }

    fn overlay(&self) -> Result<OwnedFd, Failure> {
        let context = fsopen(c"overlay", FsOpenFlags::FSOPEN_CLOEXEC).during(Step::Overlay)?;
        let explained =
            |errno| Failure { log: Log::of_mount(context.as_fd()), ..Failure::new(Step::Overlay, 0, errno) };
        for option in self.options() {
            let set = match option {
                (key, Some(value)) => fsconfig_set_string(&context, key, value),
                (key, None) => fsconfig_set_flag(&context, key),
            };
            set.map_err(explained)?;
        }
        for (index, lower) in self.lowers.iter().enumerate() {
            set_layer(&context, c"lowerdir+", lower, FIRST_LOWER + index)?;
        }
        if let Some(upper) = &self.upper {
            set_layer(&context, c"upperdir", &upper.dir, UPPER)?;
            set_layer(&context, c"workdir", &upper.work, WORK)?;
        }
        fsconfig_create(&context).map_err(explained)?;
        fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty()).map_err(explained)
    }

    /// Whatever the kernel's defaults are, an upper directory must make sense on its own: a renamed
    /// directory is copied (`nofollow` neither makes nor believes redirects), and so is the data of a
    /// file whose owner or mode changes.
    fn options(&self) -> impl Iterator<Item = (&'static CStr, Option<&'static CStr>)> {
        let always =
            [(c"index", Some(c"off")), (c"redirect_dir", Some(c"nofollow")), (c"metacopy", Some(c"off"))];
        let volatile = (self.volatile && self.upper.is_some()).then_some((c"volatile", None));
        let user_xattrs = self.user_xattrs.then_some((c"userxattr", None));
        always.into_iter().chain(volatile).chain(user_xattrs)
    }

    /// The same with mount(2), whose options have to fit a page: enough for some 200 layers.
    fn mount_by_string(&self, at: &CStr) -> Result<OwnedFd, Failure> {
        let mut options = OptionString::default();
        self.write_options(&mut options)?;
        let flags = MountFlags::empty();
        rustix::mount::mount(c"overlay", at, c"overlay", flags, options.as_c_str()).during(Step::Overlay)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(at, flags, Mode::empty()).during(Step::Overlay)
    }

    fn write_options(&self, options: &mut OptionString) -> Result<(), Failure> {
        for (key, value) in self.options() {
            options.put(key.to_bytes())?;
            if let Some(value) = value {
                options.put(b"=")?;
                options.put(value.to_bytes())?;
            }
            options.put(b",")?;
        }
        if let Some(upper) = &self.upper {
            options.put(b"upperdir=")?;
            options.put_layer(&upper.dir, UPPER)?;
            options.put(b",workdir=")?;
            options.put_layer(&upper.work, WORK)?;
            options.put(b",")?;
        }
        options.put(b"lowerdir=")?;
        for (index, lower) in self.lowers.iter().enumerate() {
            if index > 0 {
                options.put(b":")?;
            }
            options.put_layer(lower, FIRST_LOWER + index)?;
        }
        Ok(())
    }
}

/// Mount options in a fixed buffer, with the layers they name held open.
struct OptionString {
    buffer: [u8; 4096],
    length: usize,
    layers: [Option<OwnedFd>; 256],
}

impl Default for OptionString {
    fn default() -> Self {
        Self { buffer: [0; 4096], length: 0, layers: [const { None }; 256] }
    }
}

impl OptionString {
    fn put(&mut self, text: &[u8]) -> Result<(), Failure> {
        // One byte less, for the NUL at the end.
        let room = self.buffer.len() - 1 - self.length;
        if text.len() > room {
            return Err(Failure::new(Step::OverlayOption, 0, Errno::TOOBIG));
        }
        self.buffer[self.length..self.length + text.len()].copy_from_slice(text);
        self.length += text.len();
        Ok(())
    }

    fn put_layer(&mut self, directory: &CStr, index: usize) -> Result<(), Failure> {
        let layer = open_layer(directory, index)?;
        self.put(DescriptorName::of(layer.as_fd()).as_c_str().to_bytes())?;
        let slot = self.layers.get_mut(index).ok_or(Failure::new(Step::OverlayOption, 0, Errno::TOOBIG))?;
        *slot = Some(layer);
        Ok(())
    }

    fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.buffer).unwrap_or_default()
    }
}

fn set_layer(context: &OwnedFd, key: &CStr, directory: &CStr, index: usize) -> Result<(), Failure> {
    let layer = open_layer(directory, index)?;
    fsconfig_set_string(context, key, DescriptorName::of(layer.as_fd()).as_c_str()).map_err(|errno| Failure {
        log: Log::of_mount(context.as_fd()),
        ..Failure::new(Step::OverlayOption, index, errno)
    })
}

fn open_layer(directory: &CStr, index: usize) -> Result<OwnedFd, Failure> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(directory, flags, Mode::empty()).during_nth(Step::Layer, index)
}

/// A directory by itself, as a mount that is not attached anywhere yet.
fn clone_directory(directory: &CStr, readonly: bool) -> Result<OwnedFd, Failure> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let mount = open_tree(CWD, directory, flags).during(Step::Root)?;
    if readonly {
        sys::set_mount_attributes(mount.as_fd(), MountAttrFlags::MOUNT_ATTR_RDONLY, false)
            .during(Step::Root)?;
    }
    Ok(mount)
}

/// The name under `/proc` of an open descriptor.
struct DescriptorName([u8; 32]);

impl DescriptorName {
    fn of(descriptor: BorrowedFd<'_>) -> Self {
        let mut name = [0; 32];
        // The longest descriptor number leaves eight bytes of zero.
        let written = write!(&mut name[..], "/proc/self/fd/{}", descriptor.as_raw_fd());
        debug_assert!(written.is_ok());
        Self(name)
    }

    fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::mount::{MountPropagationFlags, mount_change};

    use super::*;

    /// What a kernel needs that does not know `lowerdir+`; the other way has its tests in `tests/files.rs`.
    #[test]
    fn layers_can_be_given_in_one_string() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        // This thread alone gets mounts of its own.
        sys::unshare(libc::CLONE_NEWNS).unwrap();
        mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
        let place = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let directory = place.path().join(name);
            fs::create_dir(&directory).unwrap();
            directory
        };
        let lowers: Vec<_> = (0..200).map(|number| make(&format!("a,b:c{number}"))).collect();
        for (number, lower) in lowers.iter().enumerate() {
            fs::write(lower.join("topmost"), number.to_string()).unwrap();
        }
        let (dir, work, at) = (make("upper"), make("work"), make("at"));
        let upper = Some(crate::Upper { dir: dir.clone(), work });
        let overlay = Overlay { lowers, upper, volatile: true };
        let view = View::new(&overlay, Privilege::Full).unwrap();
        view.mount_by_string(&path::c_path(&at).unwrap()).unwrap();
        assert_eq!(fs::read_to_string(at.join("topmost")).unwrap(), "199");
        fs::write(at.join("new"), "").unwrap();
        assert!(dir.join("new").exists());
        rustix::mount::unmount(&at, rustix::mount::UnmountFlags::empty()).unwrap();

        let overlay = Overlay { lowers: vec![place.path().into(); 300], ..Overlay::default() };
        let view = View::new(&overlay, Privilege::Full).unwrap();
        let refused = view.mount_by_string(&path::c_path(&at).unwrap()).unwrap_err();
        assert_eq!(refused.errno, Errno::TOOBIG);
    }
}
