//! Berkeley DB's hash format (`Packages`), which rpm wrote until 4.16: only what finds all values of one table.

use super::{Headers, MAX_HEADER, MAX_PACKAGES, u16_at, u32_at};
use crate::blob::Blob;

const MAGIC: u32 = 0x0006_1561;
const HASH_UNSORTED: u8 = 2;
const OVERFLOW: u8 = 7;
const HASH: u8 = 13;
/// Where the content of a page begins.
const PAGE_HEADER: usize = 26;
const VALUE_HERE: u8 = 1;
const VALUE_ELSEWHERE: u8 = 3;

/// The headers; `None` where the file is something else.
pub(super) fn headers(blob: &Blob) -> Option<Headers> {
    let meta = blob.bytes(0, 72).ok()?;
    let big = match (u32_at(&meta, 12, false)?, u32_at(&meta, 12, true)?) {
        (MAGIC, _) => false,
        (_, MAGIC) => true,
        _ => return None,
    };
    let size = u32_at(&meta, 20, big)?;
    if !(512..=65536).contains(&size) || !size.is_power_of_two() {
        return None;
    }
    let table = Table { blob, big, size: size as usize };
    let (last, here) = (u64::from(u32_at(&meta, 32, big)?), blob.len() / u64::from(size));
    let mut headers = Headers { all: Vec::new(), whole: last < here };
    for number in 1..=last.min(here) {
        let Some(page) = table.page(number as u32) else { continue };
        if matches!(page[25], HASH | HASH_UNSORTED) && headers.all.len() < MAX_PACKAGES {
            table.values(&page, &mut headers);
        }
    }
    Some(headers)
}

struct Table<'a> {
    blob: &'a Blob,
    big: bool,
    size: usize,
}

impl Table<'_> {
    fn page(&self, number: u32) -> Option<Vec<u8>> {
        let page = self.blob.bytes(u64::from(number) * self.size as u64, self.size).ok()?;
        (page.len() == self.size).then_some(page)
    }

    /// The values of a page of pairs: key and value take turns, filled from the end of the page.
    fn values(&self, page: &[u8], headers: &mut Headers) {
        let entries = usize::from(u16_at(page, 20, self.big).unwrap_or_default());
        let place = |index: usize| u16_at(page, PAGE_HEADER + index * 2, self.big).map(usize::from);
        for index in (1..entries.min(self.size / 2)).step_by(2) {
            let Some(at) = place(index) else { break };
            let end = place(index - 1).unwrap_or(self.size);
            let value = match page.get(at) {
                Some(&VALUE_HERE) => page.get(at + 1..end).map(<[u8]>::to_vec),
                Some(&VALUE_ELSEWHERE) => self.overflow(page, at),
                _ => None,
            };
            match value {
                // The first number that no package has yet is kept like a package.
                Some(value) if value.len() <= 4 => {}
                Some(value) => headers.all.push(value),
                None => headers.whole = false,
            }
        }
    }

    /// A value on pages of its own, each naming the next.
    fn overflow(&self, page: &[u8], at: usize) -> Option<Vec<u8>> {
        let length = (u32_at(page, at + 8, self.big)? as usize).min(MAX_HEADER);
        let mut next = u32_at(page, at + 4, self.big)?;
        let mut value = Vec::new();
        while next != 0 && value.len() < length {
            let page = self.page(next).filter(|page| page[25] == OVERFLOW)?;
            let here = usize::from(u16_at(&page, 22, self.big)?);
            let part = page.get(PAGE_HEADER..PAGE_HEADER + here).filter(|part| !part.is_empty())?;
            value.extend_from_slice(part);
            next = u32_at(&page, 16, self.big)?;
        }
        (value.len() == length).then_some(value)
    }
}
