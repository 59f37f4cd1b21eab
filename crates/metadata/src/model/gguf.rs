//! GGUF: a list of typed keys and values before the tensors; `general.*` speak of the model.

use super::{Said, plain};

/// Keys are few thousand even with a tokenizer's settings; more is no GGUF.
const KEYS_MAX: u64 = 65_536;
/// How deep arrays may nest.
const DEPTH_MAX: usize = 8;

pub(super) fn read(head: &[u8]) -> Said {
    let mut said = Said { format: "gguf".to_owned(), ..Said::default() };
    let mut reader = Reader { rest: head };
    // A header that breaks off has said what it has said.
    let _ = reader.header(&mut said);
    said
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn header(&mut self, said: &mut Said) -> Option<()> {
        self.take(4)?;
        let version = self.u32()?;
        // The first version counted in 32 bits; nobody writes it any more.
        if version < 2 {
            return None;
        }
        self.u64()?;
        let keys = self.u64()?;
        for _ in 0..keys.min(KEYS_MAX) {
            let key = self.string()?;
            let kind = self.u32()?;
            let text =
                if kind == STRING { Some(self.string()?) } else { self.skip(kind, 0).map(|()| None)? };
            match (key, text) {
                (b"general.name", Some(text)) => said.name = plain(&String::from_utf8_lossy(text)),
                (b"general.version", Some(text)) => said.version = plain(&String::from_utf8_lossy(text)),
                _ => {}
            }
        }
        Some(())
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u64()?).ok()?;
        self.take(length)
    }

    /// Passes over a value of the type `kind`.
    fn skip(&mut self, kind: u32, depth: usize) -> Option<()> {
        match kind {
            STRING => self.string().map(drop),
            ARRAY if depth < DEPTH_MAX => {
                let (kind, count) = (self.u32()?, self.u64()?);
                if let Some(size) = size(kind) {
                    return self.take(usize::try_from(count).ok()?.checked_mul(size)?).map(drop);
                }
                (0..count).try_for_each(|_| self.skip(kind, depth + 1))
            }
            _ => self.take(size(kind)?).map(drop),
        }
    }
}

const STRING: u32 = 8;
const ARRAY: u32 = 9;

/// The size of a value of fixed length.
fn size(kind: u32) -> Option<usize> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}
