//! What a copy puts where, so that the next one of the same step need write only what differs.
//!
//! Pure: a listing is made of what was picked and of where it goes, and compared with an earlier one. An entry's
//! digest covers all that the copy makes of it (content, kind, mode, owner, time, other names), so that two
//! entries with the same path and digest are the same file in the layer.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::Attributes;
use crate::id::{Hasher, Id};
use crate::tree::{Entry, Kind, Pick, Tree};

/// Longer ones are not kept.
const ENTRIES_MAX: usize = 200_000;
/// What making a file costs, in bytes that might be copied meanwhile.
const FILE_COST: u64 = 32 << 10;
/// Copies that cost less than this are made as a whole: each delta is one more layer to look through.
const WORTH_KEEPING: u64 = 8 << 20;
/// So many times the cost of a delta is that of a whole copy, at least; else the whole is copied, which the next
/// delta is then small against.
const WORTH_DELTA: u64 = 3;

/// What a copy puts where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    /// By path in the root file system, which starts without a slash.
    entries: HashMap<PathBuf, Listed>,
    cost: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Listed {
    is_dir: bool,
    digest: Id,
}

/// How a listing differs from an earlier one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// What is to be written: what is new or different, and the directories on the way there.
    written: HashSet<PathBuf>,
    /// What is no longer there, without what was in directories that are gone as a whole.
    pub(crate) gone: Vec<PathBuf>,
}

impl Listing {
    /// Adds what `pick` puts at `dest`; `digests` are those of its files, in order. `false` where it puts something
    /// where there is something already: then a listing does not tell what becomes of it.
    pub(crate) fn add(
        &mut self,
        source: &Tree,
        pick: &Pick,
        digests: &mut impl Iterator<Item = Id>,
        dest: &Path,
        attributes: &Attributes<'_>,
    ) -> io::Result<bool> {
        let names = names_of_links(pick);
        for entry in &pick.entries {
            let is_dir = entry.meta.is_dir();
            let content = if entry.meta.kind == Kind::File { digests.next() } else { None };
            if is_dir && entry.path.as_os_str().is_empty() {
                // Its contents go into a directory that is made or there; nothing is made of it itself.
                continue;
            }
            let digest = digest(source, pick, entry, content, &names, attributes)?;
            self.cost += FILE_COST + if is_dir { 0 } else { entry.meta.size };
            let listed = Listed { is_dir, digest };
            let known = self.entries.insert(join(dest, &entry.path), listed);
            // Several picks may lead through the same directory.
            if known.is_some_and(|known| !is_dir || known != listed) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether keeping it may save anybody any time.
    pub(crate) fn is_worth_keeping(&self) -> bool {
        self.cost >= WORTH_KEEPING && self.entries.len() <= ENTRIES_MAX
    }

    /// What differs from `before`.
    pub(crate) fn since(&self, before: &Self) -> Changes {
        let differs = |(path, listed): &(&PathBuf, &Listed)| before.entries.get(*path) != Some(*listed);
        let mut changes = Changes::default();
        for (path, _) in self.entries.iter().filter(differs) {
            self.write_with_parents(path, &mut changes.written);
        }
        for path in before.entries.keys().filter(|path| !self.entries.contains_key(*path)) {
            let Some(parent) = path.parent() else { continue };
            match (before.entries.contains_key(parent), self.entries.get(parent)) {
                // It is gone with the directory it was in, or hidden by what is there now.
                (true, None | Some(Listed { is_dir: false, .. })) => continue,
                _ => changes.gone.push(path.clone()),
            }
            self.write_with_parents(parent, &mut changes.written);
        }
        changes.gone.sort_unstable();
        changes
    }

    fn write_with_parents(&self, path: &Path, written: &mut HashSet<PathBuf>) {
        for path in path.ancestors().filter(|path| self.entries.contains_key(*path)) {
            if !written.insert(path.to_owned()) {
                break;
            }
        }
    }

    /// Whether writing `picks` in place of everything saves enough.
    pub(crate) fn is_worth_delta<'a>(&self, picks: impl IntoIterator<Item = &'a Pick>) -> bool {
        let cost = |pick: &Pick| pick.size() + FILE_COST * pick.entries.len() as u64;
        picks.into_iter().map(cost).sum::<u64>().saturating_mul(WORTH_DELTA) <= self.cost
    }

    /// As bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.cost.to_le_bytes().to_vec();
        for (path, Listed { is_dir, digest }) in &self.entries {
            let path = path.as_os_str().as_bytes();
            bytes.extend((path.len() as u32).to_le_bytes());
            bytes.extend(path);
            bytes.push(u8::from(*is_dir));
            bytes.extend(digest.0);
        }
        bytes
    }

    /// What [`encode`](Self::encode) gave; `None` for bytes that make no sense.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (cost, mut rest) = bytes.split_first_chunk::<8>()?;
        let mut entries = HashMap::with_capacity(rest.len() / 64);
        while let Some((length, path)) = rest.split_first_chunk::<4>() {
            let (path, listed) = path.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            let (is_dir, listed) = listed.split_first()?;
            let (digest, next) = listed.split_first_chunk::<32>()?;
            let path = PathBuf::from(std::ffi::OsString::from_vec(path.to_vec()));
            entries.insert(path, Listed { is_dir: *is_dir == 1, digest: Id(*digest) });
            rest = next;
        }
        rest.is_empty().then_some(Self { entries, cost: u64::from_le_bytes(*cost) })
    }
}

impl Changes {
    /// What of `pick`, which goes to `dest`, is to be written; `None` if nothing is.
    pub(crate) fn of(&self, pick: &Pick, dest: &Path) -> Option<Pick> {
        let is_top = |entry: &Entry| entry.meta.is_dir() && entry.path.as_os_str().is_empty();
        let is_written = |entry: &&Entry| is_top(entry) || self.written.contains(&join(dest, &entry.path));
        let entries: Vec<Entry> = pick.entries.iter().filter(is_written).cloned().collect();
        let (name, path) = (pick.name.clone(), pick.path.clone());
        (!entries.is_empty()).then_some(Pick { name, path, entries })
    }
}

/// For each file that has several names in `pick`, all of them.
fn names_of_links(pick: &Pick) -> HashMap<(u64, u64), Vec<&Path>> {
    let mut names: HashMap<(u64, u64), Vec<&Path>> = HashMap::new();
    let files = pick.entries.iter().filter(|entry| entry.meta.kind == Kind::File && entry.meta.nlink > 1);
    for entry in files {
        names.entry((entry.meta.dev, entry.meta.ino)).or_default().push(&entry.path);
    }
    names
}

fn digest(
    source: &Tree,
    pick: &Pick,
    entry: &Entry,
    content: Option<Id>,
    names: &HashMap<(u64, u64), Vec<&Path>>,
    attributes: &Attributes<'_>,
) -> io::Result<Id> {
    let meta = &entry.meta;
    let (uid, gid) = attributes.owner(meta, source.owners());
    let mut hasher = Hasher::new("copied");
    hasher.bytes(&[meta.kind.tag(), u8::from(entry.implied)]);
    hasher.number(attributes.mode(meta.mode, meta.is_dir()).into()).number(uid.into()).number(gid.into());
    hasher.number(meta.mtime.seconds as u64).number(meta.mtime.nanoseconds as u64);
    match meta.kind {
        Kind::File => {
            hasher.number(meta.size).id(&content.unwrap_or_else(Id::unique));
            let names = names.get(&(meta.dev, meta.ino)).map_or(&[][..], Vec::as_slice);
            // A single one here may have others elsewhere, which the copy does not see.
            for name in names.iter().filter(|_| names.len() > 1) {
                hasher.bytes(name.as_os_str().as_bytes());
            }
        }
        Kind::Symlink => {
            let path = join(&pick.path, &entry.path);
            hasher.bytes(rustix::fs::readlinkat(source.root(), &path, Vec::new())?.as_bytes());
        }
        Kind::CharDevice | Kind::BlockDevice => drop(hasher.number(meta.rdev)),
        Kind::Directory | Kind::Fifo | Kind::Socket => {}
    }
    Ok(hasher.finish())
}

/// Joins, but gives `base` itself where there is nothing to add.
fn join(base: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() { base.to_owned() } else { base.join(rest) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(entries: &[(&str, u8)]) -> Listing {
        let listed = |(path, digest): &(&str, u8)| {
            let name = path.trim_end_matches('/');
            (PathBuf::from(name), Listed { is_dir: name.len() < path.len(), digest: Id([*digest; 32]) })
        };
        Listing { entries: entries.iter().map(listed).collect(), cost: 7 }
    }

    fn changes(before: &[(&str, u8)], now: &[(&str, u8)]) -> (Vec<String>, Vec<String>) {
        let Changes { written, gone } = listing(now).since(&listing(before));
        let text = |path: &PathBuf| path.to_string_lossy().into_owned();
        let mut written: Vec<String> = written.iter().map(text).collect();
        written.sort();
        (written, gone.iter().map(text).collect())
    }

    #[test]
    fn what_differs_is_written_with_the_directories_on_the_way() {
        let before = [("a/b/", 1), ("a/b/c/", 1), ("a/b/c/f", 1), ("a/b/g", 1), ("a/h", 1)];
        let mut now = before;
        assert_eq!(changes(&before, &now), (vec![], vec![]));
        now[2].1 = 2;
        assert_eq!(changes(&before, &now).0, ["a/b", "a/b/c", "a/b/c/f"]);
        assert_eq!(changes(&before[..4], &before).0, ["a/h"]);
    }

    #[test]
    fn what_is_gone_is_named_once_and_its_directory_is_written() {
        let before = [("d/", 1), ("d/e/", 1), ("d/e/f", 1), ("d/g", 1), ("top", 1)];
        assert_eq!(
            changes(&before, &before[..1]),
            (vec!["d".into()], vec!["d/e".into(), "d/g".into(), "top".into()])
        );
        // A file in place of a directory hides what was in it.
        let now = [("d/", 1), ("d/e", 2), ("d/g", 1), ("top", 1)];
        assert_eq!(changes(&before, &now), (vec!["d".into(), "d/e".into()], vec![]));
    }

    #[test]
    fn listings_survive_being_bytes_and_garbage_is_none() {
        let listing = listing(&[("a/", 1), ("a/b", 2)]);
        let bytes = listing.encode();
        assert_eq!(Listing::decode(&bytes).as_ref(), Some(&listing));
        for length in (0..bytes.len()).filter(|length| ![8, 8 + 38, 8 + 40].contains(length)) {
            assert_eq!(Listing::decode(&bytes[..length]), None, "{length}");
        }
        assert_eq!(Listing::decode(&[0xff; 64]), None);
    }
}
