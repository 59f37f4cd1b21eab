//! PyTorch's zip archives from a stream, kept with holes where the weights are.
//!
//! Gigabytes of numbers say nothing about safety, so they are not written to a temporary file only to be left
//! alone there. What is passed over is what the local headers call weights; a directory that says something else about
//! the same bytes is caught later ([`Blob::has_hole`]).

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;

use crate::blob::{Blob, Spooled};

use super::zip::{DESCRIPTOR, LOCAL, LocalHeader};

/// How much of the stream is looked at together.
const WINDOW: usize = 1 << 20;
/// The longest local header, with its name and its extra fields.
const LONGEST_HEADER: usize = 30 + 2 * 65_535;
/// The longest descriptor behind a member: signature, checksum, two wide sizes.
const LONGEST_DESCRIPTOR: usize = 24;

/// Keeps an archive without its weights. What is no archive of PyTorch's is kept whole.
///
/// # Errors
/// If the temporary file cannot be written.
pub(crate) fn spool_without_weights(stream: impl Read, limit: u64) -> io::Result<Spooled> {
    let out = BufWriter::with_capacity(WINDOW, tempfile::tempfile()?);
    let (window, holes) = (Vec::with_capacity(WINDOW), Vec::new());
    let mut spool = Spool {
        stream: stream.take(limit),
        window,
        used: 0,
        ended: false,
        error: None,
        out,
        length: 0,
        holes,
    };
    let mut program = None;
    while let Some(header) = spool.header()? {
        if program.is_none() {
            program = header.name.strip_suffix("data.pkl").map(|prefix| format!("{prefix}data/"));
        }
        let is_weights = header.method == 0
            && program
                .as_ref()
                .and_then(|prefix| header.name.strip_prefix(prefix.as_str()))
                .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()));
        match header.deferred {
            false => spool.pass(header.compressed, !is_weights)?,
            true => spool.pass_to_descriptor(!is_weights)?,
        }
    }
    spool.pass(u64::MAX, true)?;
    spool.finish()
}

struct Spool<R> {
    stream: R,
    /// What was read, the first `used` bytes of which are passed.
    window: Vec<u8>,
    used: usize,
    ended: bool,
    error: Option<io::Error>,
    out: BufWriter<File>,
    length: u64,
    holes: Vec<Range<u64>>,
}

impl<R: Read> Spool<R> {
    /// The local header that comes next, which is kept; `None` where something else comes.
    fn header(&mut self) -> io::Result<Option<LocalHeader>> {
        self.fill();
        let rest = self.rest();
        let Some(header) = LocalHeader::parse(rest).filter(|_| rest.starts_with(LOCAL)) else {
            return Ok(None);
        };
        self.pass_window(header.length.min(rest.len()), true)?;
        Ok(Some(header))
    }

    fn rest(&self) -> &[u8] {
        &self.window[self.used..]
    }

    /// Reads on when little is left to look at.
    fn fill(&mut self) {
        if self.ended || self.rest().len() >= LONGEST_HEADER {
            return;
        }
        self.window.drain(..self.used);
        self.used = 0;
        let space = (WINDOW - self.window.len()) as u64;
        let before = self.window.len();
        // What came until it broke counts.
        self.error = (&mut self.stream).take(space).read_to_end(&mut self.window).err();
        self.ended = self.error.is_some() || ((self.window.len() - before) as u64) < space;
    }

    /// Passes over bytes of the window, kept or as a hole.
    fn pass_window(&mut self, length: usize, keep: bool) -> io::Result<()> {
        let passed = self.used..self.used + length;
        let (start, end) = (self.length, self.length + length as u64);
        if keep {
            self.out.write_all(&self.window[passed.clone()])?;
        } else if length > 0 {
            self.out.seek(SeekFrom::Start(end))?;
            match self.holes.last_mut().filter(|last| last.end == start) {
                Some(last) => last.end = end,
                None => self.holes.push(start..end),
            }
        }
        (self.used, self.length) = (passed.end, end);
        Ok(())
    }

    /// Passes over the next bytes, as far as there are any.
    fn pass(&mut self, mut length: u64, keep: bool) -> io::Result<()> {
        while length > 0 {
            self.fill();
            let part = length.min(self.rest().len() as u64);
            if part == 0 {
                break;
            }
            self.pass_window(part as usize, keep)?;
            length -= part;
        }
        Ok(())
    }

    /// Passes over a member whose size follows it: up to a descriptor that says as many bytes as there were. The descriptor is kept.
    fn pass_to_descriptor(&mut self, keep: bool) -> io::Result<()> {
        let start = self.length;
        loop {
            self.fill();
            let passed = self.length - start;
            let found = memchr::memmem::find_iter(self.rest(), DESCRIPTOR).find_map(|at| {
                let length = descriptor_length(&self.rest()[at..], passed + at as u64)?;
                Some((at, length))
            });
            if let Some((at, length)) = found {
                self.pass_window(at, keep)?;
                return self.pass_window(length, true);
            }
            // A descriptor may begin at the window's end.
            let whole = if self.ended { 0 } else { LONGEST_DESCRIPTOR };
            let clear = self.rest().len().saturating_sub(whole);
            self.pass_window(clear, keep)?;
            if self.ended {
                return Ok(());
            }
        }
    }

    fn finish(mut self) -> io::Result<Spooled> {
        self.out.flush()?;
        let file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.set_len(self.length)?;
        let blob = Blob::with_holes(file, self.length, self.holes);
        Ok(Spooled { blob, cut: false, error: self.error })
    }
}

/// The length of the descriptor that `bytes` begin with, if it says that `size` bytes came before it.
fn descriptor_length(bytes: &[u8], size: u64) -> Option<usize> {
    let narrow = |at: usize| Some(u64::from(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?)));
    let wide = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    if narrow(8) == Some(size) && narrow(12) == Some(size) {
        return Some(16);
    }
    (wide(8) == Some(size) && wide(16) == Some(size)).then_some(LONGEST_DESCRIPTOR)
}

#[cfg(test)]
mod tests {
    use super::super::zip::Archive;
    use super::super::zip::tests::archive;
    use super::*;

    /// The same archive with the sizes behind the members, as PyTorch writes it.
    fn deferred(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, content) in members {
            let one = archive(&[(name, content)]);
            let header = 30 + name.len();
            bytes.extend_from_slice(&one[..header]);
            let at = bytes.len() - header;
            bytes[at + 6] |= 8;
            bytes[at + 14..at + 26].fill(0);
            bytes.extend_from_slice(content);
            bytes.extend_from_slice(DESCRIPTOR);
            bytes.extend_from_slice(&one[14..18]);
            bytes.extend_from_slice(&[(content.len() as u32).to_le_bytes(); 2].concat());
        }
        bytes
    }

    #[test]
    fn weights_are_holes_and_all_else_is_kept() {
        let weights = [b"PK\x07\x08".as_slice(), &vec![7; 3 * WINDOW]].concat();
        let members: [(&str, &[u8]); 4] =
            [("m/data.pkl", b"program"), ("m/data/0", &weights), ("m/extra", b"x"), ("m/data/1", b"yy")];
        for bytes in [archive(&members), deferred(&members)] {
            let spooled = spool_without_weights(bytes.as_slice(), u64::MAX).unwrap();
            assert_eq!(spooled.blob.len(), bytes.len() as u64);
            let at = memchr::memmem::find(&bytes, &weights).unwrap() as u64;
            assert!(spooled.blob.has_hole(at, 1) && !spooled.blob.has_hole(0, at));
            let kept = spooled.blob.bytes(0, bytes.len()).unwrap();
            let differing = bytes.iter().zip(&kept).filter(|(a, b)| a != b).count();
            assert_eq!(differing, weights.len() + 2);
            let names: Vec<_> =
                Archive::read(&spooled.blob).unwrap().members.into_iter().map(|m| m.name).collect();
            assert_eq!(names, ["m/data.pkl", "m/data/0", "m/extra", "m/data/1"]);
        }
    }

    #[test]
    fn other_archives_and_other_bytes_are_kept_whole() {
        let other = archive(&[("a/data/0", b"12345"), ("b", b"6")]);
        for bytes in
            [other.clone(), other[..40].to_vec(), b"PK\x03\x04".to_vec(), b"text".to_vec(), Vec::new()]
        {
            let spooled = spool_without_weights(bytes.as_slice(), u64::MAX).unwrap();
            assert_eq!(spooled.blob.bytes(0, bytes.len()).unwrap(), bytes);
            assert!(!spooled.blob.has_hole(0, u64::MAX));
        }
        let cut = spool_without_weights(other.as_slice(), 10).unwrap();
        assert_eq!(cut.blob.len(), 10);
    }
}
