//! The root file system of one run: the image's layers below, a directory for its changes on top.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};
use wharf_sandbox::{Mounted, Overlay, Root, Sandbox, Upper, open_in_root};

use crate::exit::Failure;

/// No identity file or script that wharf reads from an image is larger than this, in bytes.
const FILE_MAX: u64 = 4 << 20;

/// A place for the changes of one run; they go with it.
#[derive(Debug)]
pub(crate) struct Scratch {
    directory: tempfile::TempDir,
    lowers: Vec<PathBuf>,
}

impl Scratch {
    /// A scratch under `data_dir` on top of `lowers`, the base first.
    pub(crate) fn new(data_dir: &Path, lowers: Vec<PathBuf>) -> Result<Self, Failure> {
        let parent = data_dir.join("run");
        fs::create_dir_all(&parent).with_context(|| format!("creating {}", parent.display()))?;
        let directory = tempfile::Builder::new()
            .prefix("scratch-")
            .tempdir_in(&parent)
            .with_context(|| format!("creating a directory in {}", parent.display()))?;
        for name in ["upper", "work", "view"] {
            fs::create_dir(directory.path().join(name))?;
        }
        Ok(Self { directory, lowers })
    }

    /// The writable root for a sandbox.
    pub(crate) fn root(&self) -> Root {
        Root::Overlay(Overlay {
            lowers: self.lowers.clone(),
            upper: Some(Upper { dir: self.path("upper"), work: self.path("work") }),
            volatile: true,
        })
    }

    /// Looks at the image without changing it.
    pub(crate) fn view(&self, sandbox: &Sandbox) -> Result<View, Failure> {
        let overlay = Overlay { lowers: self.lowers.clone(), upper: None, volatile: false };
        let mounted = sandbox.mount_overlay(&overlay, &self.path("view"))?;
        Ok(View { mounted })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
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
}
