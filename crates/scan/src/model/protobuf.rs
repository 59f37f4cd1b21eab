//! Protocol buffers without a schema: fields by number (encoding specification), read where they lie.

use crate::blob::Blob;

/// A field of a message.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) number: u32,
    pub(super) value: FieldValue,
}

/// What a field holds.
#[derive(Debug, Clone)]
pub(super) enum FieldValue {
    Number,
    /// A message, text or bytes.
    Bytes(Blob),
}

/// The fields of the message that `blob` is, in order; fewer if it is damaged.
pub(super) fn fields(blob: &Blob) -> Fields {
    Fields { blob: blob.clone(), at: 0 }
}

/// The messages under field `number`.
pub(super) fn messages(blob: &Blob, number: u32) -> impl Iterator<Item = Blob> {
    fields(blob).filter_map(move |field| match field.value {
        FieldValue::Bytes(bytes) if field.number == number => Some(bytes),
        _ => None,
    })
}

/// The text under field `number`. Of several, readers take the last.
pub(super) fn text(blob: &Blob, number: u32) -> Option<String> {
    const MAX_TEXT: usize = 64 << 10;
    let bytes = messages(blob, number).last()?.bytes(0, MAX_TEXT).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// An iterator over the fields of a message.
#[derive(Debug)]
pub(super) struct Fields {
    blob: Blob,
    at: u64,
}

impl Fields {
    fn varint(&self, at: u64) -> Option<(u64, u64)> {
        let bytes = self.blob.bytes(at, 10).ok()?;
        let mut value = 0u64;
        for (index, byte) in bytes.iter().enumerate() {
            value |= u64::from(byte & 0x7f).checked_shl(7 * index as u32)?;
            if byte & 0x80 == 0 {
                return Some((value, at + index as u64 + 1));
            }
        }
        None
    }
}

impl Iterator for Fields {
    type Item = Field;

    fn next(&mut self) -> Option<Field> {
        let (tag, at) = self.varint(self.at)?;
        let number = u32::try_from(tag >> 3).ok().filter(|n| *n != 0)?;
        let (value, next) = match tag & 7 {
            0 => {
                let (_, next) = self.varint(at)?;
                (FieldValue::Number, next)
            }
            1 => (FieldValue::Number, at + 8),
            5 => (FieldValue::Number, at + 4),
            2 => {
                let (length, start) = self.varint(at)?;
                let end = start.checked_add(length)?;
                (FieldValue::Bytes(self.blob.slice(start, length)), end)
            }
            _ => return None,
        };
        if next > self.blob.len() {
            return None;
        }
        self.at = next;
        Some(Field { number, value })
    }
}
