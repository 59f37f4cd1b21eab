//! Deltas: a copy that was made anew, as what differs from the copy before.
//!
//! Where one file of many thousands was edited, one file is written. The files of the layer are then those of the
//! earlier snapshot and, on top of them, those of a second directory, as overlayfs lays any two layers on one
//! another. A delta stands on a whole snapshot and never on another delta, so no layer has more than two
//! directories. On disk it is a directory that holds its files and a link to what it stands on; without that it
//! counts for nothing, and the layer is unpacked when somebody needs it.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use wharf_layer::OpaqueXattr;
use wharf_oci::Digest;

use super::unpack::touch;
use super::{Place, publish};
use crate::copy::set_time_of_open;
use crate::engine::Engine;
use crate::error::{Cause, StepError};
use crate::tree::{Meta, open_beneath};
use crate::work::WorkDirectory;

/// What is in the directory of a delta.
const FILES: &str = "files";
const BENEATH: &str = "beneath";
/// How its name ends.
const MARK: &str = "-delta";

impl Engine {
    /// The whole snapshot of a layer, to stand on, if there is one.
    pub(crate) fn use_snapshot(&self, diff_id: &Digest) -> Option<PathBuf> {
        Some(self.snapshot(diff_id)).filter(|whole| touch(whole))
    }

    /// The files of a layer, if there is a delta of it.
    pub(super) fn find_delta(&self, diff_id: &Digest) -> Option<Place> {
        let delta = self.delta(diff_id);
        let beneath = stands_on(&delta)?;
        (touch(&delta) && touch(&beneath)).then(|| Place::Delta { beneath, upper: delta.join(FILES) })
    }

    /// Keeps the files of a layer that was just made, so that nobody need unpack it.
    pub(crate) fn keep_snapshot(
        &self,
        place: &Place,
        diff_id: &Digest,
        work: &WorkDirectory,
    ) -> Result<(), StepError> {
        let whole = self.snapshot(diff_id);
        let (beneath, upper) = match place {
            Place::Whole(directory) => return publish(directory, &whole).map(drop),
            Place::Delta { beneath, upper } => (beneath, upper),
        };
        if touch(&whole) || self.find_delta(diff_id).is_some() {
            return Ok(());
        }
        let name = self.delta(diff_id);
        // One whose snapshot is gone is of no use to anybody.
        let _ = fs::rename(&name, work.path("delta"));
        let delta = work.directory("delta").map_err(Cause::file("making a directory for", &name))?;
        fs::rename(upper, delta.join(FILES))
            .and_then(|()| {
                symlink(Path::new("..").join(beneath.file_name().unwrap_or_default()), delta.join(BENEATH))
            })
            .map_err(Cause::file("putting together", &delta))?;
        publish(&delta, &name).map(drop)
    }

    fn delta(&self, diff_id: &Digest) -> PathBuf {
        self.snapshots().join(format!("{}{MARK}", diff_id.digest()))
    }
}

/// The snapshot that the one at `snapshot` stands on, if it is a delta.
pub(crate) fn stands_on(snapshot: &Path) -> Option<PathBuf> {
    // Any other directory holds the files of a layer, which may be called anything.
    snapshot.file_name()?.to_str().filter(|name| name.ends_with(MARK))?;
    let beneath = fs::read_link(snapshot.join(BENEATH)).ok()?;
    Some(snapshot.with_file_name(beneath.file_name()?))
}

/// Makes what a step wrote to `upper` a delta: directories there hide nothing of what lies beneath them, and
/// `gone`, of which nothing is in `upper`, is hidden. `false` where that cannot be expressed.
pub(crate) fn make_delta(upper: &Path, gone: &[PathBuf], opaque: OpaqueXattr) -> Result<bool, StepError> {
    let root = rustix::fs::open(upper, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(Cause::file("opening", upper))?;
    uncover(upper, opaque)?;
    for path in gone {
        let fail = |error: Errno| Cause::file("removing", path)(error);
        let (parent, name) = (path.parent().unwrap_or(Path::new("")), path.file_name().unwrap_or_default());
        let Ok(parent) = open_beneath(root.as_fd(), parent, OFlags::RDONLY | OFlags::DIRECTORY) else {
            return Ok(false);
        };
        let before = Meta::from(&rustix::fs::fstat(&parent).map_err(fail)?);
        match rustix::fs::mknodat(&parent, name, FileType::CharacterDevice, Mode::empty(), 0) {
            Ok(()) => {}
            Err(Errno::EXIST | Errno::PERM) => return Ok(false),
            Err(error) => return Err(fail(error)),
        }
        set_time_of_open(&parent, before.mtime).map_err(fail)?;
    }
    Ok(true)
}

/// Takes overlayfs's mark from directories that hide what is below them: it sets it on all that it makes, since
/// nothing was there.
fn uncover(directory: &Path, opaque: OpaqueXattr) -> Result<(), StepError> {
    let fail = |error| Cause::file("reading", directory)(error);
    match rustix::fs::lremovexattr(directory, opaque.name()) {
        Ok(()) | Err(Errno::NODATA | Errno::NOTSUP) => {}
        Err(error) => return Err(fail(error.into())),
    }
    for entry in fs::read_dir(directory).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        if entry.file_type().map_err(fail)?.is_dir() {
            uncover(&entry.path(), opaque)?;
        }
    }
    Ok(())
}
