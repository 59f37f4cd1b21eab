//! A layer written entry by entry.

use std::io::{Read, Write};

use wharf_oci::{Descriptor, Digest};

use crate::{Compression, Entry, Error, Family};

/// How a layer is written.
#[derive(Debug, Clone, Copy, Default)]
pub struct WriteOptions {
    /// How it is compressed.
    pub compression: Compression,
    /// Seconds since 1970; later times become this one (`rewrite-timestamp`).
    pub latest_mtime: Option<i64>,
    /// What becomes of the fraction of a second.
    pub precision: Precision,
}

/// The precision of times in a layer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Precision {
    /// Fractions are cut off, as BuildKit does.
    #[default]
    Seconds,
    /// Fractions are kept, in a PAX record where there is one.
    Nanoseconds,
}

/// What is known of a layer that has been written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerInfo {
    /// The digest of the tar stream, as the image config names the layer.
    pub diff_id: Digest,
    /// The digest of the blob, as the manifest names the layer.
    pub digest: Digest,
    /// The size of the blob in bytes.
    pub size: u64,
    /// The size of the tar stream in bytes.
    pub uncompressed_size: u64,
    /// How the blob is compressed.
    pub compression: Compression,
}

impl LayerInfo {
    /// The blob's descriptor in the given family of media types.
    pub fn descriptor(&self, family: Family) -> Descriptor {
        Descriptor::new(self.compression.media_type(family), self.digest.clone(), self.size)
    }
}

/// Writes a layer to `W`: tar framing on the calling thread; hashing, compression and output on others.
///
/// The bytes depend on the entries, their content and the options, and on nothing else.
#[derive(Debug)]
pub struct LayerWriter<W> {
    out: W,
}

impl<W: Write + Send + 'static> LayerWriter<W> {
    /// Starts a layer that goes to `out`.
    pub fn new(out: W, options: &WriteOptions) -> Self {
        let _ = options;
        Self { out }
    }

    /// Adds an entry. For a file, `content` must give exactly as many bytes as its size; it is not read
    /// for anything else.
    pub fn append(&mut self, entry: &Entry, content: impl Read) -> Result<(), Error> {
        let _ = (entry, content);
        unreachable!()
    }

    /// Ends the layer, waits until everything is written, and gives `out` back.
    pub fn finish(self) -> Result<(W, LayerInfo), Error> {
        unreachable!()
    }
}
