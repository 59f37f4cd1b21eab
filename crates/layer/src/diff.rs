//! What an overlay upper directory changes in the stack below it.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use crate::{Entry, Error, LayerInfo, Ownership, WriteOptions, writer::LayerWriter};

/// How trees are read for a diff.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiffOptions {
    /// Where owners are kept, in `upper` and in the lower directories.
    pub ownership: Ownership,
}

/// One change, in the order of the layer.
#[derive(Debug)]
pub struct Change {
    /// The entry that expresses it.
    pub entry: Entry,
    /// The content of a file that is not empty.
    pub content: Option<File>,
}

/// Gives `visit` what `upper` changes in the merged view of `lowers` (topmost first), sorted, parents first.
pub fn diff(
    upper: &Path,
    lowers: &[PathBuf],
    options: &DiffOptions,
    visit: impl FnMut(Change) -> Result<(), Error>,
) -> Result<(), Error> {
    let _ = (upper, lowers, options, visit);
    unreachable!()
}

/// Writes the [`diff`] as a layer to `out`.
pub fn write_diff<W: Write + Send + 'static>(
    upper: &Path,
    lowers: &[PathBuf],
    options: &DiffOptions,
    out: W,
    write: &WriteOptions,
) -> Result<(W, LayerInfo), Error> {
    let mut layer = LayerWriter::new(out, write);
    diff(upper, lowers, options, |change| match change.content {
        Some(content) => layer.append(&change.entry, content),
        None => layer.append(&change.entry, std::io::empty()),
    })?;
    layer.finish()
}
