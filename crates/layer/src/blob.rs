//! Layers as blobs: checked against their digest, and brought into another compression.

use std::io::{self, BufReader, Read, Write};

use wharf_oci::{Digest, Hashing};

use crate::{
    Decoder, Error, LayerInfo, LayerWriter, WriteOptions, encode::Encoder, reader::Content, tar::TarReader,
};

/// Reads `reader` to its end and checks that the bytes are those that `expected`, a sha256 digest, names.
/// Gives their number.
pub fn verify_blob(reader: impl Read, expected: &Digest) -> Result<u64, Error> {
    let mut hashing = Hashing::new(reader);
    io::copy(&mut hashing, &mut io::sink()).map_err(Error::stream("reading the layer"))?;
    let (_, actual, size) = hashing.finish();
    if actual == *expected {
        Ok(size)
    } else {
        Err(Error::DigestMismatch { expected: expected.clone(), actual })
    }
}

/// Writes the layer in `reader`, whatever its compression, to `out` with the compression of `options`.
/// With [`WriteOptions::latest_mtime`] its entries are written anew; without, the tar stream stays as it
/// is, byte for byte, and keeps its digest.
pub fn recompress<W: Write + Send + 'static>(
    reader: impl Read,
    out: W,
    options: &WriteOptions,
) -> Result<(W, LayerInfo), Error> {
    let mut decoder = Decoder::new(reader).map_err(Error::stream("reading the layer"))?;
    if options.latest_mtime.is_some() {
        return rewrite(decoder, out, options);
    }
    let mut encoder = Encoder::new(out, options.compression, options.earlier.clone());
    encoder.copy(&mut decoder, u64::MAX)?;
    encoder.finish()
}

fn rewrite<W: Write + Send + 'static>(
    stream: impl Read,
    out: W,
    options: &WriteOptions,
) -> Result<(W, LayerInfo), Error> {
    let mut archive = TarReader::new(BufReader::with_capacity(128 << 10, stream));
    let mut layer = LayerWriter::new(out, options);
    while let Some(mut entry) = archive.next_entry()? {
        // The writer ends the names of directories with a slash of its own.
        entry.path = entry.path.components().collect();
        layer.append(&entry, Content::new(&mut archive))?;
    }
    layer.finish()
}
