//! A layer written entry by entry.

use std::{
    borrow::Cow,
    io::{Read, Write},
    sync::Arc,
};

use wharf_oci::{Descriptor, Digest};

use crate::{
    Blocks, Compression, Earlier, Entry, Error, Family, Kind, Metadata, Outline, Shown, Timestamp,
    encode::Encoder,
    outline::{Tracing, keeps_content},
    tar,
};

/// How a layer is written.
#[derive(Debug, Clone, Default)]
pub struct WriteOptions {
    /// How it is compressed.
    pub compression: Compression,
    /// Seconds since 1970; later times become this one (`rewrite-timestamp`).
    pub latest_mtime: Option<i64>,
    /// What becomes of the fraction of a second.
    pub precision: Precision,
    /// Whether the outline of the layer is wanted.
    pub outline: bool,
    /// A layer that has much in common with this one, which saves compressing that again. It changes no byte.
    pub earlier: Option<Arc<Earlier>>,
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
    /// Where its compressed blocks are, for a later layer that has much in common with it.
    pub blocks: Blocks,
    /// Its outline, if it was wanted and the layer has one.
    pub outline: Option<Outline>,
}

impl LayerInfo {
    /// The blob's descriptor in the given family of media types.
    pub fn descriptor(&self, family: Family) -> Descriptor {
        Descriptor::new(self.compression.media_type(family), self.digest.clone(), self.size)
    }
}

/// Writes a layer to `W`: tar framing on the calling thread; hashing, compression and output on others.
///
/// The bytes depend on the entries, their content and the options, and on nothing else. Entries are
/// written in the order in which they come; what was written counts only once [`LayerWriter::finish`]
/// has said so.
#[derive(Debug)]
pub struct LayerWriter<W> {
    encoder: Encoder<W>,
    latest_mtime: Option<Timestamp>,
    precision: Precision,
    tracing: Option<Tracing>,
}

impl<W: Write + Send + 'static> LayerWriter<W> {
    /// Starts a layer that goes to `out`.
    pub fn new(out: W, options: &WriteOptions) -> Self {
        Self {
            encoder: Encoder::new(out, options.compression, options.earlier.clone()),
            latest_mtime: options.latest_mtime.map(Timestamp::from_seconds),
            precision: options.precision,
            tracing: options.outline.then(Tracing::default),
        }
    }

    /// The same layer, with its tar stream shown to somebody while it is written.
    #[must_use]
    pub fn shown_to(mut self, shown: Option<Shown>) -> Self {
        if let Some(shown) = shown {
            self.encoder.show_to(shown);
        }
        self
    }

    /// Adds an entry. For a file, `content` must give exactly as many bytes as its size; it is not read
    /// for anything else. After an error the layer cannot be continued.
    pub fn append(&mut self, entry: &Entry, mut content: impl Read) -> Result<(), Error> {
        let entry = self.with_written_time(entry);
        self.encoder.write(&tar::encode(&entry))?;
        let Kind::File { size } = entry.kind else {
            self.trace(&entry, None);
            return Ok(());
        };
        let written = match self.tracing.is_some() && keeps_content(&entry.path, size) {
            true => {
                let mut kept = Vec::new();
                let read = content.by_ref().take(size).read_to_end(&mut kept);
                read.map_err(Error::stream("reading the content of a layer"))?;
                let written = self.encoder.copy(&mut kept.as_slice(), size)?;
                self.trace(&entry, Some(kept));
                written
            }
            false => {
                self.trace(&entry, None);
                self.encoder.copy(&mut content, size)?
            }
        };
        let surplus = content.read(&mut [0]).map_err(Error::stream("reading the content of a layer"))?;
        if written != size || surplus != 0 {
            let actual = written + surplus as u64;
            return Err(Error::SizeChanged { entry: entry.path.clone(), expected: size, actual });
        }
        self.encoder.write(&[0; tar::BLOCK][..tar::padding(size)])
    }

    fn trace(&mut self, entry: &Entry, content: Option<Vec<u8>>) {
        if let Some(tracing) = &mut self.tracing {
            tracing.record_written(entry, content);
        }
    }

    /// Ends the layer, waits until everything is written, and gives `out` back.
    pub fn finish(mut self) -> Result<(W, LayerInfo), Error> {
        self.encoder.write(&tar::TRAILER)?;
        let outline = self.tracing.and_then(Tracing::finish);
        let (out, info) = self.encoder.finish()?;
        Ok((out, LayerInfo { outline, ..info }))
    }

    fn with_written_time<'a>(&self, entry: &'a Entry) -> Cow<'a, Entry> {
        let mut mtime = entry.metadata.mtime;
        mtime = self.latest_mtime.map_or(mtime, |latest| mtime.min(latest));
        if self.precision == Precision::Seconds {
            mtime.nanoseconds = 0;
        }
        if mtime == entry.metadata.mtime {
            return Cow::Borrowed(entry);
        }
        let metadata = Metadata { mtime, ..entry.metadata.clone() };
        Cow::Owned(Entry { metadata, ..entry.clone() })
    }
}
