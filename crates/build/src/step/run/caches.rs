//! Cache mounts: directories that outlive the build.

use std::fs::{self, File, Permissions, TryLockError};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::copy::{Attributes, Target, copy};
use crate::error::{Cause, StepError};
use crate::id::Hasher;
use crate::plan::{CacheMount, FileOwner, Sharing, Source};
use crate::session::Session;
use crate::tree::{Owners, PickError, Query, Tree, pick};

/// What a new cache is where the instruction does not say.
const DEFAULT: FileOwner = FileOwner { uid: 0, gid: 0, mode: 0o755 };

/// Where BuildKit makes the directory of a cache whose owner or mode is said.
const OWNED: &str = "/cache";

/// A cache in use.
#[derive(Debug)]
pub(super) struct Cache {
    /// Its directory.
    pub(super) path: PathBuf,
    _lock: File,
}

/// Finds or makes the cache of a mount, and waits until it may be used.
pub(super) fn open(session: &Session<'_>, mount: &CacheMount) -> Result<Cache, StepError> {
    let mut name = Hasher::new("cache mount");
    name.text(&mount.id);
    if let Some(chain) = session.source_chain(&mount.from)? {
        name.id(&chain.id).text(&mount.source);
    }
    // As in BuildKit, caches that start differently are different ones.
    if let Some(FileOwner { uid, gid, mode }) = mount.owner {
        name.text(&format!("{uid}:{gid} {mode:o}"));
    }
    let name = name.finish().to_string();
    let all = session.engine.data.join("cache-mounts");
    fs::create_dir_all(&all).map_err(Cause::file("making directory", &all))?;
    let mut number = 0;
    loop {
        let place = all.join(format!("{}-{number}", &name[..32]));
        let sharing = match (mount.sharing, session.engine.is_flat()) {
            // It is moved into the root of the step, where only one can have it.
            (Sharing::Shared, true) => Sharing::Locked,
            (sharing, _) => sharing,
        };
        if let Some(lock) = lock(&place, sharing)? {
            fill(session, mount, &place)?;
            return Ok(Cache { path: place, _lock: lock });
        }
        number += 1;
    }
}

/// Locks a cache; `None` when a private one is in use.
fn lock(place: &Path, sharing: Sharing) -> Result<Option<File>, StepError> {
    let path = place.with_extension("lock");
    let file = File::options().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(Cause::file("making", &path))?;
    match sharing {
        Sharing::Shared => file.lock_shared().map_err(Cause::file("locking", &path))?,
        Sharing::Locked => file.lock().map_err(Cause::file("locking", &path))?,
        Sharing::Private => match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(Cause::file("locking", &path)(error)),
        },
    }
    // Pruning takes what was not used for longest.
    file.set_modified(SystemTime::now()).map_err(Cause::file("updating the time of", &path))?;
    Ok(Some(file))
}

/// Makes the directory of a cache with what it starts as, whole or not at all.
fn fill(session: &Session<'_>, mount: &CacheMount, place: &Path) -> Result<(), StepError> {
    if place.is_dir() {
        return Ok(());
    }
    let new =
        session.snapshots.work.directory("cache").map_err(Cause::file("making a directory for", place))?;
    if !copy_start(session, mount, &new)? {
        let owner = mount.owner.unwrap_or(DEFAULT);
        std::os::unix::fs::chown(&new, Some(owner.uid), Some(owner.gid))
            .map_err(Cause::file("changing the owner of", &new))?;
        fs::set_permissions(&new, Permissions::from_mode(owner.mode & 0o777))
            .map_err(Cause::file("changing the mode of", &new))?;
    }
    crate::snapshot::publish(&new, place)?;
    Ok(())
}

/// Copies what a cache starts as to `new`; whether there is anything. An owner or a mode means a directory [`OWNED`],
/// which is made where the start has none.
fn copy_start(session: &Session<'_>, mount: &CacheMount, new: &Path) -> Result<bool, StepError> {
    if mount.from == Source::Scratch {
        return Ok(false);
    }
    let files = session.files(&mount.from)?;
    let path = if mount.owner.is_some() { OWNED } else { &mount.source };
    let picks = match pick(files.tree(), &Query { path, glob: false, parents: None, excludes: &[] }) {
        Err(PickError::NotFound { .. }) if mount.owner.is_some() => return Ok(false),
        picks => picks?,
    };
    let root = Tree::open(new, Owners::Kept).map_err(Cause::file("opening", new))?;
    let attributes = Attributes { owner: None, mode: None, ownership: session.engine.ownership() };
    for pick in picks {
        copy(files.tree(), &pick, false, &Target { root: &root, dest: "/", attributes })?;
    }
    Ok(true)
}
