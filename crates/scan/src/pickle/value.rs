//! What the machine's stack holds: as much of each value as a judgement may need, in sixteen bytes.

use crate::blob::Blob;

/// A value on the stack or in the memo. Texts and bytes stay where they are in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Value {
    /// Nothing that matters: `None`, a truth value, a float, a very large number.
    Scalar,
    Int(i64),
    /// Text in the file.
    Text {
        at: u64,
        length: u32,
    },
    /// Bytes in the file.
    Bytes {
        at: u64,
        length: u32,
    },
    /// Text that had escapes; its place among the machine's own texts.
    Written(u32),
    /// A name that was imported; its place among the machine's globals.
    Global(u32),
    /// A container or the result of a call; its place among the machine's objects.
    Object(u32),
    /// Something that the file does not say: what a persistent id, an extension code or a buffer stands for.
    Opaque,
}

/// What a [`Value::Object`] is. Of long containers only the beginning is kept.
#[derive(Debug)]
pub(super) enum Object {
    Tuple(Vec<Value>),
    List,
    Dict(Vec<(Value, Value)>),
    Set,
    /// The result of calling `callee`, or of making an object of that class.
    Made {
        callee: Value,
        arguments: Option<Vec<Value>>,
        state: Option<Value>,
    },
}

/// How many items of a container are kept: arguments and states that rules look at are short.
pub(super) const KEPT_ITEMS: usize = 64;
/// How many entries of a dictionary: one that counts may come late.
pub(super) const KEPT_ENTRIES: usize = 4096;

/// The longest text that is read back as a name; and as anything else.
const MAX_NAME: usize = 1024;
const MAX_TEXT: usize = 64 << 10;
/// How much text with escapes is kept in all.
const MAX_WRITTEN: usize = 64 << 20;

/// Values that do not fit on the stack.
#[derive(Debug, Default)]
pub(super) struct Heap {
    objects: Vec<Object>,
    /// How many steps it takes to hash each: tuples ask all that is in them, as often as it is in them.
    hashing: Vec<u32>,
    written: Vec<Box<str>>,
    written_bytes: usize,
}

impl Heap {
    /// More objects than this are not told apart: they become [`Value::Opaque`].
    const MAX_OBJECTS: usize = 1 << 20;

    pub(super) fn add(&mut self, object: Object) -> Value {
        if self.objects.len() >= Self::MAX_OBJECTS {
            return Value::Opaque;
        }
        let steps = match &object {
            Object::Tuple(items) => {
                items.iter().fold(1u32, |steps, item| steps.saturating_add(self.hashing(*item)))
            }
            _ => 1,
        };
        self.hashing.push(steps);
        self.objects.push(object);
        Value::Object(self.objects.len() as u32 - 1)
    }

    /// How many steps it takes to hash a value.
    pub(super) fn hashing(&self, value: Value) -> u32 {
        match value {
            Value::Object(index) => self.hashing.get(index as usize).copied().unwrap_or(1),
            _ => 1,
        }
    }

    pub(super) fn write(&mut self, text: String) -> Value {
        self.written_bytes += text.len();
        if self.written.len() >= Self::MAX_OBJECTS || self.written_bytes > MAX_WRITTEN {
            return Value::Opaque;
        }
        self.written.push(text.into());
        Value::Written(self.written.len() as u32 - 1)
    }

    pub(super) fn get(&self, value: Value) -> Option<&Object> {
        match value {
            Value::Object(index) => self.objects.get(index as usize),
            _ => None,
        }
    }

    pub(super) fn get_mut(&mut self, value: Value) -> Option<&mut Object> {
        match value {
            Value::Object(index) => self.objects.get_mut(index as usize),
            _ => None,
        }
    }

    /// The text that a value is, if it is short enough for a name.
    pub(super) fn text(&self, blob: &Blob, value: Value) -> Option<String> {
        self.text_up_to(MAX_NAME, blob, value)
    }

    /// The text that a value is, if it is not data.
    pub(super) fn long_text(&self, blob: &Blob, value: Value) -> Option<String> {
        self.text_up_to(MAX_TEXT, blob, value)
    }

    fn text_up_to(&self, most: usize, blob: &Blob, value: Value) -> Option<String> {
        match value {
            Value::Text { at, length } if length as usize <= most => {
                String::from_utf8(blob.bytes(at, length as usize).ok()?).ok()
            }
            Value::Written(_) => self.written(value).filter(|text| text.len() <= most).map(str::to_owned),
            _ => None,
        }
    }

    /// Text that had escapes.
    pub(super) fn written(&self, value: Value) -> Option<&str> {
        match value {
            Value::Written(index) => self.written.get(index as usize).map(AsRef::as_ref),
            _ => None,
        }
    }

    /// The items of a tuple.
    pub(super) fn tuple(&self, value: Value) -> Option<&[Value]> {
        match self.get(value) {
            Some(Object::Tuple(items)) => Some(items),
            _ => None,
        }
    }

    /// The entries of a dictionary.
    pub(super) fn dict(&self, value: Value) -> Option<&[(Value, Value)]> {
        match self.get(value) {
            Some(Object::Dict(entries)) => Some(entries),
            _ => None,
        }
    }
}
