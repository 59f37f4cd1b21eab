//! The digest of picked files: what a step that uses them depends on.
//!
//! It covers names, kinds, modes, contents, link targets, device numbers, which files are one (hard links)
//! and, where they are kept, owners and file capabilities. Times are left out: a fresh checkout is the same.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::{Kind, Memo, Meta, Owners, Pick, Tree};
use crate::id::{Hasher, Id};

/// The extended attribute that layers keep.
pub(crate) const CAPABILITY: &str = "security.capability";
/// Files are hashed by so many threads at once.
const THREADS: usize = 4;
/// Fewer files than this are hashed by the calling thread.
const WORTH_THREADS: usize = 32;
const BUFFER: usize = 256 << 10;

/// What picked files hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contents {
    /// The digest of everything.
    pub(crate) id: Id,
    /// Every file by its path in the tree, with its digest, in the order of the entries.
    pub(crate) files: Vec<(PathBuf, Id)>,
}

/// A file of the tree cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("reading `/{}`", path.display())]
pub(crate) struct ReadError {
    pub(crate) path: PathBuf,
    pub(crate) source: io::Error,
}

/// Hashes `picks`. Files that `memo` knows are not read.
pub(crate) fn digest(tree: &Tree, picks: &[Pick], memo: Option<&Memo>) -> Result<Contents, ReadError> {
    let files: Vec<(PathBuf, Meta)> = picks
        .iter()
        .flat_map(|pick| pick.entries.iter().map(move |entry| (join(&pick.path, &entry.path), entry.meta)))
        .filter(|(_, meta)| meta.kind == Kind::File)
        .collect();
    let digests = file_digests(tree, &files, memo)?;
    let mut hasher = Hasher::new("files");
    let mut file_digests = digests.iter();
    for pick in picks {
        hasher.bytes(pick.name.as_bytes()).number(pick.entries.len() as u64);
        let mut links = HashMap::new();
        for (number, entry) in pick.entries.iter().enumerate() {
            let meta = &entry.meta;
            hasher
                .bytes(entry.path.as_os_str().as_bytes())
                .bytes(&[meta.kind.tag(), u8::from(entry.implied)]);
            hasher.number(meta.mode.into());
            if tree.owners() == Owners::Kept {
                hasher.number(meta.uid.into()).number(meta.gid.into());
            }
            match meta.kind {
                Kind::File => {
                    hasher.id(file_digests.next().unwrap_or(&Id([0; 32])));
                    if meta.nlink > 1 {
                        hasher.number(*links.entry((meta.dev, meta.ino)).or_insert(number) as u64);
                    }
                }
                Kind::Symlink => {
                    let path = join(&pick.path, &entry.path);
                    let target = rustix::fs::readlinkat(tree.root(), &path, Vec::new());
                    hasher.bytes(target.map_err(|error| failed(&path, error.into()))?.as_bytes());
                }
                Kind::CharDevice | Kind::BlockDevice => drop(hasher.number(meta.rdev)),
                Kind::Directory | Kind::Fifo | Kind::Socket => {}
            }
        }
    }
    let files = files.into_iter().zip(digests).map(|((path, _), digest)| (path, digest)).collect();
    Ok(Contents { id: hasher.finish(), files })
}

/// Joins, but gives `base` itself, without a slash at its end, where there is nothing to add.
fn join(base: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() { base.to_owned() } else { base.join(rest) }
}

fn failed(path: &Path, source: io::Error) -> ReadError {
    ReadError { path: path.to_owned(), source }
}

/// The digest of each file, in order.
fn file_digests(tree: &Tree, files: &[(PathBuf, Meta)], memo: Option<&Memo>) -> Result<Vec<Id>, ReadError> {
    let mut digests: Vec<Option<Id>> =
        files.iter().map(|(_, meta)| memo.and_then(|memo| memo.get(meta))).collect();
    let missing: Vec<usize> = (0..files.len()).filter(|index| digests[*index].is_none()).collect();
    let threads = if missing.len() < WORTH_THREADS { 1 } else { THREADS };
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        let mut buffer = vec![0; BUFFER];
        while let Some(index) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (path, meta) = &files[*index];
            done.push((*index, hash_file(tree, path, meta, memo, &mut buffer)?));
        }
        Ok(done)
    };
    let results: Vec<Result<Vec<(usize, Id)>, ReadError>> = match threads {
        1 => vec![work()],
        _ => std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            workers
                .into_iter()
                .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        }),
    };
    for result in results {
        for (index, id) in result? {
            digests[index] = Some(id);
        }
    }
    Ok(digests.into_iter().flatten().collect())
}

/// Hashes one file, and its capabilities where owners are kept, too.
fn hash_file(
    tree: &Tree,
    path: &Path,
    meta: &Meta,
    memo: Option<&Memo>,
    buffer: &mut [u8],
) -> Result<Id, ReadError> {
    let seen = SystemTime::now();
    let fail = |error| failed(path, error);
    let mut file = File::from(tree.open_at(path, OFlags::RDONLY | OFlags::NONBLOCK).map_err(fail)?);
    let mut hasher = blake3::Hasher::new();
    loop {
        match file.read(buffer).map_err(fail)? {
            0 => break,
            count => drop(hasher.update(&buffer[..count])),
        }
    }
    if tree.owners() == Owners::Kept {
        hasher.update(&capability(&file).map_err(fail)?);
    }
    let id = Id(*hasher.finalize().as_bytes());
    let after = rustix::fs::fstat(&file).map_err(|error| fail(error.into()))?;
    if let Some(memo) = memo.filter(|_| Meta::from(&after) == *meta) {
        memo.put(meta, seen, id);
    }
    Ok(id)
}

/// The file capabilities of a file; none is empty.
pub(crate) fn capability(file: &File) -> io::Result<Vec<u8>> {
    let mut value = vec![0; 64];
    match rustix::fs::fgetxattr(file, CAPABILITY, &mut value) {
        Ok(length) => {
            value.truncate(length);
            Ok(value)
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::tree::{Query, pick};

    fn id_of(root: &Path) -> Id {
        let tree = Tree::open(root, Owners::Root).unwrap();
        let picks = pick(&tree, &Query { path: "/", glob: false, parents: None, excludes: &[] }).unwrap();
        digest(&tree, &picks, None).unwrap().id
    }

    #[test]
    fn everything_that_reaches_the_image_counts_and_times_do_not() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path();
        fs::create_dir(root.join("d")).unwrap();
        fs::write(root.join("d/f"), "one").unwrap();
        fs::write(root.join("g"), "one").unwrap();
        symlink("g", root.join("l")).unwrap();
        let first = id_of(root);
        File::options()
            .write(true)
            .open(root.join("g"))
            .unwrap()
            .set_modified(SystemTime::UNIX_EPOCH)
            .unwrap();
        assert_eq!(id_of(root), first);
        let changes: [(&str, &dyn Fn()); 6] = [
            ("content", &|| fs::write(root.join("g"), "two").unwrap()),
            ("mode", &|| fs::set_permissions(root.join("g"), fs::Permissions::from_mode(0o600)).unwrap()),
            ("name", &|| fs::rename(root.join("g"), root.join("h")).unwrap()),
            ("link", &|| {
                fs::remove_file(root.join("l")).unwrap();
                symlink("h", root.join("l")).unwrap();
            }),
            ("empty directory", &|| fs::create_dir(root.join("e")).unwrap()),
            ("hard link", &|| {
                fs::remove_file(root.join("h")).unwrap();
                fs::hard_link(root.join("d/f"), root.join("h")).unwrap();
            }),
        ];
        let mut last = first;
        for (what, change) in changes {
            change();
            let now = id_of(root);
            assert_ne!(now, last, "{what}");
            last = now;
        }
    }
}
