//! What an overlay upper directory changes in the stack below it, entry for entry as BuildKit's
//! overlay differ would write it.
//!
//! Its rules, which shape the layer: the root directory itself never changes; a directory that was
//! merely copied up is written only as the parent of a change; a file copied up unchanged is not
//! written; removals inside an opaque directory are spelled out, one whiteout for each entry that is
//! gone; hard links hold within the layer only. We differ in one point: where BuildKit believes two
//! files to be equal because their size and nanosecond times are, we compare the content.

use std::{
    collections::HashMap,
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    vec::IntoIter,
};

use rustix::fs::OFlags;

use crate::{
    Entry, Error, Kind, LayerInfo, LayerWriter, Ownership,
    inode::{self, failed},
    stack::{Found, Parts, Stack, is_opaque},
};

/// Where overlayfs notes that it moved a directory, when it is allowed to.
const REDIRECT: &str = "trusted.overlay.redirect";
/// How much of two files is compared at a time.
const COMPARED: usize = 64 << 10;

/// How trees are read for a diff.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiffOptions<'a> {
    /// Where owners are kept, in the upper and in the lower directories.
    pub ownership: Ownership,
    /// What the upper directory is.
    pub upper: Upper,
    /// Another overlay directory, on which the upper one lies: the changes are those of both together.
    pub beneath: Option<&'a Path>,
}

/// What the upper directory of a diff is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Upper {
    /// An overlay upper directory: what it lacks is unchanged.
    #[default]
    Overlay,
    /// The whole tree as it is now: what it lacks is gone. For snapshots that are plain copies.
    Whole,
}

/// One change, in the order of the layer.
#[derive(Debug)]
pub struct Change {
    /// The entry that expresses it.
    pub entry: Entry,
    /// The content of a file that is not empty.
    pub content: Option<File>,
}

/// Gives `visit` what `upper` changes in the merged view of `lowers` (topmost first): sorted, parents
/// before what they contain.
pub fn diff(
    upper: &Path,
    lowers: &[PathBuf],
    options: &DiffOptions<'_>,
    visit: impl FnMut(Change) -> Result<(), Error>,
) -> Result<(), Error> {
    let uppers: Vec<PathBuf> =
        [Some(upper), options.beneath].into_iter().flatten().map(Path::to_owned).collect();
    let (upper, stack) = (Stack::new(&uppers), Stack::new(lowers));
    let (own, below) = (upper.root(), stack.root());
    let mut walk =
        Walk { upper, stack, ownership: options.ownership, visit, open: Vec::new(), links: HashMap::new() };
    walk.enter(PathBuf::new(), None, own, below, options.upper == Upper::Whole)?;
    walk.run()
}

/// Writes the [`diff`] as the entries of `layer`, and ends it.
pub fn write_diff<W: Write + Send + 'static>(
    upper: &Path,
    lowers: &[PathBuf],
    options: &DiffOptions<'_>,
    mut layer: LayerWriter<W>,
) -> Result<(W, LayerInfo), Error> {
    diff(upper, lowers, options, |change| match change.content {
        Some(content) => layer.append(&change.entry, content),
        None => layer.append(&change.entry, io::empty()),
    })?;
    layer.finish()
}

struct Walk<'a, V> {
    upper: Stack<'a>,
    stack: Stack<'a>,
    ownership: Ownership,
    visit: V,
    /// The directories on the way to where we are, outermost first.
    open: Vec<Directory>,
    /// By inode: the name under which a file with several links was written.
    links: HashMap<u64, PathBuf>,
}

/// A directory of the upper tree that is being walked.
struct Directory {
    path: PathBuf,
    /// Its own entry, until something needs it written.
    unwritten: Option<Entry>,
    /// The upper directories that have a part in it.
    own: Parts,
    /// The layers below that have a part in it.
    parts: Parts,
    /// Whether what is only below is gone.
    hides_lower: bool,
    /// What is still to be looked at.
    names: IntoIter<OsString>,
}

impl<V: FnMut(Change) -> Result<(), Error>> Walk<'_, V> {
    fn run(&mut self) -> Result<(), Error> {
        while let Some(directory) = self.open.last_mut() {
            let Some(name) = directory.names.next() else {
                self.open.pop();
                continue;
            };
            let path = directory.path.join(name);
            let hides_lower = directory.hides_lower;
            let below = self.stack.find_in(&directory.parts, &path)?;
            match self.upper.find_in(&directory.own, &path)? {
                Some(own) => self.compare(path, own, below, hides_lower)?,
                None if below.is_some() => self.write(Entry::whiteout(path), None)?,
                None => {}
            }
        }
        Ok(())
    }

    fn compare(
        &mut self,
        path: PathBuf,
        own: Found,
        below: Option<Found>,
        hides_lower: bool,
    ) -> Result<(), Error> {
        let Found { file, metadata, parts: own } = own;
        let Some(kind) = inode::kind(&file, &metadata)? else { return Ok(()) };
        let entry = Entry { path, kind, metadata: inode::metadata(&file, &metadata, self.ownership)? };
        let is_changed = match &below {
            Some(below) => !self.is_same(&file, &metadata, &entry, below)?,
            None => true,
        };
        if entry.kind == Kind::Directory {
            let (path, parts) = (entry.path.clone(), below.map(|below| below.parts).unwrap_or_default());
            let unwritten = if is_changed { self.write(entry, None).map(|()| None)? } else { Some(entry) };
            return self.enter(path, unwritten, own, parts, hides_lower);
        }
        if is_changed { self.write_file(entry, &file, &metadata) } else { Ok(()) }
    }

    /// Whether `entry`, which is `file`, is what was `below` already.
    fn is_same(
        &self,
        file: &Path,
        metadata: &fs::Metadata,
        entry: &Entry,
        below: &Found,
    ) -> Result<bool, Error> {
        if (metadata.dev(), metadata.ino()) == (below.metadata.dev(), below.metadata.ino()) {
            return Ok(true);
        }
        if inode::kind(&below.file, &below.metadata)?.as_ref() != Some(&entry.kind) {
            return Ok(false);
        }
        let mut old = inode::metadata(&below.file, &below.metadata, self.ownership)?;
        if entry.kind == Kind::Directory {
            // A directory's time changes with what is in it, which has entries of its own.
            old.mtime = entry.metadata.mtime;
        }
        if old != entry.metadata {
            return Ok(false);
        }
        match entry.kind {
            Kind::File { size: 1.. } => has_same_content(file, &below.file),
            _ => Ok(true),
        }
    }

    /// Goes into the directory `path`, to look at what is in it next.
    fn enter(
        &mut self,
        path: PathBuf,
        unwritten: Option<Entry>,
        own: Parts,
        parts: Parts,
        hides_lower: bool,
    ) -> Result<(), Error> {
        let mut hides_lower = hides_lower;
        let mut names = Vec::new();
        for part in &own {
            let file = self.upper.place(*part, &path);
            if inode::xattr(&file, REDIRECT)?.is_some() {
                return Err(Error::Unrepresentable {
                    path,
                    reason: "overlayfs has moved this directory (redirect_dir)",
                });
            }
            hides_lower = hides_lower || (!parts.is_empty() && is_opaque(&file)?);
            names.extend(inode::list(&file)?);
        }
        if hides_lower {
            names.extend(self.stack.names(&parts, &path)?);
        }
        names.sort_unstable();
        names.dedup();
        self.open.push(Directory { path, unwritten, own, parts, hides_lower, names: names.into_iter() });
        Ok(())
    }

    fn write_file(&mut self, mut entry: Entry, file: &Path, metadata: &fs::Metadata) -> Result<(), Error> {
        if metadata.nlink() > 1 {
            if let Some(target) = self.links.get(&metadata.ino()) {
                entry.kind = Kind::HardLink { target: target.clone() };
                return self.write(entry, None);
            }
            self.links.insert(metadata.ino(), entry.path.clone());
        }
        let content = match entry.kind {
            Kind::File { size: 1.. } => Some(open(file)?),
            _ => None,
        };
        self.write(entry, content)
    }

    fn write(&mut self, entry: Entry, content: Option<File>) -> Result<(), Error> {
        for directory in &mut self.open {
            if let Some(parent) = directory.unwritten.take() {
                (self.visit)(Change { entry: parent, content: None })?;
            }
        }
        (self.visit)(Change { entry, content })
    }
}

fn open(file: &Path) -> Result<File, Error> {
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(file).map_err(failed("opening", file))
}

fn has_same_content(a: &Path, b: &Path) -> Result<bool, Error> {
    let mut reader_a = BufReader::with_capacity(COMPARED, open(a)?);
    let mut reader_b = BufReader::with_capacity(COMPARED, open(b)?);
    loop {
        let in_a = reader_a.fill_buf().map_err(failed("reading", a))?;
        let in_b = reader_b.fill_buf().map_err(failed("reading", b))?;
        let common = in_a.len().min(in_b.len());
        if common == 0 {
            return Ok(in_a.len() == in_b.len());
        }
        if in_a[..common] != in_b[..common] {
            return Ok(false);
        }
        reader_a.consume(common);
        reader_b.consume(common);
    }
}
