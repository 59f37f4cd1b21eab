//! A layer read entry by entry, for those who look into layers without unpacking them.

use std::io::{self, BufRead, BufReader, Read};

use crate::{
    Decoder, Entry, Error,
    member::{Whiteouts, interpret},
    tar::{Chunk, TarReader},
};

/// Reads a layer, compressed or not. As [`Read`] it gives the content of the current entry.
pub struct LayerReader<R: Read> {
    archive: TarReader<BufReader<Decoder<R>>>,
    hole: u64,
}

impl<R: Read> LayerReader<R> {
    /// Finds out how the layer in `reader` is compressed.
    pub fn new(reader: R) -> Result<Self, Error> {
        let decoder = Decoder::new(reader).map_err(Error::stream("reading the layer"))?;
        Ok(Self { archive: TarReader::new(BufReader::with_capacity(128 << 10, decoder)), hole: 0 })
    }

    /// The next entry, with its names relative to the root and whiteouts recognised; `None` at the end.
    /// What is left of the current entry's content is skipped.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, Error> {
        self.hole = 0;
        while let Some(entry) = self.archive.next_entry()? {
            if let Some(entry) = interpret(entry, Whiteouts::Interpreted)? {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }
}

impl<R: Read> Read for LayerReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_content(&mut self.archive, &mut self.hole, buffer)
    }
}

impl<R: Read> std::fmt::Debug for LayerReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LayerReader").finish_non_exhaustive()
    }
}

/// The content of an archive's current entry, holes filled in.
pub(crate) struct Content<'a, R> {
    archive: &'a mut TarReader<R>,
    hole: u64,
}

impl<'a, R: BufRead> Content<'a, R> {
    pub(crate) fn new(archive: &'a mut TarReader<R>) -> Self {
        Self { archive, hole: 0 }
    }
}

impl<R: BufRead> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_content(self.archive, &mut self.hole, buffer)
    }
}

fn read_content<R: BufRead>(
    archive: &mut TarReader<R>,
    hole: &mut u64,
    buffer: &mut [u8],
) -> io::Result<usize> {
    if *hole == 0 {
        match archive.next_chunk(buffer.len()).map_err(io::Error::other)? {
            None => return Ok(0),
            Some(Chunk::Hole(length)) => *hole = length,
            Some(Chunk::Data(data)) => {
                buffer[..data.len()].copy_from_slice(data);
                return Ok(data.len());
            }
        }
    }
    let length = buffer.len().min(usize::try_from(*hole).unwrap_or(usize::MAX));
    buffer[..length].fill(0);
    *hole -= length as u64;
    Ok(length)
}
