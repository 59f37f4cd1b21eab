//! Which parts of a file an archive stores: all of it, or, in GNU's sparse formats, only the extents
//! between the holes. wharf never writes sparse entries, but archives for `ADD` and layers from other
//! tools have them.

use std::collections::VecDeque;

use super::{BLOCK, header::parse_number};

/// A stored part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// The stored parts of one file, in order.
pub(super) type Extents = VecDeque<Extent>;

/// The map of a file without holes.
pub(super) fn whole(size: u64) -> Extents {
    Extents::from([Extent { offset: 0, length: size }])
}

/// Whether the extents are in order, inside the file, and as long together as what is stored.
pub(super) fn is_consistent(extents: &Extents, size: u64, stored: u64) -> bool {
    let mut end = 0_u64;
    let mut total = 0_u64;
    for extent in extents {
        let Some(next) = extent.offset.checked_add(extent.length) else { return false };
        if extent.offset < end || next > size {
            return false;
        }
        end = next;
        total += extent.length;
    }
    total == stored
}

/// Reads offset and length pairs of the old GNU format (type `S`): the table in the header and in the
/// extension blocks that follow it. Says whether another block follows.
pub(super) fn read_old_gnu(table: &[u8], is_extended: u8, extents: &mut Extents) -> Option<bool> {
    for pair in table.chunks_exact(24).take_while(|pair| pair[0] != 0) {
        let number = |field| parse_number(field).and_then(|number| u64::try_from(number).ok());
        extents.push_back(Extent { offset: number(&pair[..12])?, length: number(&pair[12..])? });
    }
    Some(is_extended != 0)
}

/// Where the old GNU format has its table, its continuation flag and the real size in the header.
pub(super) const OLD_TABLE: std::ops::Range<usize> = 386..482;
pub(super) const OLD_IS_EXTENDED: usize = 482;
pub(super) const OLD_REAL_SIZE: std::ops::Range<usize> = 483..495;
/// The same in an extension block.
pub(super) const EXTENSION_TABLE: std::ops::Range<usize> = 0..504;
pub(super) const EXTENSION_IS_EXTENDED: usize = 504;

/// Reads the PAX formats 0.0 and 0.1, which have the numbers in records, separated by commas in 0.1.
pub(super) fn from_numbers(numbers: &[u64]) -> Option<Extents> {
    let pairs = numbers.chunks_exact(2);
    let complete = pairs.remainder().is_empty();
    complete.then(|| pairs.map(|pair| Extent { offset: pair[0], length: pair[1] }).collect())
}

/// Reads the PAX format 1.0, which opens the content with a count and the numbers, a line each, padded
/// to a block. `next_block` gives the next block of the content. Also gives the bytes this took.
pub(super) fn from_content<E>(
    mut next_block: impl FnMut() -> Result<[u8; BLOCK], E>,
    limit: u64,
) -> Result<Option<(Extents, u64)>, E> {
    let mut lines = Lines::default();
    let mut taken = 0;
    while !lines.complete() {
        if taken >= limit || lines.broken {
            return Ok(None);
        }
        lines.feed(&next_block()?);
        taken += BLOCK as u64;
    }
    Ok(from_numbers(&lines.numbers[1..]).map(|extents| (extents, taken)))
}

#[derive(Default)]
struct Lines {
    numbers: Vec<u64>,
    current: Option<u64>,
    broken: bool,
}

impl Lines {
    /// Whether the count and as many pairs are there.
    fn complete(&self) -> bool {
        self.numbers.first().is_some_and(|&count| (self.numbers.len() - 1) as u64 >= count.saturating_mul(2))
    }

    fn feed(&mut self, block: &[u8]) {
        for &byte in block {
            match (byte, self.current) {
                _ if self.complete() => return,
                (b'0'..=b'9', current) => {
                    let digit = u64::from(byte - b'0');
                    self.current =
                        current.unwrap_or(0).checked_mul(10).and_then(|value| value.checked_add(digit));
                    self.broken |= self.current.is_none();
                }
                (b'\n', Some(number)) => {
                    self.numbers.push(number);
                    self.current = None;
                }
                _ => self.broken = true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extents(pairs: &[(u64, u64)]) -> Extents {
        pairs.iter().map(|&(offset, length)| Extent { offset, length }).collect()
    }

    #[test]
    fn a_map_must_be_in_order_and_inside_the_file() {
        assert!(is_consistent(&whole(7), 7, 7));
        assert!(is_consistent(&extents(&[]), 7, 0));
        assert!(is_consistent(&extents(&[(0, 2), (5, 2), (9, 0)]), 9, 4));
        assert!(!is_consistent(&extents(&[(0, 2), (1, 2)]), 9, 4), "overlap");
        assert!(!is_consistent(&extents(&[(8, 2)]), 9, 2), "past the end");
        assert!(!is_consistent(&extents(&[(0, 2)]), 9, 3), "stored bytes without a place");
        assert!(!is_consistent(&extents(&[(u64::MAX, 2)]), u64::MAX, 2), "overflow");
    }

    #[test]
    fn numbers_in_the_content_may_cross_blocks() {
        let mut text: Vec<u8> = b"100\n".to_vec();
        for i in 0..100 {
            text.extend_from_slice(format!("{}\n1\n", i * 1000).as_bytes());
        }
        let length = text.len().next_multiple_of(BLOCK);
        text.resize(length, 0);
        let mut blocks = text.chunks_exact(BLOCK);
        let mut next = || Ok::<_, ()>(blocks.next().ok_or(())?.try_into().unwrap());
        let (map, taken) = from_content(&mut next, 1 << 20).unwrap().unwrap();
        assert_eq!((map.len(), taken), (100, length as u64));
        assert_eq!(map[99], Extent { offset: 99_000, length: 1 });
    }

    #[test]
    fn a_map_that_never_ends_or_is_no_number_is_refused() {
        let endless = || Ok::<_, ()>([b'1'; BLOCK]);
        assert_eq!(from_content(endless, 1 << 20), Ok(None));
        let mut text = [b'\n'; BLOCK];
        text[..4].copy_from_slice(b"2\nx\n");
        assert_eq!(from_content(|| Ok::<_, ()>(text), 1 << 20), Ok(None));
        let mut many = [b'\n'; BLOCK];
        many[..20].copy_from_slice(b"99999999999999999999");
        assert_eq!(from_content(|| Ok::<_, ()>(many), 1 << 20), Ok(None));
    }
}
