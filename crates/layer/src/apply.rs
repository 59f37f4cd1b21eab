//! A layer unpacked into a directory.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use wharf_oci::Digest;

use crate::{
    Error, OpaqueXattr, Outline, Ownership, Shown,
    member::Whiteouts,
    outline::Tracing,
    stream::decompress,
    tree::Tree,
    unpack::{Policy, Unpacker},
};

/// What a directory that layers are applied to looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One layer alone, with overlayfs's whiteouts and opaque directories.
    Overlay(OpaqueXattr),
    /// All layers so far merged: whiteouts delete what earlier layers left.
    Plain,
}

/// How a layer is applied.
#[derive(Debug, Clone)]
pub struct ApplyOptions {
    /// What the directory looks like.
    pub form: Form,
    /// Where owners are kept.
    pub ownership: Ownership,
    /// Lower directories, topmost first: a directory that the layer enters without naming it gets its
    /// metadata from there, else 0755 and root. Only for [`Form::Overlay`].
    pub lowers: Vec<PathBuf>,
    /// How much is too much.
    pub limits: Limits,
    /// Which files get their content. The others are holes of the same length, which is enough for whoever
    /// only asks what is there.
    pub contents: Contents,
    /// Whether the outline of the layer is wanted.
    pub outline: bool,
}

/// Which files of a layer get their content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Contents {
    /// All.
    #[default]
    Whole,
    /// Those at these paths, relative to the root.
    Only(Vec<PathBuf>),
}

impl ApplyOptions {
    /// No lower directories, default limits.
    pub fn new(form: Form, ownership: Ownership) -> Self {
        let (lowers, limits, contents) = (Vec::new(), Limits::default(), Contents::Whole);
        Self { form, ownership, lowers, limits, contents, outline: false }
    }
}

/// How much a layer may hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Entries.
    pub entries: u64,
    /// Bytes of files, holes included.
    pub bytes: u64,
    /// Bytes of tar stream for every compressed byte, once the stream is past 4 GiB. (Zeros, of which
    /// honest layers have a few gigabytes, shrink a thousandfold in gzip and much further in zstd.)
    pub ratio: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 10_000_000, bytes: 1 << 40, ratio: 10_000 }
    }
}

/// What was unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The digest of the tar stream.
    pub diff_id: Digest,
    /// The size of the tar stream in bytes.
    pub uncompressed_size: u64,
    /// How many entries it had.
    pub entries: u64,
    /// Directories that the layer enters without naming them and that no lower directory had.
    pub implied: Vec<PathBuf>,
    /// Devices that `mknod` was not allowed to make and for which empty files stand ([`DEVICE_XATTR`]).
    ///
    /// [`DEVICE_XATTR`]: crate::DEVICE_XATTR
    pub placeholders: Vec<PathBuf>,
    /// The outline, if it was wanted and the layer has one.
    pub outline: Option<Outline>,
}

/// Unpacks the layer in `reader`, compressed or not, into `dir`. `reader` is read to its end.
///
/// Nothing is written outside `dir`, whatever the layer says. On error `dir` is left half done: callers
/// unpack under a temporary name and rename. Nothing is synced to disk.
pub fn apply(reader: impl Read + Send, dir: &Path, options: &ApplyOptions) -> Result<Applied, Error> {
    apply_shown(reader, dir, options, None)
}

/// The same, with the layer's tar stream shown to somebody meanwhile.
pub fn apply_shown(
    reader: impl Read + Send,
    dir: &Path,
    options: &ApplyOptions,
    shown: Option<Shown>,
) -> Result<Applied, Error> {
    let policy = Policy {
        form: options.form,
        ownership: options.ownership,
        whiteouts: Whiteouts::Interpreted,
        owner: None,
        limits: options.limits,
    };
    let mut unpacker = Unpacker::new(Tree::open(dir)?, policy, &options.lowers);
    if let Contents::Only(paths) = &options.contents {
        unpacker.kept = Some(paths);
    }
    unpacker.tracing = options.outline.then(Tracing::default);
    let (entries, diff_id, uncompressed_size) = decompress(reader, shown, |stream| unpacker.unpack(stream))?;
    let Unpacker { implied, placeholders, tracing, .. } = unpacker;
    let outline = tracing.and_then(Tracing::finish);
    Ok(Applied { diff_id, uncompressed_size, entries, implied, placeholders, outline })
}
