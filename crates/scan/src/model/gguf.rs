//! GGUF (ggml's `gguf.md`): a header of keys and values, among them the chat template, then tensors.

use std::io::{self, Read};

use super::{Issue, template};
use crate::blob::{Blob, Reader};
use crate::findings::Severity;

/// More keys or tensors than any model has.
const MAX_ENTRIES: u64 = 1 << 20;
/// The longest text that is read; longer ones are passed over.
const MAX_TEXT: u64 = 16 << 20;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

/// What is wrong with a model.
pub(super) fn check(blob: &Blob) -> Vec<Issue> {
    let mut issues = Vec::new();
    if read(blob, &mut issues).is_err() {
        let title = "it has a header that does not fit the file, which is how readers are made to write out of bounds";
        issues.push(Issue::new("gguf-header", Severity::High, title));
    }
    issues
}

fn read(blob: &Blob, issues: &mut Vec<Issue>) -> io::Result<()> {
    let mut reader = blob.reader(4);
    let version = u32::from_le_bytes(array(&mut reader)?);
    if !(1..=3).contains(&version) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let wide = version > 1;
    let tensors = length(&mut reader, wide)?;
    let keys = length(&mut reader, wide)?;
    if tensors > MAX_ENTRIES || keys > MAX_ENTRIES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    for _ in 0..keys {
        let key = text(&mut reader, wide)?;
        let kind = u32::from_le_bytes(array(&mut reader)?);
        let is_template = key.contains("chat_template");
        value(&mut reader, kind, wide, 0, &mut |text| {
            if is_template {
                issues.extend(template::check(text));
            }
        })?;
    }
    for _ in 0..tensors {
        tensor(&mut reader, wide)?;
    }
    Ok(())
}

/// A tensor's description: its name, dimensions, type and offset.
fn tensor(reader: &mut Reader, wide: bool) -> io::Result<()> {
    text(reader, wide)?;
    let dimensions = u32::from_le_bytes(array(reader)?);
    if dimensions > 8 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut elements = 1u64;
    for _ in 0..dimensions {
        let size = length(reader, wide)?;
        elements = elements.checked_mul(size).ok_or(io::ErrorKind::InvalidData)?;
    }
    array::<12>(reader).map(drop)
}

/// Reads past a value, showing texts to `see`.
fn value(
    reader: &mut Reader,
    kind: u32,
    wide: bool,
    depth: usize,
    see: &mut dyn FnMut(&str),
) -> io::Result<()> {
    match kind {
        STRING => see(&text(reader, wide)?),
        ARRAY => {
            let inner = u32::from_le_bytes(array(reader)?);
            let count = length(reader, wide)?;
            if depth > 4 || count > reader.remaining() {
                return Err(io::ErrorKind::InvalidData.into());
            }
            match width(inner) {
                Some(width) => skip(reader, width.saturating_mul(count))?,
                None => (0..count).try_for_each(|_| value(reader, inner, wide, depth + 1, see))?,
            }
        }
        _ => skip(reader, width(kind).ok_or(io::ErrorKind::InvalidData)?)?,
    }
    Ok(())
}

/// The size of a value of a simple type in bytes.
fn width(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

fn text(reader: &mut Reader, wide: bool) -> io::Result<String> {
    let length = length(reader, wide)?;
    if length > MAX_TEXT {
        skip(reader, length)?;
        return Ok(String::new());
    }
    if length > reader.remaining() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut bytes = vec![0; length as usize];
    reader.read_exact(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Version 1 counted in 32 bits.
fn length(reader: &mut Reader, wide: bool) -> io::Result<u64> {
    if wide {
        array(reader).map(u64::from_le_bytes)
    } else {
        array(reader).map(|n| u64::from(u32::from_le_bytes(n)))
    }
}

fn skip(reader: &mut Reader, length: u64) -> io::Result<()> {
    if length > reader.remaining() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    reader.seek_to(reader.position() + length);
    Ok(())
}

fn array<const N: usize>(reader: &mut Reader) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}
