//! Bytes that can be read anywhere, in memory while they are few and in an unnamed temporary file when not.

use std::fs::File;
use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// What is kept in memory; more goes to a temporary file.
const IN_MEMORY: usize = 8 << 20;
/// How much is read at once of what is read in order.
const CHUNK: usize = 64 << 10;

/// Bytes that can be read anywhere. Cloning and slicing copy nothing.
#[derive(Debug, Clone)]
pub(crate) struct Blob {
    data: Data,
    start: u64,
    length: u64,
}

#[derive(Debug, Clone)]
enum Data {
    Memory(Arc<Vec<u8>>),
    File(Arc<Spool>),
}

/// A file of which parts may be missing.
#[derive(Debug)]
struct Spool {
    file: File,
    /// What was left out, in order; it reads as zeros.
    holes: Vec<Range<u64>>,
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        Self { start: 0, length: bytes.len() as u64, data: Data::Memory(Arc::new(bytes)) }
    }
}

impl Blob {
    /// The bytes of an open file, as long as it is now; small ones are read at once.
    pub(crate) fn of_file(mut file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        if length <= IN_MEMORY as u64 {
            let mut bytes = Vec::with_capacity(length as usize);
            file.seek(SeekFrom::Start(0))?;
            (&mut file).take(length).read_to_end(&mut bytes)?;
            return Ok(bytes.into());
        }
        Ok(Self::with_holes(file, length, Vec::new()))
    }

    /// The bytes of a file of our own, without those in `holes`, which are sorted.
    pub(crate) fn with_holes(file: File, length: u64, holes: Vec<Range<u64>>) -> Self {
        Self { data: Data::File(Arc::new(Spool { file, holes })), start: 0, length }
    }

    /// Whether some of the `length` bytes from `offset` were left out.
    pub(crate) fn has_hole(&self, offset: u64, length: u64) -> bool {
        let Data::File(spool) = &self.data else { return false };
        let start = self.start.saturating_add(offset);
        let end = start.saturating_add(length);
        spool.holes.iter().any(|hole| hole.start < end && start < hole.end)
    }

    /// How many bytes.
    pub(crate) fn len(&self) -> u64 {
        self.length
    }

    /// The part from `offset`, `length` bytes or what there is of them.
    pub(crate) fn slice(&self, offset: u64, length: u64) -> Self {
        let offset = offset.min(self.length);
        Self { data: self.data.clone(), start: self.start + offset, length: length.min(self.length - offset) }
    }

    /// The same bytes with a length of `length`: of what is missing nothing can be read.
    pub(crate) fn with_length(mut self, length: u64) -> Self {
        self.length = length;
        self
    }

    /// Whether both are the same part of the same bytes in memory or of the same file.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let data = match (&self.data, &other.data) {
            (Data::Memory(a), Data::Memory(b)) => Arc::ptr_eq(a, b),
            (Data::File(a), Data::File(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        data && self.start == other.start && self.length == other.length
    }

    /// Reads at `offset` until `buffer` is full or the bytes end; gives how many were read.
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = (buffer.len() as u64).min(self.length.saturating_sub(offset)) as usize;
        let at = self.start + offset;
        match &self.data {
            Data::Memory(bytes) => {
                let at = at.min(bytes.len() as u64) as usize;
                let wanted = wanted.min(bytes.len() - at);
                buffer[..wanted].copy_from_slice(&bytes[at..at + wanted]);
                Ok(wanted)
            }
            Data::File(spool) => {
                let mut done = 0;
                while done < wanted {
                    match spool.file.read_at(&mut buffer[done..wanted], at + done as u64) {
                        Ok(0) => break,
                        Ok(n) => done += n,
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(done)
            }
        }
    }

    /// Up to `length` bytes from `offset`. Callers bound `length`.
    pub(crate) fn bytes(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; (length as u64).min(self.length.saturating_sub(offset)) as usize];
        let n = self.read_at(offset, &mut bytes)?;
        bytes.truncate(n);
        Ok(bytes)
    }

    /// A buffered reader from `offset` on.
    pub(crate) fn reader(&self, offset: u64) -> Reader {
        Reader { blob: self.clone(), position: offset.min(self.length), buffer: Vec::new(), used: 0 }
    }

    /// The place of the first occurrence of `needle` in the bytes from `from` up to `to`.
    pub(crate) fn find(&self, needle: &[u8], from: u64, to: u64) -> io::Result<Option<u64>> {
        const WINDOW: usize = 1 << 20;
        let finder = memchr::memmem::Finder::new(needle);
        let to = to.min(self.length);
        let mut at = from;
        while at + needle.len() as u64 <= to {
            let window = self.bytes(at, WINDOW.min((to - at) as usize))?;
            if let Some(found) = finder.find(&window) {
                return Ok(Some(at + found as u64));
            }
            if window.len() < needle.len() {
                break;
            }
            at += (window.len() - needle.len() + 1) as u64;
        }
        Ok(None)
    }
}

/// Reads a [`Blob`] in order.
#[derive(Debug)]
pub(crate) struct Reader {
    blob: Blob,
    /// Where the buffer's end is in the blob.
    position: u64,
    buffer: Vec<u8>,
    used: usize,
}

impl Reader {
    /// Where the next byte is.
    pub(crate) fn position(&self) -> u64 {
        self.position - (self.buffer.len() - self.used) as u64
    }

    /// Goes to `offset`, past the end if that is what it says.
    pub(crate) fn seek_to(&mut self, offset: u64) {
        let start = self.position - self.buffer.len() as u64;
        if offset >= start && offset <= self.position {
            self.used = (offset - start) as usize;
        } else {
            self.buffer.clear();
            self.used = 0;
            self.position = offset;
        }
    }

    /// How many bytes are left.
    pub(crate) fn remaining(&self) -> u64 {
        self.blob.len().saturating_sub(self.position())
    }
}

impl Read for Reader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        // Whoever takes this much at once needs no buffer between.
        if self.used == self.buffer.len() && out.len() >= CHUNK {
            self.buffer.clear();
            self.used = 0;
            let n = self.blob.read_at(self.position, out)?;
            self.position += n as u64;
            return Ok(n);
        }
        let available = self.fill_buf()?;
        let n = available.len().min(out.len());
        out[..n].copy_from_slice(&available[..n]);
        self.consume(n);
        Ok(n)
    }
}

impl BufRead for Reader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.used == self.buffer.len() {
            self.used = 0;
            let left = self.blob.len().saturating_sub(self.position);
            self.buffer.resize(left.min(CHUNK as u64) as usize, 0);
            let read = self.blob.read_at(self.position, &mut self.buffer);
            let n = *read.as_ref().unwrap_or(&0);
            self.buffer.truncate(n);
            self.position += n as u64;
            read?;
        }
        Ok(&self.buffer[self.used..])
    }

    fn consume(&mut self, n: usize) {
        self.used = (self.used + n).min(self.buffer.len());
    }
}

/// What came out of a stream.
#[derive(Debug)]
pub(crate) struct Spooled {
    /// The bytes, as far as they came.
    pub(crate) blob: Blob,
    /// The stream had more than was allowed.
    pub(crate) cut: bool,
    /// The stream broke.
    pub(crate) error: Option<io::Error>,
}

/// Reads a stream to its end, or to `limit` bytes, or to where it breaks: what came until then counts.
///
/// # Errors
/// If the temporary file cannot be written.
pub(crate) fn spool(mut stream: impl Read, limit: u64) -> io::Result<Spooled> {
    let mut head = Vec::new();
    let mut error = read_into(&mut stream, &mut head, limit.min(IN_MEMORY as u64));
    if error.is_some() || (head.len() as u64) < limit.min(IN_MEMORY as u64) {
        return Ok(Spooled { blob: head.into(), cut: false, error });
    }
    let mut chunk = Vec::new();
    if limit <= IN_MEMORY as u64 {
        error = read_into(&mut stream, &mut chunk, 1);
        return Ok(Spooled { blob: head.into(), cut: !chunk.is_empty(), error });
    }
    let mut file = tempfile::tempfile()?;
    file.write_all(&head)?;
    let mut length = head.len() as u64;
    drop(head);
    loop {
        chunk.clear();
        error = read_into(&mut stream, &mut chunk, (limit - length).min(1 << 20));
        file.write_all(&chunk)?;
        length += chunk.len() as u64;
        if chunk.is_empty() || error.is_some() {
            break;
        }
    }
    let mut cut = false;
    if length == limit && error.is_none() {
        error = read_into(&mut stream, &mut chunk, 1);
        cut = !chunk.is_empty();
    }
    Ok(Spooled { blob: Blob::with_holes(file, length, Vec::new()), cut, error })
}

fn read_into(stream: &mut impl Read, out: &mut Vec<u8>, limit: u64) -> Option<io::Error> {
    stream.take(limit).read_to_end(out).err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_and_readers_agree_with_the_bytes() {
        let blob = Blob::from((0..=255).collect::<Vec<u8>>()).slice(10, 100);
        assert_eq!(blob.len(), 100);
        assert_eq!(blob.bytes(98, 10).unwrap(), [108, 109]);
        assert_eq!(blob.find(&[50, 51], 0, 100).unwrap(), Some(40));
        assert_eq!(blob.find(&[50, 51], 41, 100).unwrap(), None);
        let mut reader = blob.reader(0);
        let mut byte = [0; 2];
        reader.read_exact(&mut byte).unwrap();
        assert_eq!((byte, reader.position(), reader.remaining()), ([10, 11], 2, 98));
        reader.seek_to(500);
        assert_eq!((reader.read(&mut byte).unwrap(), reader.remaining()), (0, 0));
    }

    #[test]
    fn large_and_small_reads_follow_one_another() {
        let bytes: Vec<u8> = (0..3 * CHUNK + 100).map(|n| (n % 251) as u8).collect();
        let blob = Blob::from(bytes.clone());
        let mut reader = blob.reader(1);
        let mut read = vec![0; 10];
        reader.read_exact(&mut read).unwrap();
        for length in [CHUNK + 7, CHUNK, 3, 2 * CHUNK] {
            let mut more = vec![0; length];
            let n = reader.read(&mut more).unwrap();
            read.extend(&more[..n]);
            assert_eq!(reader.position(), 1 + read.len() as u64);
        }
        reader.read_to_end(&mut read).unwrap();
        assert!(read == bytes[1..]);
        reader.seek_to(2);
        assert_eq!(reader.bytes().next().unwrap().unwrap(), 2);
    }

    #[test]
    fn a_long_stream_goes_to_a_file_and_a_longer_one_is_cut() {
        let long = (IN_MEMORY as u64) + 5;
        let spooled = spool(io::repeat(7).take(long), long).unwrap();
        assert_eq!((spooled.blob.len(), spooled.cut), (long, false));
        assert_eq!(spooled.blob.bytes(long - 2, 9).unwrap(), [7, 7]);
        assert!(spool(io::repeat(7), long).unwrap().cut);
        assert!(spool(io::repeat(7), 3).unwrap().cut);
        assert!(!spool(&b"abc"[..], 3).unwrap().cut);
    }
}
