//! A stream of tar as entries and their content.
//!
//! Every number is checked, every extension is bounded, and where an archive contradicts itself it is
//! refused rather than guessed at: two readers that guess differently see different files.

use std::{
    io::{self, BufRead},
    path::PathBuf,
};

use super::{
    BLOCK, MAX_EXTENSION, MAX_SIZE,
    extensions::Extensions,
    header::{self, Header},
    sparse::{self, Extents},
    writer::padding,
};
use crate::{Entry, Error, Kind};

/// Reads tar. The names it gives are as they stand in the archive.
#[derive(Debug)]
pub(crate) struct TarReader<R> {
    inner: R,
    /// Of the current entry, what is still to come: stored bytes, then padding.
    stored: u64,
    padding: usize,
    /// The current file's size, how far its content has been given out, and what of it is stored.
    size: u64,
    given: u64,
    extents: Extents,
    /// Bytes of `inner`'s buffer that were given out and are consumed at the next call.
    lent: usize,
}

/// A piece of a file's content.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Chunk<'a> {
    Data(&'a [u8]),
    /// So many zero bytes.
    Hole(u64),
}

impl<R: BufRead> TarReader<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, stored: 0, padding: 0, size: 0, given: 0, extents: Extents::new(), lent: 0 }
    }

    /// What is read from, positioned after what was read so far.
    pub(crate) fn get_mut(&mut self) -> &mut R {
        self.inner.consume(std::mem::take(&mut self.lent));
        &mut self.inner
    }

    /// The next entry, past whatever is left of the current one; `None` at the end of the archive.
    pub(crate) fn next_entry(&mut self) -> Result<Option<Entry>, Error> {
        self.get_mut();
        self.skip(self.stored + self.padding as u64)?;
        self.set_content(0, 0, Extents::new());
        let mut extensions = Extensions::default();
        let mut extended = 0;
        while let Some(header) = self.read_header()? {
            match header.kind() {
                b'x' | b'L' | b'K' => {
                    let data = self.read_extension(&header, &mut extended)?;
                    extensions.set(header.kind(), data).map_err(|reason| malformed(None, reason))?;
                }
                b'g' => {
                    // Global records: Go's reader, and with it docker, reads past them.
                    let size = size_of(&header)?;
                    self.skip(size + padding(size) as u64)?;
                }
                _ => return self.entry(&header, extensions).map(Some),
            }
        }
        if extended > 0 { Err(truncated()) } else { Ok(None) }
    }

    /// Takes the rest of the current entry's content for left out: the next entry follows at once.
    pub(crate) fn forgo_content(&mut self) {
        // What has been read to its end may have its padding yet to come.
        if self.stored > 0 {
            self.set_content(0, 0, Extents::new());
        }
    }

    /// The next piece of the current entry's content, `None` at its end. At most `limit` bytes of data,
    /// which must not be 0, but holes of any length.
    pub(crate) fn next_chunk(&mut self, limit: usize) -> Result<Option<Chunk<'_>>, Error> {
        self.get_mut();
        while self.extents.front().is_some_and(|extent| extent.length == 0) {
            self.extents.pop_front();
        }
        let hole_end = self.extents.front().map_or(self.size, |extent| extent.offset);
        if self.given < hole_end {
            let hole = hole_end - self.given;
            self.given = hole_end;
            return Ok(Some(Chunk::Hole(hole)));
        }
        let Some(extent) = self.extents.front_mut() else { return Ok(None) };
        let buffer = fill(&mut self.inner)?;
        let length = extent.length.min(buffer.len().min(limit) as u64);
        extent.offset += length;
        extent.length -= length;
        self.given += length;
        self.stored -= length;
        self.lent = length as usize;
        Ok(Some(Chunk::Data(&buffer[..length as usize])))
    }

    fn entry(&mut self, header: &Header, mut extensions: Extensions) -> Result<Entry, Error> {
        let path = extensions.path.take().unwrap_or_else(|| header.path());
        let link = extensions.link.take().unwrap_or_else(|| header.link());
        let fail = |reason| malformed(Some(path.clone()), reason);
        let mut stored = extensions.size.map_or_else(|| size_of(header), Ok)?;
        let metadata = extensions.metadata(header).map_err(fail)?;
        let device = || header.device().ok_or_else(|| fail("its device number is no number"));
        let kind = match header.kind() {
            b'0' | b'7' | b'S' => Kind::File { size: stored },
            0 if path.as_os_str().as_encoded_bytes().ends_with(b"/") => Kind::Directory,
            0 => Kind::File { size: stored },
            b'1' => Kind::HardLink { target: link },
            b'2' => Kind::Symlink { target: link },
            b'3' => Kind::CharDevice(device()?),
            b'4' => Kind::BlockDevice(device()?),
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            _ => return Err(fail("its type is none that a layer can have")),
        };
        // Whatever their size says, nothing but files has content: so Go's reader has it.
        let Kind::File { .. } = kind else {
            return Ok(Entry { path, kind, metadata });
        };
        let (size, extents) = match self.read_sparse_map(header, &extensions, &mut stored)? {
            Some((size, extents)) if sparse::is_consistent(&extents, size, stored) => (size, extents),
            Some(_) => return Err(fail("its map of holes contradicts itself")),
            None => (stored, sparse::whole(stored)),
        };
        self.set_content(size, stored, extents);
        let path = extensions.sparse.name.unwrap_or(path);
        Ok(Entry { path, kind: Kind::File { size }, metadata })
    }

    /// The size and the map of a sparse file. Format 1.0 takes the map out of the content: `stored` shrinks.
    fn read_sparse_map(
        &mut self,
        header: &Header,
        extensions: &Extensions,
        stored: &mut u64,
    ) -> Result<Option<(u64, Extents)>, Error> {
        const BROKEN: &str = "its map of holes is broken";
        if header.kind() == b'S' {
            let fail = || malformed(Some(header.path()), BROKEN);
            let size = header.unsigned(sparse::OLD_REAL_SIZE);
            return Ok(Some((size.ok_or_else(fail)?, self.read_old_map(header)?.ok_or_else(fail)?)));
        }
        let Some(size) = extensions.sparse.size else { return Ok(None) };
        let fail = || malformed(extensions.sparse.name.clone(), BROKEN);
        if !extensions.sparse.in_content {
            return Ok(Some((size, sparse::from_numbers(&extensions.sparse.numbers).ok_or_else(fail)?)));
        }
        let limit = (*stored).min(MAX_EXTENSION);
        let map = sparse::from_content(|| self.read_block()?.ok_or_else(truncated), limit)?;
        let (extents, taken) = map.ok_or_else(fail)?;
        *stored = stored.checked_sub(taken).ok_or_else(fail)?;
        Ok(Some((size, extents)))
    }

    fn read_old_map(&mut self, header: &Header) -> Result<Option<Extents>, Error> {
        let mut extents = Extents::new();
        let mut more = sparse::read_old_gnu(
            &header.0[sparse::OLD_TABLE],
            header.0[sparse::OLD_IS_EXTENDED],
            &mut extents,
        );
        let most = MAX_EXTENSION as usize / 24;
        while more == Some(true) && extents.len() < most {
            let block = self.read_block()?.ok_or_else(truncated)?;
            let table = &block[sparse::EXTENSION_TABLE];
            more = sparse::read_old_gnu(table, block[sparse::EXTENSION_IS_EXTENDED], &mut extents);
        }
        Ok((more == Some(false)).then_some(extents))
    }

    fn set_content(&mut self, size: u64, stored: u64, extents: Extents) {
        (self.size, self.given, self.extents) = (size, 0, extents);
        (self.stored, self.padding) = (stored, padding(stored));
    }

    /// The next header, `None` at the end of the archive: two empty blocks, or simply no more bytes.
    fn read_header(&mut self) -> Result<Option<Header>, Error> {
        let Some(block) = self.read_block()? else { return Ok(None) };
        let header = Header(block);
        if header.is_zero() {
            return match self.read_block()? {
                Some(block) if !Header(block).is_zero() => {
                    Err(malformed(None, "an empty block stands before an entry"))
                }
                _ => Ok(None),
            };
        }
        if !header.is_sound() {
            return Err(malformed(None, "the checksum of a header is wrong"));
        }
        Ok(Some(header))
    }

    /// The data of an extension header. `extended` counts them all, so that many small ones cannot hold
    /// more than a large one.
    fn read_extension(&mut self, header: &Header, extended: &mut u64) -> Result<Vec<u8>, Error> {
        let size = size_of(header)?;
        *extended += size.max(1);
        if *extended > MAX_EXTENSION {
            return Err(malformed(None, "the extension headers of an entry are longer than a megabyte"));
        }
        let mut data = Vec::new();
        while (data.len() as u64) < size {
            let block = self.read_block()?.ok_or_else(truncated)?;
            data.extend_from_slice(&block[..BLOCK.min(size as usize - data.len())]);
        }
        Ok(data)
    }

    /// One block, `None` where the stream ends instead.
    fn read_block(&mut self) -> Result<Option<[u8; BLOCK]>, Error> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            let buffer = match self.inner.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::stream("reading the layer")(error)),
            };
            if buffer.is_empty() {
                return if filled == 0 { Ok(None) } else { Err(truncated()) };
            }
            let length = buffer.len().min(BLOCK - filled);
            block[filled..filled + length].copy_from_slice(&buffer[..length]);
            self.inner.consume(length);
            filled += length;
        }
        Ok(Some(block))
    }

    fn skip(&mut self, mut length: u64) -> Result<(), Error> {
        while length > 0 {
            let step = length.min(fill(&mut self.inner)?.len() as u64);
            self.inner.consume(step as usize);
            length -= step;
        }
        Ok(())
    }
}

/// The size field, if it is far below where sums of sizes could overflow.
fn size_of(header: &Header) -> Result<u64, Error> {
    let size = header.unsigned(header::SIZE).filter(|&size| size < MAX_SIZE);
    size.ok_or_else(|| malformed(Some(header.path()), "its size is no number"))
}

/// The buffered bytes of `inner`, where the archive says that there are more.
fn fill<R: BufRead>(inner: &mut R) -> Result<&[u8], Error> {
    loop {
        match inner.fill_buf() {
            Ok([]) => return Err(truncated()),
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::stream("reading the layer")(error)),
        }
    }
    // Asked again because the borrow of the first answer cannot leave the loop.
    inner.fill_buf().map_err(Error::stream("reading the layer"))
}

fn malformed(entry: Option<PathBuf>, reason: &'static str) -> Error {
    Error::Malformed { entry, reason }
}

fn truncated() -> Error {
    malformed(None, "it ends in the middle")
}
