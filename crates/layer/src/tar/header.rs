//! One header block: where its fields are and how numbers stand in them.

use std::{ffi::OsString, ops::Range, os::unix::ffi::OsStringExt, path::PathBuf};

use super::BLOCK;
use crate::Device;

pub(super) const NAME: Range<usize> = 0..100;
pub(super) const MODE: Range<usize> = 100..108;
pub(super) const UID: Range<usize> = 108..116;
pub(super) const GID: Range<usize> = 116..124;
pub(super) const SIZE: Range<usize> = 124..136;
pub(super) const MTIME: Range<usize> = 136..148;
const CHECKSUM: Range<usize> = 148..156;
const TYPE: usize = 156;
pub(super) const LINK_NAME: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..265;
pub(super) const DEV_MAJOR: Range<usize> = 329..337;
pub(super) const DEV_MINOR: Range<usize> = 337..345;
const PREFIX: Range<usize> = 345..500;

const USTAR: &[u8] = b"ustar\x0000";

/// The largest number that an octal field of `width` bytes holds beside its terminating NUL.
pub(super) const fn octal_max(width: usize) -> u64 {
    (1 << (3 * (width - 1))) - 1
}

/// One block of 512 bytes that describes an entry.
#[derive(Clone)]
pub(super) struct Header(pub(super) [u8; BLOCK]);

impl Header {
    /// A ustar header of the given type with all other fields empty.
    pub(super) fn new(kind: u8) -> Self {
        let mut header = Self([0; BLOCK]);
        header.0[TYPE] = kind;
        header.0[MAGIC].copy_from_slice(USTAR);
        header
    }

    pub(super) fn kind(&self) -> u8 {
        self.0[TYPE]
    }

    pub(super) fn is_zero(&self) -> bool {
        self.0.iter().all(|&byte| byte == 0)
    }

    /// Copies as much of `text` as fits.
    pub(super) fn set_text(&mut self, field: Range<usize>, text: &[u8]) {
        let length = text.len().min(field.len());
        self.0[field.start..field.start + length].copy_from_slice(&text[..length]);
    }

    /// Writes an octal number; one that does not fit is written as 0, and its PAX record has it.
    pub(super) fn set_number(&mut self, field: Range<usize>, value: u64) {
        let width = field.len() - 1;
        let value = if value <= octal_max(field.len()) { value } else { 0 };
        self.set_text(field, format!("{value:0width$o}\0").as_bytes());
    }

    /// Writes the checksum, after everything else.
    pub(super) fn seal(&mut self) {
        let sum = self.sums().0;
        self.set_text(CHECKSUM, format!("{sum:06o}\0 ").as_bytes());
    }

    /// The field up to its first NUL.
    pub(super) fn text(&self, field: Range<usize>) -> &[u8] {
        let bytes = &self.0[field];
        let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
        &bytes[..end]
    }

    pub(super) fn number(&self, field: Range<usize>) -> Option<i64> {
        parse_number(&self.0[field])
    }

    /// A number that cannot be negative.
    pub(super) fn unsigned(&self, field: Range<usize>) -> Option<u64> {
        self.number(field).and_then(|number| u64::try_from(number).ok())
    }

    /// The name. Only ustar has the field `prefix`; GNU keeps times in its place.
    pub(super) fn path(&self) -> PathBuf {
        let name = self.text(NAME);
        let prefix = if self.0[MAGIC] == *USTAR { self.text(PREFIX) } else { b"" };
        path_of(if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() })
    }

    pub(super) fn link(&self) -> PathBuf {
        path_of(self.text(LINK_NAME).to_vec())
    }

    pub(super) fn device(&self) -> Option<Device> {
        let number = |field| self.number(field).and_then(|number| u32::try_from(number).ok());
        Some(Device { major: number(DEV_MAJOR)?, minor: number(DEV_MINOR)? })
    }

    /// Whether the checksum is right, summed over unsigned bytes as the standard says or over signed
    /// ones as some old programs did.
    pub(super) fn is_sound(&self) -> bool {
        let (unsigned, signed) = self.sums();
        self.number(CHECKSUM).is_some_and(|sum| sum == unsigned || sum == signed)
    }

    fn sums(&self) -> (i64, i64) {
        let bytes =
            self.0.iter().enumerate().map(|(i, &byte)| if CHECKSUM.contains(&i) { b' ' } else { byte });
        bytes.fold((0, 0), |(unsigned, signed), byte| {
            (unsigned + i64::from(byte), signed + i64::from(byte.cast_signed()))
        })
    }
}

/// Bytes as a path, up to the first NUL.
pub(super) fn path_of(mut bytes: Vec<u8>) -> PathBuf {
    if let Some(end) = bytes.iter().position(|&byte| byte == 0) {
        bytes.truncate(end);
    }
    OsString::from_vec(bytes).into()
}

/// A number in octal, or in GNU's base 256 where the first bit is set. An empty field is 0.
pub(super) fn parse_number(field: &[u8]) -> Option<i64> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => parse_base_256(field),
        _ => parse_octal(field),
    }
}

fn parse_octal(field: &[u8]) -> Option<i64> {
    let is_filler = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| !is_filler(byte)).unwrap_or(field.len());
    let digits = &field[start..];
    let digits = &digits[..digits.iter().position(is_filler).unwrap_or(digits.len())];
    digits.iter().try_fold(0_i64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

/// Two's complement, big endian; the very first bit only marks the encoding.
fn parse_base_256(field: &[u8]) -> Option<i64> {
    let negative = field[0] & 0x40 != 0;
    let mut value: i64 = if negative { -1 } else { 0 };
    for (i, &byte) in field.iter().enumerate() {
        let byte = match (i, negative) {
            (0, false) => byte & 0x7f,
            _ => byte,
        };
        value = value.checked_mul(256)? | i64::from(byte);
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_every_notation() {
        assert_eq!(parse_number(b"0000644\0"), Some(0o644));
        assert_eq!(parse_number(b"   644 \0"), Some(0o644));
        assert_eq!(parse_number(b"\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(parse_number(b"77777777777\0"), Some(0o77777777777));
        assert_eq!(parse_number(&[0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]), Some(1 << 33));
        assert_eq!(parse_number(&[0xff; 12]), Some(-1));
        assert_eq!(parse_number(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]), Some(-2));
        assert_eq!(parse_number(b"0000648\0"), None);
        assert_eq!(parse_number(&[0xbf; 12]), None, "past 64 bits");
    }

    #[test]
    fn a_checksum_guards_every_byte() {
        let mut header = Header::new(b'0');
        header.set_text(NAME, b"hello");
        header.set_number(SIZE, 5);
        header.seal();
        assert!(header.is_sound());
        header.0[0] ^= 1;
        assert!(!header.is_sound());
    }

    #[test]
    fn what_does_not_fit_is_cut_or_zero() {
        let mut header = Header::new(b'0');
        header.set_text(NAME, &[b'x'; 200]);
        header.set_number(UID, octal_max(8));
        header.set_number(GID, octal_max(8) + 1);
        assert_eq!(header.text(NAME), [b'x'; 100]);
        assert_eq!(header.number(UID), Some(2_097_151));
        assert_eq!(header.number(GID), Some(0));
    }
}
