//! The digest of files as BuildKit's content hash has it: a header as of an old tarsum, then the bytes.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::OFlags;
use wharf_oci::{Digest, Hashing, digest};

use crate::id::Id;
use crate::tree::{Entry, Kind, Memo, Meta, Pick, Tree};

/// The digest of what the paths of a step select, each with what was picked for it. `None` where BuildKit
/// looks at more than is known here: at links that are followed, or at directories that a glob found.
/// Files that `memo` knows are not read.
pub(crate) fn content(
    tree: &Tree,
    selected: &[(&str, &[Pick])],
    memo: Option<&Memo>,
) -> io::Result<Option<Digest>> {
    let files = Files { tree, memo };
    let mut selected = selected.to_vec();
    selected.sort_by_key(|(path, _)| *path);
    selected.dedup_by_key(|(path, _)| *path);
    let paths: Vec<&str> = selected.iter().map(|(path, _)| *path).collect();
    let is_inside = |path: &str| {
        paths.iter().any(|other| {
            let other = other.trim_end_matches('/');
            path.strip_prefix(other).is_some_and(|rest| rest.len() > 1 && rest.starts_with('/'))
        })
    };
    let mut digests = Vec::new();
    for (path, picks) in selected.iter().filter(|(path, _)| !is_inside(path)) {
        match files.of_selector(path, picks)? {
            Some(digest) => digests.push(digest.to_string()),
            None => return Ok(None),
        }
    }
    Ok(Some(digest::sha256(digests.join("\0").as_bytes())))
}

/// Files, and what is known of them.
struct Files<'a> {
    tree: &'a Tree,
    memo: Option<&'a Memo>,
}

impl Files<'_> {
    fn of_selector(&self, path: &str, picks: &[Pick]) -> io::Result<Option<Digest>> {
        let is_glob = path.contains(['*', '?', '[', '\\']);
        match (is_glob, picks) {
            (false, [pick]) => Ok(match pick.entries.as_slice() {
                // A link was followed where the names differ.
                [first, ..] if first.meta.kind != Kind::Symlink && is_named(path, pick) => {
                    Some(self.of_pick(pick)?)
                }
                _ => None,
            }),
            (true, picks) if picks.iter().all(is_file) => {
                let mut text = Vec::new();
                for (place, pick) in picks.iter().enumerate() {
                    if place > 0 {
                        text.push(0);
                    }
                    text.extend(pick.name.as_encoded_bytes());
                    text.extend(self.of_pick(pick)?.to_string().into_bytes());
                }
                Ok(Some(digest::sha256(&text)))
            }
            _ => Ok(None),
        }
    }

    fn of_pick(&self, pick: &Pick) -> io::Result<Digest> {
        let mut entries = pick.entries.as_slice();
        self.of_entry(&pick.path, &mut entries)
    }

    /// The digest of the first of `entries` with all that is below it, which are taken off.
    fn of_entry(&self, base: &Path, entries: &mut &[Entry]) -> io::Result<Digest> {
        let Some((entry, rest)) = entries.split_first() else { return Ok(digest::empty()) };
        *entries = rest;
        let place = join(base, &entry.path);
        if entry.meta.kind != Kind::Directory {
            return self.of_file(&place, entry);
        }
        let is_root = place.as_os_str().is_empty() || place == Path::new(".");
        let header = if is_root { digest::empty() } else { digest::sha256(header(entry, "").as_bytes()) };
        let mut text = vec![0];
        text.extend(header.to_string().into_bytes());
        while let Some(next) = entries.first() {
            let Ok(below) = next.path.strip_prefix(&entry.path) else { break };
            if entry.path == next.path || below.components().count() != 1 {
                break;
            }
            text.push(0);
            text.extend(below.as_os_str().as_encoded_bytes());
            text.extend(self.of_entry(base, entries)?.to_string().into_bytes());
        }
        Ok(digest::sha256(&text))
    }

    fn of_file(&self, place: &Path, entry: &Entry) -> io::Result<Digest> {
        if entry.meta.kind == Kind::Symlink {
            let target = rustix::fs::readlinkat(self.tree.root(), place, Vec::new())?;
            return Ok(digest::sha256(header(entry, &target.to_string_lossy()).as_bytes()));
        }
        let header = io::Cursor::new(header(entry, "").into_bytes());
        if entry.meta.kind != Kind::File {
            return Ok(digest::sha256(header.get_ref()));
        }
        if let Some(known) = self.memo.and_then(|memo| memo.get(&entry.meta)).and_then(digest_of) {
            return Ok(known);
        }
        let seen = SystemTime::now();
        let mut file = File::from(self.tree.open_at(place, OFlags::RDONLY | OFlags::NONBLOCK)?);
        let mut hashing = Hashing::new(header.chain(&mut file));
        io::copy(&mut hashing, &mut io::sink())?;
        let digest = hashing.finish().1;
        let is_as_it_was = Meta::from(&rustix::fs::fstat(&file)?) == entry.meta;
        if let (Some(memo), Some(id)) = (self.memo.filter(|_| is_as_it_was), Id::parse(digest.digest())) {
            memo.put(&entry.meta, seen, id);
        }
        Ok(digest)
    }
}

fn digest_of(id: Id) -> Option<Digest> {
    format!("sha256:{id}").parse().ok()
}

fn is_named(path: &str, pick: &Pick) -> bool {
    pick.path == Path::new(path.trim_matches('/'))
        || (path == "/" && (pick.path == Path::new(".") || pick.path.as_os_str().is_empty()))
}

fn is_file(pick: &Pick) -> bool {
    matches!(pick.entries.as_slice(), [only] if only.meta.kind == Kind::File)
}

/// Files of a context belong to root, and their times do not count.
fn header(entry: &Entry, target: &str) -> String {
    let meta = &entry.meta;
    let (kind, size) = match meta.kind {
        Kind::File => ('0', meta.size),
        Kind::Symlink => ('2', 0),
        Kind::CharDevice => ('3', 0),
        Kind::BlockDevice => ('4', 0),
        Kind::Directory => ('5', 0),
        Kind::Fifo | Kind::Socket => ('6', 0),
    };
    let mode = meta.mode;
    format!("namemode{mode}uid0gid0size{size}typeflag{kind}linkname{target}unamegnamedevmajor0devminor0")
}

fn join(base: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() { base.to_owned() } else { base.join(rest) }
}
