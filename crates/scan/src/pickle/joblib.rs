//! joblib's arrays: their bytes lie in the middle of the pickle, behind the object that describes them.
//!
//! joblib's loader takes as many bytes as shape and element type say, and goes on with the pickle after them.
//! Here the same is done, so that weights are neither run as a program nor searched for one. The plain loader
//! does not know of that: such a file is looked at a second time without it ([`super::stream`]).

use super::machine::{Arrays, Machine};
use super::value::Value;
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
        let (class, arguments, details) = self.made(self.entry(state, "dtype")?)?;
        match self.imports[class as usize].name.as_str() {
            // Texts of any length are kept like objects.
            "StringDType" | "_convert_to_stringdtype_kwargs" => return Some(Layout::Pickled),
            "dtype" => {}
            _ => return None,
        }
        let code = self.heap.text(self.blob, *arguments.first()?)?;
        let (kind, digits) = code.split_at_checked(1)?;
        if kind == "O" || (kind == "V" && self.has_objects(details?)) {
            return Some(Layout::Pickled);
        }
        let width: u64 = digits.split('[').next()?.parse().ok()?;
        let item = if kind == "U" { width.checked_mul(4)? } else { width };
        // A state may say another size, and is believed.
        let stated = details.and_then(|details| self.heap.tuple(details)?.get(5).copied());
        if let Some(Value::Int(size)) = stated
            && size >= 0
            && size as u64 != item
        {
            return None;
        }
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
        /// More than joblib writes.
        const MOST: usize = 64;
        let entries = self.heap.dict(state).filter(|entries| entries.len() < MOST)?;
        // Of two with the same key, the last counts.
        let found = entries.iter().rev().find(|(k, _)| self.heap.text(self.blob, *k).as_deref() == Some(key));
        found.map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use crate::blob::Blob;
    use crate::findings::Severity;

    /// A wrapper of `shape` and `dtype` behind more of a state, an array in which another reader would see the end, and a call behind
    /// that.
    fn hidden(maker: &[u8], entries: &[&[u8]], array: usize, seen: usize) -> Option<Severity> {
        let mut program = [b"\x80\x04", maker, b"}("].concat();
        entries.iter().for_each(|entry| program.extend_from_slice(entry));
        program.extend_from_slice(b"ub");
        let mut numbers = vec![0; seen];
        numbers.push(b'.');
        numbers.resize(array, 0);
        program.extend_from_slice(&numbers);
        program.extend_from_slice(b"0\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.");
        let scanned = super::super::scan(&Blob::from(program), true);
        scanned.issues.iter().map(|issue| issue.severity).max()
    }

    const NEW: &[u8] = b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81";
    const BYTES: &[u8] = b"\x8c\x05dtypecnumpy\ndtype\n(\x8c\x02u1tR";

    #[test]
    fn what_follows_an_array_is_found_whoever_makes_its_wrapper() {
        for maker in [
            NEW,
            b"ccopyreg\n_reconstructor\n(cjoblib.numpy_pickle\nNumpyArrayWrapper\ncbuiltins\nobject\nNtR",
            b"ccopyreg\n__newobj__\n(cjoblib.numpy_pickle\nNumpyArrayWrapper\ntR",
        ] {
            let worst = hidden(maker, &[b"\x8c\x05shapeK\x28\x85", BYTES], 40, 0);
            assert_eq!(worst, Some(Severity::Critical), "{}", maker.escape_ascii());
        }
    }

    #[test]
    fn arrays_that_say_their_size_twice_hide_nothing() {
        let filler: Vec<u8> = (0..200u8).flat_map(|n| [b'K', n, b'N']).collect();
        let cases: [(&[&[u8]], usize, usize); 4] = [
            (&[b"\x8c\x05shapeK\x02\x85", b"\x8c\x05shapeK\x09\x85", BYTES], 9, 2),
            (&[b"\x8c\x05shapeK\x02\x85", &filler, b"\x8c\x05shapeK\x09\x85", BYTES], 9, 2),
            (
                &[
                    b"\x8c\x05shapeK\x04\x85",
                    b"\x8c\x05dtypecnumpy\ndtype\n(\x8c\x02S8tR(K\x03\x8c\x01|NNNK\x10K\x01K\x00tb",
                ],
                64,
                32,
            ),
            (
                &[b"\x8c\x05shapeK\x04\x85", b"\x8c\x05dtypecnumpy\nresult_type\n(\x8c\x02i2\x8c\x02f8tR"],
                32,
                8,
            ),
        ];
        for (number, (entries, array, seen)) in cases.into_iter().enumerate() {
            assert!(hidden(NEW, entries, array, seen) >= Some(Severity::High), "{number}");
        }
    }
}
