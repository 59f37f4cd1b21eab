//! The digest of files as BuildKit's content hash has it: a header as of an old tarsum, then the bytes.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::OFlags;
use wharf_oci::{Digest, Hashing, digest};

use crate::id::Id;
use crate::tree::{Entry, Kind, Memo, Meta, Pick, Tree};

/// A path that a step looks at, with what was picked for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Selected<'a> {
    pub(crate) path: &'a str,
    pub(crate) picks: &'a [Pick],
    /// Patterns say what is taken: the path is a glob, or something is left out.
    pub(crate) is_filtered: bool,
}

/// The digest of what a step selects. `None` where BuildKit looks at more than is known here: at links that
/// are followed. Files that `memo` knows are not read.
pub(crate) fn content(
    tree: &Tree,
    selected: &[Selected<'_>],
    memo: Option<&Memo>,
) -> io::Result<Option<Digest>> {
    let files = Files { tree, memo };
    let (mut listed, mut plain): (Vec<&Selected<'_>>, Vec<&Selected<'_>>) =
        selected.iter().partition(|selected| selected.is_filtered);
    plain.sort_by_key(|selected| selected.path);
    plain.dedup_by_key(|selected| selected.path);
    let paths: Vec<&str> = plain.iter().map(|selected| selected.path).collect();
    let is_inside = |path: &str| {
        paths.iter().any(|other| {
            let other = other.trim_end_matches('/');
            path.strip_prefix(other).is_some_and(|rest| rest.len() > 1 && rest.starts_with('/'))
        })
    };
    plain.retain(|selected| !is_inside(selected.path));
    listed.splice(0..0, plain);
    listed.sort_by_key(|selected| selected.path);
    let mut digests = Vec::new();
    for selected in listed {
        match files.of_selected(selected)? {
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
    fn of_selected(&self, selected: &Selected<'_>) -> io::Result<Option<Digest>> {
        if selected.is_filtered {
            return self.of_list(selected);
        }
        Ok(match selected.picks {
            [pick] if pick.entries.first().is_some_and(|first| first.meta.kind != Kind::Symlink) => {
                Some(self.of_pick(pick)?)
            }
            _ => None,
        })
    }

    /// Where patterns decide, each file counts for itself, and so does each directory that holds one of them,
    /// without what else is in it.
    fn of_list(&self, selected: &Selected<'_>) -> io::Result<Option<Digest>> {
        let mut listed: Vec<(Vec<u8>, Digest)> = Vec::new();
        for pick in selected.picks {
            let mut rest = pick.entries.as_slice();
            while let Some((entry, after)) = rest.split_first() {
                rest = after;
                if entry.meta.kind == Kind::Symlink {
                    return Ok(None);
                }
                let mut below = after.iter().take_while(|other| other.path.starts_with(&entry.path));
                if entry.implied && !below.any(|other| !other.implied) {
                    continue;
                }
                let place = join(&pick.path, &entry.path);
                let digest = match entry.meta.kind {
                    Kind::Directory => of_header(&place, entry),
                    _ => self.of_file(&place, entry)?,
                };
                listed.push((name_of(pick, entry), digest));
            }
        }
        Ok(Some(match listed.as_slice() {
            [] => digest::empty(),
            [(name, digest)] if Some(name.as_slice()) == base_name(selected.path) => digest.clone(),
            _ => {
                let one = |(name, digest): &(Vec<u8>, Digest)| [name, digest.to_string().as_bytes()].concat();
                digest::sha256(&listed.iter().map(one).collect::<Vec<_>>().join(&0))
            }
        }))
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
        let mut text = vec![0];
        text.extend(of_header(&place, entry).to_string().into_bytes());
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

/// A directory without what is in it.
fn of_header(place: &Path, entry: &Entry) -> Digest {
    let is_root = place.as_os_str().is_empty() || place == Path::new(".");
    if is_root { digest::empty() } else { digest::sha256(header(entry, "").as_bytes()) }
}

/// The last part of the name that a file was found under; that of the root is a dot.
fn name_of(pick: &Pick, entry: &Entry) -> Vec<u8> {
    let name = match entry.path.file_name() {
        Some(name) => name,
        None => &pick.name,
    };
    if name.is_empty() { b".".to_vec() } else { name.as_encoded_bytes().to_vec() }
}

fn base_name(path: &str) -> Option<&[u8]> {
    path.rsplit('/').next().filter(|name| !name.is_empty()).map(str::as_bytes)
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
