//! joblib's arrays: their bytes lie in the middle of the pickle, behind the object that describes them.
//!
//! joblib's loader takes as many bytes as shape and element type say, and goes on with the pickle after them.
//! Here the same is done, so that weights are neither run as a program nor searched for one. The plain loader
//! does not know of that: such a file is looked at a second time without it ([`super::stream`]).

use super::machine::{Arrays, Machine};
use super::value::{Object, Value};
use crate::findings::Severity;

/// What lies behind a wrapper.
enum Layout {
    /// That many bytes.
    Raw(u64),
    /// A pickle of the array, because its elements are objects.
    Pickled,
}

impl Machine<'_> {
    /// Passes over the array behind a wrapper that has just got its state. `None` where joblib would fail.
    pub(super) fn skip_array(&mut self, class: u32, state: Value) -> Option<()> {
        let import = &self.imports[class as usize];
        let wrapper = import.name == "NumpyArrayWrapper" && import.module.ends_with("joblib.numpy_pickle");
        if !wrapper || self.arrays == Arrays::Run {
            return Some(());
        }
        self.arrays_seen += 1;
        let Some(layout) = self.layout(state) else {
            self.report(
                "pickle-array",
                Severity::High,
                "it holds an array whose size it does not say, so what follows cannot be told from its bytes",
            );
            return None;
        };
        let mut position = self.decoder.position();
        match layout {
            Layout::Raw(bytes) => {
                if self
                    .entry(state, "numpy_array_alignment_bytes")
                    .is_some_and(|v| matches!(v, Value::Int(_)))
                {
                    let padding = *self.blob.bytes(position, 1).ok()?.first()?;
                    position += 1 + u64::from(padding);
                }
                position = position.checked_add(bytes).filter(|end| *end <= self.blob.len())?;
            }
            Layout::Pickled => {
                let mut inner = Machine::new(self.blob, position, Arrays::Run);
                inner.run();
                position = inner.decoder.position();
                self.absorb(inner);
            }
        }
        self.decoder.seek_to(position);
        Some(())
    }

    /// Takes over what another machine found in the same file.
    fn absorb(&mut self, other: Machine<'_>) {
        self.steps += other.steps;
        self.calls += other.calls;
        self.nested.extend(other.nested);
        for import in other.imports {
            if let Value::Global(index) = self.import(&import.module, &import.name) {
                let known = &mut self.imports[index as usize];
                known.called |= import.called;
                known.is_class |= import.is_class;
            }
        }
        for issue in other.issues {
            self.add(issue);
        }
    }

    fn layout(&self, state: Value) -> Option<Layout> {
        let dtype = self.entry(state, "dtype")?;
        let Some(Object::Made { arguments: Some(arguments), state: details, .. }) = self.heap.get(dtype)
        else {
            return None;
        };
        // Texts of any length are kept like objects.
        if let Some(Object::Made { callee: Value::Global(class), .. }) = self.heap.get(dtype)
            && ["StringDType", "_convert_to_stringdtype_kwargs"]
                .contains(&self.imports[*class as usize].name.as_str())
        {
            return Some(Layout::Pickled);
        }
        let code = self.heap.text(self.blob, *arguments.first()?)?;
        let (kind, digits) = code.split_at_checked(1)?;
        if kind == "O" || (kind == "V" && self.has_objects((*details)?)) {
            return Some(Layout::Pickled);
        }
        let width: u64 = digits.split('[').next()?.parse().ok()?;
        let item = if kind == "U" { width.checked_mul(4)? } else { width };
        let shape = self.heap.tuple(self.entry(state, "shape")?)?;
        let mut bytes = item;
        for dimension in shape {
            let Value::Int(length) = dimension else { return None };
            bytes = bytes.checked_mul(u64::try_from(*length).ok()?)?;
        }
        Some(Layout::Raw(bytes))
    }

    /// Whether the state of a structured dtype says that there are objects in it: the first of its flags.
    fn has_objects(&self, details: Value) -> bool {
        match self.heap.tuple(details).and_then(<[Value]>::last) {
            Some(Value::Int(flags)) => flags & 1 != 0,
            _ => true,
        }
    }

    /// The value under a key of a state.
    fn entry(&self, state: Value, key: &str) -> Option<Value> {
        let entries = self.heap.dict(state)?;
        let found = entries.iter().find(|(k, _)| self.heap.text(self.blob, *k).as_deref() == Some(key));
        found.map(|(_, value)| *value)
    }
}
