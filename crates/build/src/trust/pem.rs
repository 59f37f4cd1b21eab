//! Certificates in PEM (RFC 7468), told apart by their text.

use std::collections::BTreeSet;
use std::ops::Range;

use memchr::memmem;

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";
/// Such as OpenSSL's own, which carries trust settings.
const BEGIN_TRUSTED: &[u8] = b"-----BEGIN TRUSTED CERTIFICATE-----";

/// The base64 of a certificate without white space: equal for equal certificates, however they are wrapped.
pub(super) type Body = Vec<u8>;

/// A certificate in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) body: Body,
    /// Where in the text, with the line end after it.
    pub(super) place: Range<usize>,
}

/// The certificates in a text, in order.
pub(super) fn blocks(text: &[u8]) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut from = 0;
    while let Some(begin) = memmem::find(&text[from..], BEGIN).map(|at| from + at) {
        let inner = begin + BEGIN.len();
        let Some(end) = memmem::find(&text[inner..], END).map(|at| inner + at) else { break };
        let mut after = end + END.len();
        while text.get(after).is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
            after += 1;
            if text[after - 1] == b'\n' {
                break;
            }
        }
        let body = text[inner..end].iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        blocks.push(Block { body, place: begin..after });
        from = after;
    }
    blocks
}

/// The certificates in a text, each once.
pub(super) fn bodies(text: &[u8]) -> BTreeSet<Body> {
    blocks(text).into_iter().map(|block| block.body).collect()
}

/// Writes a certificate as OpenSSL does.
pub(super) fn write(body: &[u8], text: &mut Vec<u8>) {
    text.extend_from_slice(BEGIN);
    text.push(b'\n');
    for line in body.chunks(64) {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text.extend_from_slice(END);
    text.push(b'\n');
}

/// Whether the text may hold certificates at all.
pub(super) fn mentions(text: &[u8]) -> bool {
    memmem::find(text, BEGIN).is_some() || memmem::find(text, BEGIN_TRUSTED).is_some()
}

/// The bytes of a certificate; `None` where its base64 is none.
pub(super) fn der(body: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(body.len() / 4 * 3);
    for group in body.chunks(4) {
        let mut bits = 0u32;
        let mut digits = 0;
        for byte in group.iter().filter(|byte| **byte != b'=') {
            bits = bits << 6 | u32::from(digit(*byte)?);
            digits += 1;
        }
        match digits {
            4 => bytes.extend([(bits >> 16) as u8, (bits >> 8) as u8, bits as u8]),
            3 => bytes.extend([(bits >> 10) as u8, (bits >> 2) as u8]),
            2 => bytes.push((bits >> 4) as u8),
            _ => return None,
        }
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_certificate_is_the_same_however_it_is_wrapped() {
        let mut text = b"# comment\n".to_vec();
        write(&[b'A'; 100], &mut text);
        text.extend(b"-----BEGIN CERTIFICATE-----\r\nBB\r\nBB\r\n-----END CERTIFICATE-----\r\nrest");
        let found = blocks(&text);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].body, [b'A'; 100]);
        assert_eq!(found[1].body, b"BBBB");
        assert_eq!(&text[..found[0].place.start], b"# comment\n");
        assert_eq!(&text[found[1].place.end..], b"rest");
        assert_eq!(blocks(b"-----BEGIN CERTIFICATE-----\nAAAA"), []);
    }

    #[test]
    fn base64_is_read() {
        assert_eq!(der(b"aGVsbG8=").as_deref(), Some(&b"hello"[..]));
        assert_eq!(der(b"aGVsbG8h").as_deref(), Some(&b"hello!"[..]));
        assert_eq!(der(b"a-b="), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text: Vec<u8>) {
            for block in blocks(&text) {
                let _ = der(&block.body);
            }
        }
    }
}
