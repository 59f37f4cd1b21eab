//! A compressed stream as the bytes it stands for, whatever it is compressed with.

use std::{
    io::{self, BufReader, Chain, Cursor, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::Format;

/// How much memory an xz stream may ask for: four times what `xz -9` does.
const XZ_MEMORY: u64 = 256 << 20;

type Source<R> = BufReader<Chain<Cursor<Vec<u8>>, Counted<R>>>;

/// Decompresses as it is read. Several compressed streams one after the other read as one.
pub struct Decoder<R: Read> {
    inner: Inner<R>,
    compressed: Arc<AtomicU64>,
}

enum Inner<R: Read> {
    Plain(Source<R>),
    Gzip(Box<flate2::bufread::MultiGzDecoder<Source<R>>>),
    Zstd(zstd::Decoder<'static, Source<R>>),
    Xz(liblzma::bufread::XzDecoder<Source<R>>),
    Bzip2(bzip2::bufread::MultiBzDecoder<Source<R>>),
}

impl<R: Read> Decoder<R> {
    /// Looks at the first bytes of `reader` to find out how it is compressed.
    pub fn new(reader: R) -> io::Result<Self> {
        let compressed = Arc::new(AtomicU64::new(0));
        let mut reader = Counted { inner: reader, count: Arc::clone(&compressed) };
        let mut prefix = Vec::new();
        reader.by_ref().take(Format::MAGIC_LEN as u64).read_to_end(&mut prefix)?;
        let format = Format::detect(&prefix);
        let source = BufReader::with_capacity(128 << 10, Cursor::new(prefix).chain(reader));
        let inner = match format {
            Format::Plain => Inner::Plain(source),
            Format::Gzip => Inner::Gzip(Box::new(flate2::bufread::MultiGzDecoder::new(source))),
            Format::Zstd => Inner::Zstd(zstd::Decoder::with_buffer(source)?),
            Format::Xz => {
                let stream =
                    liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, liblzma::stream::CONCATENATED)?;
                Inner::Xz(liblzma::bufread::XzDecoder::new_stream(source, stream))
            }
            Format::Bzip2 => Inner::Bzip2(bzip2::bufread::MultiBzDecoder::new(source)),
        };
        Ok(Self { inner, compressed })
    }

    /// What the stream is compressed with.
    pub fn format(&self) -> Format {
        match self.inner {
            Inner::Plain(_) => Format::Plain,
            Inner::Gzip(_) => Format::Gzip,
            Inner::Zstd(_) => Format::Zstd,
            Inner::Xz(_) => Format::Xz,
            Inner::Bzip2(_) => Format::Bzip2,
        }
    }

    /// How many compressed bytes were taken so far, some of which may not be decompressed yet.
    pub fn compressed(&self) -> u64 {
        self.compressed.load(Ordering::Relaxed)
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.inner {
            Inner::Plain(reader) => reader.read(buffer),
            Inner::Gzip(reader) => reader.read(buffer),
            Inner::Zstd(reader) => reader.read(buffer),
            Inner::Xz(reader) => reader.read(buffer),
            Inner::Bzip2(reader) => reader.read(buffer),
        }
    }
}

impl<R: Read> std::fmt::Debug for Decoder<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("format", &self.format()).finish_non_exhaustive()
    }
}

struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.count.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}
