//! The framework of a pickle: the package of the first class in it that no library of helpers brings.
//!
//! The operations are walked, never carried out. Reading stops at the first byte that is no operation, which
//! in joblib's files is where raw arrays begin.

/// How many operations are looked at.
const OPERATIONS_MAX: usize = 100_000;
/// Packages whose classes are parts of other packages' models.
const HELPERS: [&str; 9] =
    ["builtins", "__builtin__", "copyreg", "copy_reg", "_codecs", "collections", "numpy", "joblib", "scipy"];

/// What a pickle of protocol 2 or later begins with; earlier ones begin with anything.
pub(super) const MARK: u8 = 0x80;

/// The top-level package that made the pickle; none where `bytes` is no pickle, or names no class.
pub(super) fn framework(bytes: &[u8]) -> Option<String> {
    let mut walk = Walk { rest: bytes, module: None, last: None };
    let mut helper = None;
    for _ in 0..OPERATIONS_MAX {
        let Some(found) = walk.operation() else { break };
        let Some(module) = found else { continue };
        let package = module.split('.').next().unwrap_or_default();
        if !package.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') || package.is_empty() {
            continue;
        }
        if !HELPERS.contains(&package) {
            return Some(package.to_owned());
        }
        helper.get_or_insert(package.to_owned());
    }
    helper
}

struct Walk<'a> {
    rest: &'a [u8],
    /// The last two strings, which `STACK_GLOBAL` takes for module and name.
    module: Option<&'a [u8]>,
    last: Option<&'a [u8]>,
}

impl<'a> Walk<'a> {
    /// Passes over one operation; gives the module that it names, none at the end.
    fn operation(&mut self) -> Option<Option<&'a str>> {
        let code = *self.take(1)?.first()?;
        let module = match code {
            b'c' | b'i' => {
                let module = self.line()?;
                self.line()?;
                Some(module)
            }
            0x93 => self.module,
            b'.' => return None,
            _ => {
                let argument = self.argument(code)?;
                if is_text(code) {
                    self.module = self.last.replace(argument);
                }
                None
            }
        };
        Some(module.and_then(|module| std::str::from_utf8(module).ok()))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn line(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|&b| b == b'\n')?;
        let line = self.take(end)?;
        self.take(1)?;
        Some(line)
    }

    /// Bytes that follow a length of `width` bytes.
    fn counted(&mut self, width: usize) -> Option<&'a [u8]> {
        let length = self
            .take(width)?
            .iter()
            .rev()
            .try_fold(0usize, |length, &byte| length.checked_mul(256)?.checked_add(usize::from(byte)))?;
        self.take(length)
    }

    /// The argument of the operation `code` (pickletools, protocols 0 to 5); none for an unknown one.
    fn argument(&mut self, code: u8) -> Option<&'a [u8]> {
        match code {
            b'F' | b'I' | b'L' | b'S' | b'V' | b'P' | b'g' | b'p' => self.line(),
            b'U' | b'C' | 0x8c | 0x8a => self.counted(1),
            b'T' | b'B' | b'X' | 0x8b => self.counted(4),
            0x8d | 0x8e | 0x96 => self.counted(8),
            b'K' | b'h' | b'q' | 0x80 | 0x82 => self.take(1),
            b'M' | 0x83 => self.take(2),
            b'J' | b'j' | b'r' | 0x84 => self.take(4),
            b'G' | 0x95 => self.take(8),
            b'('
            | b'0'..=b'2'
            | b'N'
            | b'Q'
            | b'R'
            | b'a'
            | b'b'
            | b'd'
            | b'e'
            | b'l'
            | b'o'
            | b's'
            | b't'
            | b'u'
            | b')'
            | b']'
            | b'}'
            | 0x81
            | 0x85..=0x89
            | 0x8f..=0x92
            | 0x94
            | 0x97
            | 0x98 => Some(&[]),
            _ => None,
        }
    }
}

/// Whether the operation pushes a string.
fn is_text(code: u8) -> bool {
    matches!(code, b'S' | b'V' | b'U' | b'T' | b'X' | 0x8c | 0x8d)
}
