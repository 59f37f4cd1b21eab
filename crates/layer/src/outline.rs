//! The outline of a layer: every name in it with its kind, owner, mode and time, and no contents.
//!
//! That is all that a copy needs of the layers below it, and it is small: an outline can be kept when the layer
//! itself is not there, and it can travel in its stead. As bytes it is the layer's tar stream in order of names
//! and without the contents of files, in zstd; only the few files that say who users and groups are have theirs.
//!
//! An outline is what overlayfs sees of the layer. Where that depends on more than names (an entry below a
//! symbolic link, a name that changes what it is on the way), the layer has none, and must be unpacked.

mod view;

use std::{
    collections::BTreeMap,
    io::{BufReader, Read},
    ops::Bound::{Excluded, Unbounded},
    path::{Path, PathBuf},
};

use wharf_oci::Digest;

use crate::{
    Decoder, Device, Entry, Error, Kind, Limits, Shown,
    member::{Whiteouts, interpret},
    stream::decompress,
    tar::{self, TarReader},
    unpack::check_ratio,
};

pub use view::{Named, Part, View};

/// The files whose contents an outline has, if they are no longer than [`CONTENT_MAX`].
const KEPT: [&str; 2] = ["etc/passwd", "etc/group"];
const CONTENT_MAX: u64 = 1 << 20;
/// A layer with more names than this has no outline: memory is to be constant, and unpacking it is no great loss.
const NAMES_MAX: usize = 250_000;
/// The most that an outline decompresses to: what its names take in long headers.
const STREAM_MAX: u64 = 1 << 30;
const LEVEL: i32 = 3;

/// The names of one layer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    items: BTreeMap<PathBuf, Item>,
}

/// A name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    entry: Entry,
    /// Of a directory: what lower layers have in it is gone.
    hides_lower: bool,
    content: Option<Vec<u8>>,
}

/// Whether an outline keeps the content of a file of this length.
pub(crate) fn keeps_content(path: &Path, size: u64) -> bool {
    size <= CONTENT_MAX && KEPT.iter().any(|kept| path == Path::new(kept))
}

impl Outline {
    /// The outline of the layer in `reader`, compressed or not, if it has one, and the digest of its tar stream,
    /// which is shown to somebody meanwhile.
    ///
    /// # Errors
    /// When the layer cannot be read.
    pub fn of_layer(reader: impl Read + Send, shown: Option<Shown>) -> Result<(Option<Self>, Digest), Error> {
        let read = decompress(reader, shown, |stream| {
            let mut tracing = Tracing::default();
            let mut archive = TarReader::new(stream);
            while let Some(entry) = archive.next_entry()? {
                let Some(entry) = interpret(entry, Whiteouts::Interpreted)? else { continue };
                let content = read_kept(&entry, &mut archive)?;
                while archive.next_chunk(usize::MAX)?.is_some() {
                    check_ratio(Limits::default(), &entry.path, archive.get_mut())?;
                }
                tracing.record(entry, content);
            }
            Ok(tracing.finish())
        });
        read.map(|(outline, digest, _)| (outline, digest))
    }

    /// The outline as bytes: the same for the same outline.
    ///
    /// # Errors
    /// Only if the compressor fails.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let fail = || Error::stream("compressing an outline");
        let mut out = zstd::Encoder::new(Vec::new(), LEVEL).map_err(fail())?;
        let mut write = |bytes: &[u8]| std::io::Write::write_all(&mut out, bytes).map_err(fail());
        // What a hard link leads to comes before it.
        let is_link = |item: &&Item| matches!(item.entry.kind, Kind::HardLink { .. });
        let (links, others): (Vec<&Item>, Vec<&Item>) = self.items.values().partition(is_link);
        for item in others.into_iter().chain(links) {
            write(&tar::encode(&item.entry))?;
            if let Some(content) = &item.content {
                write(content)?;
                write(&[0; tar::BLOCK][..tar::padding(content.len() as u64)])?;
            }
            if item.hides_lower {
                write(&tar::encode(&Entry { kind: Kind::Opaque, ..item.entry.clone() }))?;
            }
        }
        write(&tar::TRAILER)?;
        out.finish().map_err(fail())
    }

    /// What [`encode`](Self::encode) gave.
    ///
    /// # Errors
    /// When `bytes` are no outline.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let decoder = Decoder::new(bytes).map_err(Error::stream("reading an outline"))?;
        let mut archive = TarReader::new(BufReader::with_capacity(128 << 10, decoder.take(STREAM_MAX)));
        let mut tracing = Tracing::default();
        while let Some(entry) = archive.next_entry()? {
            let interpreted = interpret(entry, Whiteouts::Interpreted)?;
            let Some(entry) = interpreted else { continue };
            let content = read_kept(&entry, &mut archive)?;
            archive.forgo_content();
            tracing.record(entry, content);
        }
        let reason = "it is the outline of no layer";
        tracing.finish().ok_or(Error::Malformed { entry: None, reason })
    }

    /// How many names it has.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether the layer is empty.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The names below `path`.
    pub fn below<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a Path> {
        let after = self.items.range::<Path, _>((Excluded(path), Unbounded));
        after.map(|(name, _)| name.as_path()).take_while(move |name| name.starts_with(path))
    }

    /// Whether there is something below `path`.
    fn has_below(&self, path: &Path) -> bool {
        self.below(path).next().is_some()
    }
}

fn read_kept<R: std::io::BufRead>(
    entry: &Entry,
    archive: &mut TarReader<R>,
) -> Result<Option<Vec<u8>>, Error> {
    let Kind::File { size } = entry.kind else { return Ok(None) };
    if !keeps_content(&entry.path, size) {
        return Ok(None);
    }
    let mut content = Vec::new();
    crate::reader::Content::new(archive)
        .read_to_end(&mut content)
        .map_err(Error::stream("reading the content of a layer"))?;
    Ok(Some(content))
}

/// An outline in the making: entry after entry as they stand in the layer.
#[derive(Debug, Default)]
pub(crate) struct Tracing {
    outline: Outline,
    has_links: bool,
    /// More than names counts, or there are too many of them.
    is_lost: bool,
}

impl Tracing {
    /// Adds an entry, with its content where an outline keeps that.
    pub(crate) fn record(&mut self, entry: Entry, content: Option<Vec<u8>>) {
        if self.is_lost || self.add(entry, content).is_none() || self.outline.len() > NAMES_MAX {
            // Nothing more is kept in memory for what nobody will have.
            (self.is_lost, self.outline) = (true, Outline::default());
        }
    }

    /// The same of an entry that is about to be written: as who reads the layer will see it.
    pub(crate) fn record_written(&mut self, entry: &Entry, content: Option<Vec<u8>>) {
        match interpret(entry.clone(), Whiteouts::Interpreted) {
            Ok(Some(entry)) => self.record(entry, content),
            Ok(None) => {}
            Err(_) => self.is_lost = true,
        }
    }

    /// The outline, if the layer has one.
    pub(crate) fn finish(self) -> Option<Outline> {
        let is_whole = !self.is_lost && self.outline.opaque_are_plain();
        is_whole.then_some(self.outline)
    }

    fn add(&mut self, entry: Entry, content: Option<Vec<u8>>) -> Option<()> {
        let content = match entry.kind {
            Kind::File { size } if keeps_content(&entry.path, size) => {
                Some(content.filter(|content| content.len() as u64 == size)?)
            }
            _ => None,
        };
        let items = &mut self.outline.items;
        let above = entry.path.ancestors().skip(1).find_map(|path| items.get(path));
        if above.is_some_and(|above| above.entry.kind != Kind::Directory) {
            return None;
        }
        let has_below = self.outline.has_below(&entry.path);
        let items = &mut self.outline.items;
        let before = items.get_mut(&entry.path);
        match (&entry.kind, before) {
            (Kind::Whiteout | Kind::Opaque, Some(before)) if before.entry.kind == Kind::Directory => {
                before.hides_lower = true;
                return Some(());
            }
            (Kind::Whiteout, Some(_)) => return Some(()),
            (Kind::Opaque, _) => return None,
            // It would be opaque without being named.
            (Kind::Whiteout, None) if has_below => return None,
            (Kind::Directory, Some(before)) => {
                before.hides_lower |= before.entry.kind != Kind::Directory;
                (before.entry, before.content) = (entry, None);
                return Some(());
            }
            (Kind::Directory, None) => {}
            (Kind::CharDevice(Device { major: 0, minor: 0 }), _) => return None,
            // A file in place of a directory, or of one that links lead to.
            _ if has_below => return None,
            (_, Some(before)) if self.has_links || before.entry.kind == Kind::Directory => return None,
            (Kind::HardLink { target }, _) => {
                let is_there = items.get(target).is_some_and(|target| can_be_linked(&target.entry.kind));
                is_there.then_some(())?;
                self.has_links = true;
            }
            _ => {}
        }
        items.insert(entry.path.clone(), Item { entry, hides_lower: false, content });
        Some(())
    }
}

fn can_be_linked(kind: &Kind) -> bool {
    !matches!(kind, Kind::Directory | Kind::Whiteout | Kind::Opaque | Kind::HardLink { .. })
}

impl Outline {
    /// Whether all directories in those that hide lower ones are named. One that is not would look like a lower
    /// one that nobody sees.
    fn opaque_are_plain(&self) -> bool {
        let hiding = self.items.iter().filter(|(_, item)| item.hides_lower);
        hiding.into_iter().all(|(path, _)| {
            self.below(path).all(|below| below.parent().is_some_and(|parent| self.items.contains_key(parent)))
        })
    }
}
