//! SQLite's file format, as far as it takes to read one table: its b-tree, rows and overflow pages.
//!
//! A database out of an image is a stranger's, so it is read with bounds everywhere instead of being given to a database engine.

use std::cell::Cell;

use super::{Headers, MAX_HEADER, MAX_PACKAGES, u16_at, u32_at};
use crate::blob::Blob;

/// Deeper trees have more rows than any installation.
const MAX_DEPTH: usize = 12;
const INTERIOR: u8 = 5;
const LEAF: u8 = 13;

/// The headers in the table `Packages`; `None` where the file is something else.
pub(super) fn headers(blob: &Blob) -> Option<Headers> {
    let start = blob.bytes(0, 100).ok().filter(|start| start.starts_with(b"SQLite format 3\0"))?;
    let size = match u16_at(&start, 16, true)? {
        1 => 65536,
        size => usize::from(size),
    };
    if size < 512 || !size.is_power_of_two() {
        return None;
    }
    // The number of pages; whoever wrote none before 3.7 says zero.
    let pages = u64::from(u32_at(&start, 28, true)?);
    let whole = Cell::new(pages * size as u64 <= blob.len());
    let file = File { blob, size, usable: size - usize::from(start[20]).min(size - 480), whole };
    let mut root = None;
    file.tree(1, &mut |row| {
        let columns = columns(&row);
        let text = |index: usize| columns.get(index).map(|(_, bytes)| *bytes);
        if text(0) == Some(b"table") && text(1) == Some(b"Packages") {
            root = text(3).map(|bytes| bytes.iter().take(8).fold(0u64, |n, byte| n << 8 | u64::from(*byte)));
        }
    });
    let Some(root) = root.and_then(|root| u32::try_from(root).ok()) else {
        return Some(Headers { all: Vec::new(), whole: false });
    };
    let mut all = Vec::new();
    file.tree(root, &mut |row| {
        // The number is the row's own, so that the header is what is left.
        let header = columns(&row).into_iter().rev().find(|(kind, _)| *kind >= 12);
        all.push(header.map(|(_, bytes)| bytes.to_vec()).unwrap_or_default());
    });
    Some(Headers { all, whole: file.whole.get() })
}

struct File<'a> {
    blob: &'a Blob,
    size: usize,
    usable: usize,
    /// Nothing was missing or impossible yet.
    whole: Cell<bool>,
}

impl File<'_> {
    fn page(&self, number: u32) -> Option<Vec<u8>> {
        let at = u64::from(number.checked_sub(1)?) * self.size as u64;
        let page = self.blob.bytes(at, self.size).ok()?;
        (page.len() == self.size).then_some(page)
    }

    /// Hands over the payload of every row of the table whose tree begins at this page.
    fn tree(&self, root: u32, each: &mut dyn FnMut(Vec<u8>)) {
        if self.rows(root, 0, &mut 0, each).is_none() {
            self.whole.set(false);
        }
    }

    /// Hands over the payload of every row under a page; `None` where something is wrong. `seen` bounds the work of a tree that bites its tail.
    fn rows(&self, number: u32, depth: usize, seen: &mut usize, each: &mut dyn FnMut(Vec<u8>)) -> Option<()> {
        *seen += 1;
        if depth > MAX_DEPTH || *seen > MAX_PACKAGES * 4 {
            return None;
        }
        let page = self.page(number)?;
        let head = if number == 1 { 100 } else { 0 };
        let kind = *page.get(head)?;
        let cells = usize::from(u16_at(&page, head + 3, true)?);
        let pointers = head + if kind == INTERIOR { 12 } else { 8 };
        for index in 0..cells {
            let at = usize::from(u16_at(&page, pointers + index * 2, true)?);
            match kind {
                INTERIOR => {
                    let child = u32_at(&page, at, true)?;
                    self.rows(child, depth + 1, seen, each)?;
                }
                LEAF => {
                    *seen += 1;
                    if *seen > MAX_PACKAGES * 4 {
                        return None;
                    }
                    match self.payload(&page, at) {
                        Some(payload) => each(payload),
                        None => self.whole.set(false),
                    }
                }
                _ => return None,
            }
        }
        if kind == INTERIOR {
            let last = u32_at(&page, head + 8, true)?;
            self.rows(last, depth + 1, seen, each)?;
        }
        Some(())
    }

    /// The payload of a cell of a leaf: what is on the page, and what overflowed.
    fn payload(&self, page: &[u8], at: usize) -> Option<Vec<u8>> {
        let (length, at) = varint(page, at)?;
        let (_, at) = varint(page, at)?;
        let length = usize::try_from(length).ok().filter(|length| *length <= MAX_HEADER)?;
        let most = self.usable - 35;
        if length <= most {
            return page.get(at..at + length).map(<[u8]>::to_vec);
        }
        let least = (self.usable - 12) * 32 / 255 - 23;
        let local = least + (length - least) % (self.usable - 4);
        let local = if local <= most { local } else { least };
        let mut payload = page.get(at..at + local)?.to_vec();
        let mut next = u32_at(page, at + local, true)?;
        while payload.len() < length {
            let page = self.page(next)?;
            let here = (length - payload.len()).min(self.usable - 4);
            payload.extend_from_slice(page.get(4..4 + here)?);
            next = u32_at(&page, 0, true)?;
        }
        Some(payload)
    }
}

/// The columns of a row: what kind each is, and its bytes.
fn columns(row: &[u8]) -> Vec<(u64, &[u8])> {
    let Some((length, mut at)) = varint(row, 0) else { return Vec::new() };
    let mut content = usize::try_from(length).unwrap_or(usize::MAX);
    let end = content.min(row.len());
    let mut columns = Vec::new();
    while at < end {
        let Some((kind, after)) = varint(row, at) else { break };
        at = after;
        let size = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind as usize,
            5 => 6,
            6 | 7 => 8,
            _ => usize::try_from(kind.saturating_sub(12) / 2).unwrap_or(usize::MAX),
        };
        let Some(bytes) = content.checked_add(size).and_then(|stop| row.get(content..stop)) else { break };
        columns.push((kind, bytes));
        content += size;
    }
    columns
}

/// A number in up to nine bytes, and where it ends.
fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (index, byte) in bytes.get(at..)?.iter().take(9).enumerate() {
        if index == 8 {
            return Some((value << 8 | u64::from(*byte), at + 9));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, at + index + 1));
        }
    }
    None
}
