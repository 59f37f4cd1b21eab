//! Opcodes and their operands, accepted as loosely as the loosest of Python's two readers.

use std::io::{BufRead, Read};

use super::value::Value;
use crate::blob::{Blob, Reader};

/// The longest line that a text opcode may have.
const MAX_LINE: u64 = 16 << 20;
/// The longest name that is looked at.
const MAX_NAME: usize = 1024;

/// Why there is no further opcode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// The file ends in the middle.
    Truncated,
    /// Not an opcode, or an operand that no reader accepts.
    Invalid,
}

/// One step of the program, its operand already read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Op {
    Mark,
    Stop,
    Pop,
    PopMark,
    Duplicate,
    /// Pushes a value that needs no work.
    Push(Value),
    /// Pushes text that had escapes.
    PushWritten(String),
    PersistentText,
    Persistent,
    Reduce,
    Build,
    Global {
        module: String,
        name: String,
    },
    Instance {
        module: String,
        name: String,
    },
    Object,
    NewObject,
    NewObjectEx,
    StackGlobal,
    Extension(u32),
    EmptyTuple,
    EmptyList,
    EmptyDict,
    EmptySet,
    TupleOf(usize),
    Tuple,
    List,
    Dict,
    FrozenSet,
    Append,
    Appends,
    SetItem,
    SetItems,
    AddItems,
    Get(u64),
    Put(u64),
    Memoize,
    Protocol(u8),
    Frame(u64),
    ReadonlyBuffer,
}

/// Reads opcodes from a place in a file.
#[derive(Debug)]
pub(super) struct Decoder {
    reader: Reader,
}

impl Decoder {
    pub(super) fn new(blob: &Blob, start: u64) -> Self {
        Self { reader: blob.reader(start) }
    }

    /// Where the next opcode is.
    pub(super) fn position(&self) -> u64 {
        self.reader.position()
    }

    /// Goes on elsewhere.
    pub(super) fn seek_to(&mut self, position: u64) {
        self.reader.seek_to(position);
    }

    pub(super) fn next(&mut self) -> Result<Op, Broken> {
        let opcode = self.byte()?;
        Ok(match opcode {
            b'(' => Op::Mark,
            b'.' => Op::Stop,
            b'0' => Op::Pop,
            b'1' => Op::PopMark,
            b'2' => Op::Duplicate,
            b'F' => self.line().map(|_| Op::Push(Value::Scalar))?,
            b'I' | b'L' => Op::Push(integer(&self.line()?.1)),
            b'J' => Op::Push(Value::Int(i64::from(self.u32()? as i32))),
            b'K' => Op::Push(Value::Int(i64::from(self.byte()?))),
            b'M' => Op::Push(Value::Int(i64::from(u16::from_le_bytes(self.array()?)))),
            b'N' | 0x88 | 0x89 => Op::Push(Value::Scalar),
            b'P' => self.line().map(|_| Op::PersistentText)?,
            b'Q' => Op::Persistent,
            b'R' => Op::Reduce,
            b'S' => self.quoted()?,
            b'T' | b'X' => self.text_32()?,
            b'U' | 0x8c => self.text_8()?,
            b'V' => self.unicode()?,
            b'a' => Op::Append,
            b'b' => Op::Build,
            b'c' => Op::Global { module: self.name()?, name: self.name()? },
            b'd' => Op::Dict,
            b'}' => Op::EmptyDict,
            b'e' => Op::Appends,
            b'g' => Op::Get(index(&self.line()?.1)?),
            b'h' => Op::Get(u64::from(self.byte()?)),
            b'j' => Op::Get(u64::from(self.u32()?)),
            b'i' => Op::Instance { module: self.name()?, name: self.name()? },
            b'l' => Op::List,
            b']' => Op::EmptyList,
            b'o' => Op::Object,
            b'p' => Op::Put(index(&self.line()?.1)?),
            b'q' => Op::Put(u64::from(self.byte()?)),
            b'r' => Op::Put(u64::from(self.u32()?)),
            b's' => Op::SetItem,
            b't' => Op::Tuple,
            b')' => Op::EmptyTuple,
            b'u' => Op::SetItems,
            b'G' => self.array::<8>().map(|_| Op::Push(Value::Scalar))?,
            0x80 => Op::Protocol(self.byte()?),
            0x81 => Op::NewObject,
            0x82 => Op::Extension(u32::from(self.byte()?)),
            0x83 => Op::Extension(u32::from(u16::from_le_bytes(self.array()?))),
            0x84 => Op::Extension(self.u32()?),
            0x85..=0x87 => Op::TupleOf(usize::from(opcode - 0x84)),
            0x8a => {
                let length = u64::from(self.byte()?);
                self.long(length)?
            }
            0x8b => {
                let length = u64::from(self.u32()?);
                self.long(length)?
            }
            b'B' => {
                let length = u64::from(self.u32()?);
                self.bytes(length)?
            }
            b'C' => {
                let length = u64::from(self.byte()?);
                self.bytes(length)?
            }
            0x8d => {
                let length = u64::from_le_bytes(self.array()?);
                self.text(length)?
            }
            0x8e | 0x96 => {
                let length = u64::from_le_bytes(self.array()?);
                self.bytes(length)?
            }
            0x8f => Op::EmptySet,
            0x90 => Op::AddItems,
            0x91 => Op::FrozenSet,
            0x92 => Op::NewObjectEx,
            0x93 => Op::StackGlobal,
            0x94 => Op::Memoize,
            0x95 => Op::Frame(u64::from_le_bytes(self.array()?)),
            0x97 => Op::Push(Value::Opaque),
            0x98 => Op::ReadonlyBuffer,
            _ => return Err(Broken::Invalid),
        })
    }

    fn byte(&mut self) -> Result<u8, Broken> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Result<u32, Broken> {
        self.array().map(u32::from_le_bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes).map_err(|_| Broken::Truncated)?;
        Ok(bytes)
    }

    /// A line without its end, and where it begins.
    fn line(&mut self) -> Result<(u64, Vec<u8>), Broken> {
        let at = self.position();
        let mut line = Vec::new();
        (&mut self.reader).take(MAX_LINE).read_until(b'\n', &mut line).map_err(|_| Broken::Truncated)?;
        if line.pop() != Some(b'\n') {
            return Err(Broken::Truncated);
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok((at, line))
    }

    fn name(&mut self) -> Result<String, Broken> {
        let (_, line) = self.line()?;
        let mut name = String::from_utf8(line).map_err(|_| Broken::Invalid)?;
        // No module is called like that, so what is longer has dots, and its beginning tells as much as the whole.
        if let Some((at, _)) = name.char_indices().nth(MAX_NAME) {
            name.truncate(at);
        }
        Ok(name)
    }

    /// `S`: a string literal of Python 2 with its quotes.
    fn quoted(&mut self) -> Result<Op, Broken> {
        let (at, line) = self.line()?;
        let [quote @ (b'\'' | b'"'), inner @ .., last] = line.as_slice() else { return Err(Broken::Invalid) };
        if quote != last {
            return Err(Broken::Invalid);
        }
        if !inner.contains(&b'\\') && inner.is_ascii() {
            return Ok(Op::Push(Value::Text { at: at + 1, length: inner.len() as u32 }));
        }
        Ok(Op::PushWritten(unescape(inner, false)))
    }

    /// `V`: text in which `\uXXXX` stands for a character.
    fn unicode(&mut self) -> Result<Op, Broken> {
        let (at, line) = self.line()?;
        if !line.contains(&b'\\') && line.is_ascii() {
            return Ok(Op::Push(Value::Text { at, length: line.len() as u32 }));
        }
        Ok(Op::PushWritten(unescape(&line, true)))
    }

    fn text_8(&mut self) -> Result<Op, Broken> {
        let length = u64::from(self.byte()?);
        self.text(length)
    }

    fn text_32(&mut self) -> Result<Op, Broken> {
        let length = u64::from(self.u32()?);
        self.text(length)
    }

    fn text(&mut self, length: u64) -> Result<Op, Broken> {
        let at = self.skip(length)?;
        Ok(Op::Push(match u32::try_from(length) {
            Ok(length) => Value::Text { at, length },
            Err(_) => Value::Opaque,
        }))
    }

    fn bytes(&mut self, length: u64) -> Result<Op, Broken> {
        let at = self.skip(length)?;
        Ok(Op::Push(match u32::try_from(length) {
            Ok(length) => Value::Bytes { at, length },
            Err(_) => Value::Opaque,
        }))
    }

    /// `LONG1` and `LONG4`: a number of any size, least byte first.
    fn long(&mut self, length: u64) -> Result<Op, Broken> {
        if length > 8 {
            return self.skip(length).map(|_| Op::Push(Value::Scalar));
        }
        let mut bytes = [0; 8];
        self.reader.read_exact(&mut bytes[..length as usize]).map_err(|_| Broken::Truncated)?;
        if length > 0 && bytes[length as usize - 1] & 0x80 != 0 {
            bytes[length as usize..].fill(0xff);
        }
        Ok(Op::Push(Value::Int(i64::from_le_bytes(bytes))))
    }

    fn skip(&mut self, length: u64) -> Result<u64, Broken> {
        let at = self.position();
        if self.reader.remaining() < length {
            return Err(Broken::Truncated);
        }
        self.reader.seek_to(at + length);
        Ok(at)
    }
}

/// A number as text, in any base that Python reads; `01` and `00` are truth values.
fn integer(line: &[u8]) -> Value {
    let text: String =
        String::from_utf8_lossy(line).trim().trim_end_matches('L').replace('_', "").to_lowercase();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(&text)),
    };
    let parsed = match digits.get(..2) {
        Some("0x") => i64::from_str_radix(&digits[2..], 16),
        Some("0o") => i64::from_str_radix(&digits[2..], 8),
        Some("0b") => i64::from_str_radix(&digits[2..], 2),
        _ => digits.parse(),
    };
    parsed.map_or(Value::Scalar, |n| Value::Int(sign * n))
}

/// The place in the memo that a line of text names.
fn index(line: &[u8]) -> Result<u64, Broken> {
    let text = String::from_utf8_lossy(line).trim().replace('_', "");
    text.strip_prefix('+').unwrap_or(&text).parse().map_err(|_| Broken::Invalid)
}

/// Python's escapes; in raw-unicode-escape only the `\u` ones.
fn unescape(bytes: &[u8], raw_unicode: bool) -> String {
    let mut out = String::new();
    // Every byte that is not escaped stands for the character of its number.
    let mut chars = bytes.iter().map(|b| char::from(*b)).peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let Some(escape) = chars.next() else { break };
        let mut digits = |count: usize, radix: u32| {
            let mut value = 0;
            for _ in 0..count {
                let Some(digit) = chars.peek().and_then(|c| c.to_digit(radix)) else { break };
                value = value * radix + digit;
                chars.next();
            }
            char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER)
        };
        match escape {
            'u' => out.push(digits(4, 16)),
            'U' => out.push(digits(8, 16)),
            _ if raw_unicode => out.extend(['\\', escape]),
            'x' => out.push(digits(2, 16)),
            '0'..='7' => {
                let first = escape.to_digit(8).unwrap_or(0);
                let rest = [chars.next_if(|c| c.is_digit(8)), None];
                let second = rest[0].and_then(|c| c.to_digit(8));
                let third = second.and_then(|_| chars.next_if(|c| c.is_digit(8))).and_then(|c| c.to_digit(8));
                let value =
                    [second, third].into_iter().flatten().fold(first, |value, digit| value * 8 + digit);
                out.push(char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'a' => out.push('\x07'),
            'b' => out.push('\x08'),
            'f' => out.push('\x0c'),
            'v' => out.push('\x0b'),
            '\\' | '\'' | '"' => out.push(escape),
            '\n' => {}
            other => out.extend(['\\', other]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ops(bytes: &[u8]) -> Vec<Result<Op, Broken>> {
        let mut decoder = Decoder::new(&Blob::from(bytes.to_vec()), 0);
        let mut ops = Vec::new();
        loop {
            let op = decoder.next();
            let last = op.is_err() || op == Ok(Op::Stop);
            ops.push(op);
            if last {
                return ops;
            }
        }
    }

    #[test]
    fn numbers_are_read_as_python_reads_them() {
        for (line, expected) in
            [("0x10", 16), ("-0o17", -15), ("1_000", 1000), ("07", 7), (" 3 ", 3), ("12L", 12)]
        {
            assert_eq!(integer(line.as_bytes()), Value::Int(expected), "{line}");
        }
        assert_eq!(integer(b"99999999999999999999"), Value::Scalar);
        assert_eq!(ops(b"\x8a\x02\xff\xff.")[0], Ok(Op::Push(Value::Int(-1))));
    }

    #[test]
    fn escapes_of_both_text_forms() {
        assert_eq!(unescape(br"o\x73\056\163\\", false), "os.s\\");
        assert_eq!(unescape(br"\u006fs\x73", true), "os\\x73");
        assert_eq!(ops(b"S'os'\n.")[0], Ok(Op::Push(Value::Text { at: 2, length: 2 })));
        assert_eq!(ops(b"S'os\n.")[0], Err(Broken::Invalid));
    }

    #[test]
    fn lengths_beyond_the_end_are_not_believed() {
        assert_eq!(ops(b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f"), [Err(Broken::Truncated)]);
        assert_eq!(ops(b"cos\nsystem"), [Err(Broken::Truncated)]);
        assert_eq!(ops(b"\xff"), [Err(Broken::Invalid)]);
    }
}
