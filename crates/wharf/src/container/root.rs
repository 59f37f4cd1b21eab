//! The root file system of a run: the image's layers below, a directory for its changes on top.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rustix::fs::{Mode, OFlags, ResolveFlags, mkdirat, open, openat, openat2};
use rustix::io::Errno;
use wharf_sandbox::{Mounted, Overlay, Root, Sandbox, Upper, open_in_root};

use crate::exit::Failure;

/// No identity file or script that wharf reads from an image is larger than this, in bytes.
const FILE_MAX: u64 = 4 << 20;

/// A place for the changes of one run.
#[derive(Debug)]
pub(crate) struct Scratch {
    directory: PathBuf,
    lowers: Vec<PathBuf>,
    /// Worth keeping when the run has ended.
    lasting: bool,
    _temporary: Option<tempfile::TempDir>,
}

impl Scratch {
    /// A scratch under `data_dir` on top of `lowers`, the base first. It goes with the run.
    pub(crate) fn new(data_dir: &Path, lowers: Vec<PathBuf>) -> Result<Self, Failure> {
        let parent = data_dir.join("run");
        fs::create_dir_all(&parent).with_context(|| format!("creating {}", parent.display()))?;
        let temporary = tempfile::Builder::new()
            .prefix("scratch-")
            .tempdir_in(&parent)
            .with_context(|| format!("creating a directory in {}", parent.display()))?;
        let directory = temporary.path().to_owned();
        let scratch = Self { directory, lowers, lasting: false, _temporary: Some(temporary) };
        scratch.make_directories()?;
        Ok(scratch)
    }

    /// A scratch in a container's directory, with what an earlier run of it has changed.
    pub(crate) fn of_container(
        directory: &Path,
        lowers: Vec<PathBuf>,
        lasting: bool,
    ) -> Result<Self, Failure> {
        let scratch = Self { directory: directory.to_owned(), lowers, lasting, _temporary: None };
        // Overlayfs leaves marks there that only hold for one mount.
        let _ = fs::remove_dir_all(scratch.path("work"));
        scratch.make_directories()?;
        Ok(scratch)
    }

    fn make_directories(&self) -> Result<(), Failure> {
        for name in ["upper", "work", "view"] {
            let path = self.path(name);
            fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
        }
        Ok(())
    }

    /// The writable root for a sandbox.
    pub(crate) fn root(&self) -> Root {
        Root::Overlay(Overlay {
            lowers: self.lowers.clone(),
            upper: Some(Upper { dir: self.path("upper"), work: self.path("work") }),
            volatile: !self.lasting,
        })
    }

    /// Looks at the files without changing them, what earlier runs have changed included.
    pub(crate) fn view(&self, sandbox: &Sandbox) -> Result<View, Failure> {
        let lowers = self.lowers.iter().cloned().chain([self.path("upper")]).collect();
        let overlay = Overlay { lowers, upper: None, volatile: false };
        let mounted = sandbox.mount_overlay(&overlay, &self.path("view"))?;
        Ok(View { mounted })
    }

    /// Makes a directory where there is none, links followed inside the image.
    pub(crate) fn make_directory(&self, sandbox: &Sandbox, path: &Path) -> Result<(), Failure> {
        let Root::Overlay(overlay) = self.root() else { return Ok(()) };
        let mounted = sandbox.mount_overlay(&Overlay { volatile: false, ..overlay }, &self.path("view"))?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = open(mounted.path(), flags, Mode::empty())?;
        let mut here = PathBuf::from(".");
        for name in path.strip_prefix("/").unwrap_or(path) {
            let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
            let around = openat2(&root, &here, flags, Mode::empty(), inside)?;
            match mkdirat(&around, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => here.push(name),
                Err(errno) => {
                    return Err(Failure::from(errno).context(format!("creating {}", path.display())));
                }
            }
        }
        drop(root);
        Ok(mounted.unmount()?)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// The image's files, read-only. Paths are resolved inside of it, whatever its symbolic links say.
#[derive(Debug)]
pub(crate) struct View {
    mounted: Mounted,
}

impl View {
    /// The contents of a small file; empty where there is none.
    pub(crate) fn read(&self, path: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Ok(file) = open_in_root(self.mounted.path(), Path::new(path)) {
            // A file that cannot be read says as little as one that is not there.
            let _ = file.take(FILE_MAX).read_to_end(&mut bytes);
        }
        bytes
    }

    /// What is at `path`, links followed inside the image. Nothing is opened for reading.
    pub(crate) fn metadata(&self, path: &Path) -> Option<fs::Metadata> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let root = open(self.mounted.path(), flags | OFlags::DIRECTORY, Mode::empty()).ok()?;
        let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let found = openat2(&root, path, flags, Mode::empty(), inside).ok()?;
        fs::File::from(found).metadata().ok()
    }
    /// Copies what is in the directory at `path`, links followed inside the image, with owners, modes and
    /// times. Where there is no such directory there is nothing to copy.
    pub(crate) fn copy_directory(&self, path: &Path, to: &Path) -> anyhow::Result<()> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let root = open(self.mounted.path(), flags, Mode::empty())?;
        let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let relative = path.strip_prefix("/").unwrap_or(path);
        match openat2(&root, relative, flags, Mode::empty(), inside) {
            Ok(directory) => copy_tree(&directory, to),
            Err(_) => Ok(()),
        }
    }
}

/// Copies the contents of an open directory into one that exists, and its metadata onto it.
fn copy_tree(directory: &OwnedFd, to: &Path) -> anyhow::Result<()> {
    let from = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
    for entry in fs::read_dir(&from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            fs::create_dir(&target)?;
            let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            copy_tree(&openat(directory, entry.file_name(), flags, Mode::empty())?, &target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path())?, &target)?;
            own(&target, &entry.metadata()?)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), &target)?;
            let metadata = entry.metadata()?;
            own(&target, &metadata)?;
            // Changing the owner takes set-id bits away.
            fs::set_permissions(&target, metadata.permissions())?;
            File::options().write(true).open(&target)?.set_modified(metadata.modified()?)?;
        }
    }
    let metadata = fs::metadata(&from)?;
    own(to, &metadata)?;
    Ok(fs::set_permissions(to, metadata.permissions())?)
}

fn own(path: &Path, metadata: &fs::Metadata) -> std::io::Result<()> {
    std::os::unix::fs::lchown(path, Some(metadata.uid()), Some(metadata.gid()))
}
