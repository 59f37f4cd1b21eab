//! tar streams (POSIX ustar with pax and GNU long names), read in order and in constant memory.

use std::io::{self, BufRead, Read};

const BLOCK: u64 = 512;
/// The longest pax header or GNU long name that is read; a longer one is skipped.
const MAX_EXTENSION: u64 = 1 << 20;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryKind {
    File,
    HardLink,
    Symlink,
    Directory,
    Other,
}

/// An entry's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The path, without leading `/` and `./` and trailing `/`.
    pub(crate) path: String,
    pub(crate) kind: EntryKind,
    pub(crate) size: u64,
    /// The permission bits.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    /// What a link points at, written as the path is.
    pub(crate) target: String,
}

/// Reads a tar stream; between two calls of [`Reader::next_entry`] it reads the entry's content.
#[derive(Debug)]
pub(crate) struct Reader<R> {
    stream: R,
    /// Content of the current entry that was not read yet.
    left: u64,
    /// Padding after it.
    padding: u64,
}

/// What the headers before an entry say of it.
#[derive(Default)]
struct Overrides {
    path: Option<String>,
    target: Option<String>,
    size: Option<u64>,
}

impl<R: BufRead> Reader<R> {
    pub(crate) fn new(stream: R) -> Self {
        Self { stream, left: 0, padding: 0 }
    }

    /// The stream below, at the first byte of the current entry that was not read yet.
    pub(crate) fn get_ref(&self) -> &R {
        &self.stream
    }

    /// Passes over what is left of the current entry by moving the stream below.
    pub(crate) fn skip_content(&mut self, pass: impl FnOnce(&mut R, u64)) {
        pass(&mut self.stream, self.left + self.padding);
        (self.left, self.padding) = (0, 0);
    }

    /// Whether these first bytes of a stream are a tar header.
    pub(crate) fn detect(head: &[u8]) -> bool {
        head.len() >= BLOCK as usize && head[0] != 0 && checksum_matches(&head[..BLOCK as usize])
    }

    /// The next entry; `None` at the end of the archive.
    ///
    /// # Errors
    /// If the stream breaks or ends within an entry, or has something else than a header where one should be.
    pub(crate) fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        let mut overrides = Overrides::default();
        loop {
            let Some(header) = self.next_header()? else { return Ok(None) };
            let size = number(&header[124..136])?;
            let kind = header[156];
            let size = match kind {
                b'x' | b'L' | b'K' | b'g' => size,
                b'1' | b'2' | b'3' | b'4' | b'5' | b'6' => 0,
                _ => overrides.size.unwrap_or(size),
            };
            self.left = size;
            self.padding = size.next_multiple_of(BLOCK) - size;
            match kind {
                b'x' => self.read_pax(&mut overrides)?,
                b'L' => overrides.path = self.read_extension()?.map(|name| text(&name)),
                b'K' => overrides.target = self.read_extension()?.map(|name| text(&name)),
                b'g' => {}
                _ => {
                    let path = overrides.path.take().unwrap_or_else(|| name(&header));
                    let target = overrides.target.take().unwrap_or_else(|| text(&header[157..257]));
                    let kind = match kind {
                        b'0' | 0 | b'7' | b'S' if path.ends_with('/') => EntryKind::Directory,
                        b'0' | 0 | b'7' | b'S' => EntryKind::File,
                        b'1' => EntryKind::HardLink,
                        b'2' => EntryKind::Symlink,
                        b'5' => EntryKind::Directory,
                        _ => EntryKind::Other,
                    };
                    // What is no number there is nobody's.
                    let field =
                        |range: std::ops::Range<usize>| number(&header[range]).unwrap_or_default() as u32;
                    let (mode, uid) = (field(100..108) & 0o7777, field(108..116));
                    let (path, target) = (relative(&path), relative(&target));
                    return Ok(Some(Entry { path, kind, size, mode, uid, target }));
                }
            }
        }
    }

    /// The next header block that is not zero.
    fn next_header(&mut self) -> io::Result<Option<[u8; BLOCK as usize]>> {
        skip(&mut self.stream, self.left + self.padding)?;
        (self.left, self.padding) = (0, 0);
        let mut header = [0; BLOCK as usize];
        let n = read_full(&mut self.stream, &mut header)?;
        if n == 0 || header.iter().all(|b| *b == 0) {
            return Ok(None);
        }
        if n < header.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !checksum_matches(&header) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no tar header where one should be"));
        }
        Ok(Some(header))
    }

    /// The content of an extension header; `None` if it is longer than any real one.
    fn read_extension(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.left > MAX_EXTENSION {
            return Ok(None);
        }
        let mut content = vec![0; self.left as usize];
        self.stream.read_exact(&mut content)?;
        self.left = 0;
        Ok(Some(content))
    }

    fn read_pax(&mut self, overrides: &mut Overrides) -> io::Result<()> {
        let Some(content) = self.read_extension()? else { return Ok(()) };
        let mut rest = content.as_slice();
        while let Some(space) = rest.iter().position(|b| *b == b' ') {
            let length = std::str::from_utf8(&rest[..space]).ok().and_then(|n| n.parse::<usize>().ok());
            let Some(length) = length.filter(|n| *n > space + 1 && *n <= rest.len()) else { break };
            let record = &rest[space + 1..length - 1];
            if let Some(value) = record.strip_prefix(b"path=") {
                overrides.path = Some(text(value));
            } else if let Some(value) = record.strip_prefix(b"linkpath=") {
                overrides.target = Some(text(value));
            } else if let Some(value) = record.strip_prefix(b"size=") {
                overrides.size = text(value).parse().ok();
            }
            rest = &rest[length..];
        }
        Ok(())
    }
}

impl<R: Read> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = (buffer.len() as u64).min(self.left) as usize;
        let n = self.stream.read(&mut buffer[..wanted])?;
        if n == 0 && wanted > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= n as u64;
        Ok(n)
    }
}

fn checksum_matches(header: &[u8]) -> bool {
    let stored = number(&header[148..156]).ok();
    let sum: u64 = header
        .iter()
        .enumerate()
        .map(|(i, b)| if (148..156).contains(&i) { 32 } else { u64::from(*b) })
        .sum();
    stored == Some(sum)
}

/// Octal text, or base 256 where the first bit is set (GNU).
fn number(field: &[u8]) -> io::Result<u64> {
    if field.first().is_some_and(|b| b & 0x80 != 0) {
        let low = &field[field.len() - 8..];
        return Ok(low.iter().fold(0, |n: u64, b| n << 8 | u64::from(*b)) & (i64::MAX as u64 >> 1));
    }
    let digits: String = field.iter().map(|b| char::from(*b)).filter(|c| !matches!(c, ' ' | '\0')).collect();
    if digits.is_empty() {
        return Ok(0);
    }
    u64::from_str_radix(&digits, 8)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a number in a tar header is none"))
}

fn name(header: &[u8; BLOCK as usize]) -> String {
    let prefix = text(&header[345..500]);
    let name = text(&header[..100]);
    let ustar = &header[257..263] == b"ustar\0";
    if ustar && !prefix.is_empty() { format!("{prefix}/{name}") } else { name }
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn relative(path: &str) -> String {
    let mut path = path.trim_end_matches('/');
    loop {
        let next = path.trim_start_matches('/');
        let next = next.strip_prefix("./").unwrap_or(next);
        if next.len() == path.len() {
            return if path == "." { String::new() } else { path.to_owned() };
        }
        path = next;
    }
}

/// Passes over what nobody wants to see without copying it.
fn skip(stream: &mut impl BufRead, mut n: u64) -> io::Result<()> {
    while n > 0 {
        let available = match stream.fill_buf() {
            Ok([]) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(available) => (available.len() as u64).min(n),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        stream.consume(available as usize);
        n -= available;
    }
    Ok(())
}

fn read_full(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match stream.read(&mut buffer[done..]) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A ustar header with the content behind it.
    pub(crate) fn entry(path: &str, kind: u8, content: &[u8]) -> Vec<u8> {
        let mut header = vec![0; BLOCK as usize];
        header[..path.len().min(100)].copy_from_slice(&path.as_bytes()[..path.len().min(100)]);
        header[100..108].copy_from_slice(b"0000644\0");
        header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
        header[156] = kind;
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u64 = header
            .iter()
            .enumerate()
            .map(|(i, b)| if (148..156).contains(&i) { 32 } else { u64::from(*b) })
            .sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        header.extend_from_slice(content);
        header.resize(header.len().next_multiple_of(BLOCK as usize), 0);
        header
    }

    /// An archive of `files`.
    pub(crate) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes: Vec<u8> =
            files.iter().flat_map(|(path, content)| entry(path, b'0', content)).collect();
        bytes.resize(bytes.len() + 1024, 0);
        bytes
    }

    fn paths(bytes: &[u8]) -> io::Result<Vec<(String, String)>> {
        let mut reader = Reader::new(bytes);
        let mut found = Vec::new();
        while let Some(entry) = reader.next_entry()? {
            let mut content = String::new();
            reader.read_to_string(&mut content)?;
            found.push((entry.path, content));
        }
        Ok(found)
    }

    #[test]
    fn long_names_of_both_kinds_are_read() {
        let long = "d/".repeat(80) + "f";
        let record = format!(" path={long}\n");
        let record = format!("{}{record}", record.len() + 3);
        let bytes = [
            entry("././@LongLink", b'L', format!("{long}\0").as_bytes()),
            entry("cut", b'0', b"gnu"),
            entry("PaxHeader", b'x', record.as_bytes()),
            entry("cut", b'0', b"pax"),
            entry("./plain", b'0', b"plain"),
        ]
        .concat();
        assert_eq!(
            paths(&bytes).unwrap(),
            [(long.clone(), "gnu".into()), (long, "pax".into()), ("plain".into(), "plain".into())]
        );
    }

    #[test]
    fn what_is_skipped_is_skipped_whole_and_a_short_stream_is_an_error() {
        let bytes = archive(&[("a", &[1; 700]), ("b", b"2")]);
        let mut reader = Reader::new(bytes.as_slice());
        assert_eq!(reader.next_entry().unwrap().unwrap().path, "a");
        assert_eq!(reader.next_entry().unwrap().unwrap().path, "b");
        assert_eq!(reader.next_entry().unwrap(), None);
        assert!(paths(&bytes[..900]).is_err());
        assert!(Reader::<&[u8]>::detect(&bytes) && !Reader::<&[u8]>::detect(&bytes[1..]));
    }

    proptest! {
        #[test]
        fn damaged_archives_end_without_a_panic(at in 0usize..2048, byte: u8) {
            let mut bytes = [entry("p", b'x', b"12 path=abc\n"), archive(&[("a", b"1"), ("b", b"2")])].concat();
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = paths(&bytes);
        }
    }
}
