//! Zip archives (PKWARE APPNOTE), by the central directory *and* by the local headers.
//!
//! Readers differ in which of the two they believe: Python's `zipfile` takes the directory, others walk the
//! file. So a member counts if either names it, and where they disagree that is said. Checksums and flags
//! never hide a member.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};

use crate::blob::Blob;

use super::Codec;

pub(super) const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
const END_64: &[u8] = b"PK\x06\x06";
const LOCATOR_64: &[u8] = b"PK\x06\x07";
pub(super) const DESCRIPTOR: &[u8] = b"PK\x07\x08";
/// The end record and the longest comment after it.
const TAIL: u64 = 22 + 65_535;
/// More members than any archive of ours has.
const MAX_MEMBERS: usize = 200_000;
/// More members than any export of advisories has.
const MOST_MEMBERS: usize = 4_000_000;
/// Larger archives are not searched for members that the directory does not name.
const MAX_SEARCHED: u64 = 512 << 20;

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// How it is compressed; the local header's answer where the directory's differs is in `other_method`.
    pub(crate) method: u16,
    pub(crate) other_method: Option<u16>,
    pub(crate) crc: u32,
    /// Its compressed bytes.
    pub(crate) data: u64,
    pub(crate) compressed: u64,
    /// The directory does not name it.
    pub(crate) hidden: bool,
}

/// An archive.
#[derive(Debug, Clone, Default)]
pub(crate) struct Archive {
    pub(crate) members: Vec<Member>,
    /// There is a directory at its end.
    pub(crate) has_directory: bool,
    /// Where directory and local headers disagree, in words.
    pub(crate) disagreements: Vec<String>,
    /// Where the data of each name begins.
    places: HashMap<String, u64>,
}

/// What a central or a local header says.
struct Header {
    name: String,
    method: u16,
    crc: u32,
    compressed: u64,
    /// The local header's place, or, in a local header, where the data begin.
    offset: u64,
    /// Where the next header begins.
    next: u64,
    /// Checksum and sizes follow the data.
    deferred: bool,
}

impl Archive {
    /// Whether the bytes begin or end like a zip archive.
    pub(crate) fn detect(blob: &Blob) -> bool {
        blob.bytes(0, 4).is_ok_and(|head| head == LOCAL || head == END) || find_end(blob).is_some()
    }

    /// Reads the headers; without any, the archive is empty.
    pub(crate) fn read(blob: &Blob) -> io::Result<Self> {
        let mut archive = Self::default();
        let directory = read_directory(blob, MAX_MEMBERS)?;
        archive.has_directory = directory.is_some();
        for (header, base) in directory.unwrap_or_default() {
            archive.add_listed(blob, &header, base)?;
        }
        archive.add_hidden(blob)?;
        Ok(archive)
    }

    /// The members of an archive of which nothing may be missing or in doubt: what is cut off is an error.
    pub(crate) fn whole(blob: &Blob) -> io::Result<Vec<Member>> {
        let broken = |why: &str| io::Error::new(io::ErrorKind::InvalidData, format!("the zip archive {why}"));
        let directory = read_directory(blob, MOST_MEMBERS)?.ok_or_else(|| broken("is cut off"))?;
        let count = find_end(blob).map(|end| blob.bytes(end, 22)).transpose()?.map(|end| u16_at(&end, 10));
        // With more than fit, the number stands elsewhere, or only its lower half here.
        if count.is_none_or(|count| count != u16::MAX && count != directory.len() as u16) {
            return Err(broken("has not as many members as it says"));
        }
        let mut archive = Self::default();
        for (header, base) in directory {
            archive.add_listed(blob, &header, base)?;
        }
        match archive.disagreements.first() {
            Some(why) => Err(broken(&format!("is damaged: {why}"))),
            None => Ok(archive.members),
        }
    }

    /// Takes in a member that the directory names, and compares it with its local header.
    fn add_listed(&mut self, blob: &Blob, listed: &Header, base: u64) -> io::Result<()> {
        let Some(local) = read_local(blob, base.saturating_add(listed.offset))? else {
            self.disagreements.push(format!("`{}` has no local header", listed.name));
            return Ok(());
        };
        if local.name != listed.name {
            self.disagreements.push(format!("`{}` is `{}` in its local header", listed.name, local.name));
        }
        if local.method != listed.method {
            self.disagreements.push(format!(
                "`{}` is compressed with method {} or {}",
                listed.name, listed.method, local.method
            ));
        }
        if self.places.insert(listed.name.clone(), local.offset).is_some_and(|other| other != local.offset) {
            self.disagreements.push(format!("`{}` is there twice", listed.name));
        }
        self.members.push(Member {
            name: listed.name.clone(),
            method: listed.method,
            other_method: (local.method != listed.method).then_some(local.method),
            crc: listed.crc,
            data: local.offset,
            compressed: listed.compressed,
            hidden: false,
        });
        Ok(())
    }

    /// Looks for local headers outside of what the directory accounts for.
    fn add_hidden(&mut self, blob: &Blob) -> io::Result<()> {
        if blob.len() > MAX_SEARCHED {
            return Ok(());
        }
        let mut known: Vec<(u64, u64)> =
            self.members.iter().map(|m| (m.data, m.data.saturating_add(m.compressed))).collect();
        known.sort_unstable();
        let mut known = known.into_iter().peekable();
        let starts: HashSet<u64> = self.members.iter().map(|m| m.data).collect();
        let mut at = 0;
        while let Some(found) = blob.find(LOCAL, at, blob.len())? {
            at = found + 4;
            while known.next_if(|(_, end)| *end <= found).is_some() {}
            if let Some((start, end)) = known.peek()
                && found >= *start
            {
                at = *end;
                continue;
            }
            let Some(local) = read_local(blob, found)? else { continue };
            if starts.contains(&local.offset) || self.members.len() >= MAX_MEMBERS {
                continue;
            }
            let length = hidden_length(blob, &local)?;
            at = local.offset + length;
            self.members.push(Member {
                name: local.name,
                method: local.method,
                other_method: None,
                crc: local.crc,
                data: local.offset,
                compressed: length,
                hidden: true,
            });
        }
        Ok(())
    }
}

impl Member {
    /// The content under `method`, as a stream; `None` for a method that is not known.
    pub(crate) fn open(&self, blob: &Blob, method: u16) -> io::Result<Option<Box<dyn Read + Send>>> {
        let data = blob.slice(self.data, self.compressed);
        Ok(Some(match method {
            0 => Box::new(data.reader(0)),
            8 => Box::new(flate2::bufread::DeflateDecoder::new(data.reader(0))),
            12 => Codec::Bzip2.decode(data.reader(0))?,
            14 => return lzma(&data).map(Some),
            93 => Codec::Zstd.decode(data.reader(0))?,
            95 => Codec::Xz.decode(data.reader(0))?,
            _ => return Ok(None),
        }))
    }
}

/// Method 14: a version, the length of the properties, the properties, raw LZMA (APPNOTE 5.8.8).
fn lzma(data: &Blob) -> io::Result<Box<dyn Read + Send>> {
    let head = data.bytes(0, 9)?;
    let [_, _, 5, 0, properties @ ..] = head.as_slice() else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let mut filters = liblzma::stream::Filters::new();
    filters.lzma1_properties(properties).map_err(io::Error::other)?;
    let decoder = liblzma::stream::Stream::new_raw_decoder(&filters).map_err(io::Error::other)?;
    Ok(Box::new(liblzma::bufread::XzDecoder::new_stream(data.reader(9), decoder)))
}

/// Without a size in the header, the data end where the next header of any kind begins.
fn hidden_length(blob: &Blob, local: &Header) -> io::Result<u64> {
    if !local.deferred && local.compressed > 0 {
        return Ok(local.compressed.min(blob.len().saturating_sub(local.offset)));
    }
    let mut end = blob.len();
    for signature in [LOCAL, CENTRAL, END, DESCRIPTOR] {
        end = blob.find(signature, local.offset, end)?.unwrap_or(end);
    }
    Ok(end - local.offset.min(end))
}

/// The place of the end record.
fn find_end(blob: &Blob) -> Option<u64> {
    let start = blob.len().saturating_sub(TAIL);
    let tail = blob.bytes(start, TAIL as usize).ok()?;
    let at = memchr::memmem::rfind(&tail, END)?;
    (tail.len() - at >= 22).then_some(start + at as u64)
}

/// The directory's headers, each with what must be added to its offset (bytes before the archive).
fn read_directory(blob: &Blob, most: usize) -> io::Result<Option<Vec<(Header, u64)>>> {
    let Some(end) = find_end(blob) else { return Ok(None) };
    let record = blob.bytes(end, 22)?;
    let mut size = u64::from(u32_at(&record, 12));
    let mut offset = u64::from(u32_at(&record, 16));
    let mut directory_end = end;
    if let Some((size_64, offset_64, end_64)) = read_end_64(blob, end)? {
        (size, offset, directory_end) = (size_64, offset_64, end_64);
    }
    let Some(start) = directory_end.checked_sub(size) else { return Ok(None) };
    let base = start.saturating_sub(offset);
    let mut headers = Vec::new();
    let mut at = start;
    while headers.len() < most {
        let Some(header) = read_central(blob, at)? else { break };
        at = header.next;
        headers.push((header, base));
    }
    Ok(Some(headers))
}

/// Size and offset of the directory, and the place of the zip64 end record.
fn read_end_64(blob: &Blob, end: u64) -> io::Result<Option<(u64, u64, u64)>> {
    let Some(locator_at) = end.checked_sub(20) else { return Ok(None) };
    let locator = blob.bytes(locator_at, 20)?;
    if !locator.starts_with(LOCATOR_64) {
        return Ok(None);
    }
    let at = u64_at(&locator, 8);
    let record = blob.bytes(at, 56)?;
    let valid = record.len() == 56 && record.starts_with(END_64);
    Ok(valid.then(|| (u64_at(&record, 40), u64_at(&record, 48), at)))
}

fn read_central(blob: &Blob, at: u64) -> io::Result<Option<Header>> {
    let fixed = blob.bytes(at, 46)?;
    if fixed.len() < 46 || !fixed.starts_with(CENTRAL) {
        return Ok(None);
    }
    let (name_length, extra_length) = (u16_at(&fixed, 28), u16_at(&fixed, 30));
    let variable = blob.bytes(at + 46, usize::from(name_length) + usize::from(extra_length))?;
    let (name, extra) = variable.split_at(usize::from(name_length).min(variable.len()));
    let mut sizes =
        [u64::from(u32_at(&fixed, 24)), u64::from(u32_at(&fixed, 20)), u64::from(u32_at(&fixed, 42))];
    widen(&mut sizes, extra);
    Ok(Some(Header {
        name: String::from_utf8_lossy(name).into_owned(),
        method: u16_at(&fixed, 10),
        crc: u32_at(&fixed, 16),
        compressed: sizes[1],
        offset: sizes[2],
        next: at + 46 + u64::from(name_length) + u64::from(extra_length) + u64::from(u16_at(&fixed, 32)),
        deferred: false,
    }))
}

fn read_local(blob: &Blob, at: u64) -> io::Result<Option<Header>> {
    let fixed = blob.bytes(at, 30)?;
    if fixed.len() < 30 || !fixed.starts_with(LOCAL) {
        return Ok(None);
    }
    let bytes = blob.bytes(at, 30 + usize::from(u16_at(&fixed, 26)) + usize::from(u16_at(&fixed, 28)))?;
    Ok(LocalHeader::parse(&bytes).map(|local| {
        let data = at + local.length as u64;
        Header {
            name: local.name,
            method: local.method,
            crc: local.crc,
            compressed: local.compressed,
            offset: data,
            next: data,
            deferred: local.deferred,
        }
    }))
}

/// What stands before a member's data.
pub(super) struct LocalHeader {
    pub(super) name: String,
    pub(super) method: u16,
    crc: u32,
    pub(super) compressed: u64,
    /// Checksum and sizes follow the data.
    pub(super) deferred: bool,
    /// Its own length.
    pub(super) length: usize,
}

impl LocalHeader {
    /// The header that `bytes` begin with, the signature aside; name and extra fields may be cut off.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (fixed, variable) = bytes.split_at_checked(30)?;
        let (name_length, extra_length) = (usize::from(u16_at(fixed, 26)), usize::from(u16_at(fixed, 28)));
        let (name, extra) = variable.split_at(name_length.min(variable.len()));
        let mut sizes = [u64::from(u32_at(fixed, 22)), u64::from(u32_at(fixed, 18))];
        widen(&mut sizes, &extra[..extra_length.min(extra.len())]);
        Some(Self {
            name: String::from_utf8_lossy(name).into_owned(),
            method: u16_at(fixed, 8),
            crc: u32_at(fixed, 14),
            compressed: sizes[1],
            deferred: u16_at(fixed, 6) & 8 != 0,
            length: 30 + name_length + extra_length,
        })
    }
}

/// Replaces the values that are all ones by those of the zip64 extra field (APPNOTE 4.5.3), in its order: size,
/// compressed size, offset.
fn widen(values: &mut [u64], mut extra: &[u8]) {
    while extra.len() >= 4 {
        let (id, length) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
        let Some(mut field) = extra.get(4..4 + length) else { return };
        if id == 1 {
            for value in values.iter_mut().filter(|value| **value == u64::from(u32::MAX)) {
                let Some((wide, rest)) = field.split_at_checked(8) else { return };
                *value = u64_at(wide, 0);
                field = rest;
            }
            return;
        }
        extra = &extra[4 + length..];
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A zip archive of stored members.
    pub(crate) fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut directory = Vec::new();
        for (name, content) in members {
            let offset = bytes.len() as u32;
            let crc = crc(content);
            let mut common = Vec::new();
            common.extend_from_slice(&[20, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            common.extend_from_slice(&crc.to_le_bytes());
            common.extend_from_slice(&(content.len() as u32).to_le_bytes());
            common.extend_from_slice(&(content.len() as u32).to_le_bytes());
            common.extend_from_slice(&(name.len() as u16).to_le_bytes());
            common.extend_from_slice(&[0, 0]);
            bytes.extend_from_slice(LOCAL);
            bytes.extend_from_slice(&common);
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(content);
            directory.extend_from_slice(CENTRAL);
            directory.extend_from_slice(&[20, 0]);
            directory.extend_from_slice(&common);
            directory.extend_from_slice(&[0; 10]);
            directory.extend_from_slice(&offset.to_le_bytes());
            directory.extend_from_slice(name.as_bytes());
        }
        let offset = bytes.len() as u32;
        bytes.extend_from_slice(&directory);
        bytes.extend_from_slice(END);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&[(members.len() as u16).to_le_bytes(); 2].concat());
        bytes.extend_from_slice(&(directory.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&offset.to_le_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes
    }

    pub(crate) fn crc(bytes: &[u8]) -> u32 {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        crc.sum()
    }

    fn read(bytes: &[u8]) -> Archive {
        Archive::read(&Blob::from(bytes.to_vec())).unwrap()
    }

    fn content(bytes: &[u8], member: &Member) -> Vec<u8> {
        let mut out = Vec::new();
        let blob = Blob::from(bytes.to_vec());
        member.open(&blob, member.method).unwrap().unwrap().read_to_end(&mut out).unwrap();
        out
    }

    #[test]
    fn members_are_listed_once_even_when_an_archive_holds_an_archive() {
        let inner = archive(&[("x", b"1")]);
        let bytes = archive(&[("a.txt", b"hello"), ("inner.zip", &inner)]);
        let archive = read(&bytes);
        assert_eq!(
            archive.members.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(),
            ["a.txt", "inner.zip"]
        );
        assert!(archive.has_directory && archive.disagreements.is_empty());
        assert_eq!(content(&bytes, &archive.members[0]), b"hello");
    }

    #[test]
    fn bytes_before_the_archive_shift_it() {
        let bytes = [b"#!/bin/sh\n".to_vec(), archive(&[("a", b"1")])].concat();
        assert_eq!(content(&bytes, &read(&bytes).members[0]), b"1");
    }

    #[test]
    fn a_member_without_a_directory_is_found() {
        let bytes = archive(&[("a", b"1"), ("b", b"22")]);
        let cut = memchr::memmem::find(&bytes, CENTRAL).unwrap();
        let archive = read(&bytes[..cut]);
        assert!(!archive.has_directory);
        assert_eq!(archive.members.len(), 2);
        assert!(archive.members.iter().all(|m| m.hidden));
        assert_eq!(content(&bytes, &archive.members[1]), b"22");
    }

    #[test]
    fn a_member_that_only_the_local_headers_name_is_hidden() {
        let full = archive(&[("a", b"1"), ("b", b"22")]);
        let local = memchr::memmem::find(&archive(&[("a", b"1")]), CENTRAL).unwrap();
        let second = memchr::memmem::find(&full[4..], LOCAL).unwrap() + 4;
        let central = memchr::memmem::find(&full, CENTRAL).unwrap();
        assert_eq!(local, second);
        let mut bytes = full[..central].to_vec();
        let lone = archive(&[("a", b"1")]);
        let mut directory = lone[local..].to_vec();
        let at = directory.len() - 6;
        directory[at..at + 4].copy_from_slice(&(central as u32).to_le_bytes());
        bytes.extend_from_slice(&directory);
        let hidden: Vec<_> = read(&bytes).members.into_iter().filter(|m| m.hidden).map(|m| m.name).collect();
        assert_eq!(hidden, ["b"]);
    }

    #[test]
    fn different_names_are_told() {
        let mut bytes = archive(&[("data.pkl", b"1")]);
        bytes[30..38].copy_from_slice(b"data.txt");
        assert_eq!(read(&bytes).disagreements, ["`data.pkl` is `data.txt` in its local header"]);
    }

    proptest! {
        #[test]
        fn damaged_archives_do_not_panic(at in 0usize..400, byte: u8, cut in 0usize..400) {
            let mut bytes = archive(&[("a", b"1"), ("dir/b", &[7; 40])]);
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.truncate(bytes.len() - cut % bytes.len());
            let blob = Blob::from(bytes);
            for member in Archive::read(&blob).unwrap().members {
                for method in [0, 8, 12, 14, 93, 95] {
                    if let Ok(Some(stream)) = member.open(&blob, method) {
                        let _ = io::copy(&mut stream.take(10_000), &mut io::sink());
                    }
                }
            }
        }
    }
}
