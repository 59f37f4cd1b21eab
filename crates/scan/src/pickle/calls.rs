//! Calls: what may be called with what, and what comes of it.

use super::machine::{Calling, Machine};
use super::policy::{Judgement, Special};
use super::value::{KEPT_ENTRIES, Object, Value};
use crate::blob::Blob;
use crate::findings::Severity;
use crate::model::Issue;

/// Pickles within one pickle that are looked at.
const MAX_NESTED: usize = 256;
/// How deep partially applied functions are nested in one another.
pub(super) const MAX_PARTIALS: usize = 8;
/// The longest text that is taken for bytes.
const MAX_ENCODED: u64 = 16 << 20;

impl Machine<'_> {
    /// Calls `callee`, or makes an object of that class.
    pub(super) fn call(&mut self, callee: Value, arguments: Option<Vec<Value>>, calling: Calling) -> Value {
        self.calls += 1;
        let (callee, arguments) = match self.applied(callee) {
            Some((function, first)) => (function, arguments.map(|more| [first, more].concat())),
            None => (callee, arguments),
        };
        match callee {
            Value::Global(index) => {
                let restores = self.is_restorer(index);
                let import = &mut self.imports[index as usize];
                import.called |= !restores;
                import.is_class |= calling == Calling::New;
                if calling == Calling::Call {
                    self.check_unknown(index, arguments.as_deref());
                    self.check_only_named(index);
                    self.check_room(index, arguments.as_deref());
                    if restores {
                        self.check_restorer(index, arguments.as_deref());
                    }
                }
                self.check_consumed(arguments.as_deref());
                if let Judgement::Special(special) = self.imports[index as usize].judgement
                    && let Some(value) = self.call_special(special, index, arguments.as_deref(), calling)
                {
                    return value;
                }
            }
            Value::Object(_) if self.is_maker(callee) => {}
            Value::Object(_) | Value::Opaque => {
                self.report("pickle-computed-call", Severity::High, "it calls something that it computes");
            }
            _ => {}
        }
        self.heap.add(Object::Made { callee, arguments, state: None })
    }

    /// The function that a `functools.partial` calls in the end, and the arguments that it has for it already.
    fn applied(&self, mut callee: Value) -> Option<(Value, Vec<Value>)> {
        let mut first = Vec::new();
        for _ in 0..MAX_PARTIALS {
            let (function, given) = self.partial(callee)?;
            callee = function;
            first.splice(0..0, given.iter().copied());
            if let Value::Global(_) = callee {
                return Some((callee, first));
            }
        }
        None
    }

    /// The function of a `functools.partial`, and the arguments that it has for it.
    pub(super) fn partial(&self, value: Value) -> Option<(Value, &[Value])> {
        let (index, arguments, state) = self.made(value)?;
        let import = &self.imports[index as usize];
        if !matches!(import.module.as_str(), "functools" | "_functools") || import.name != "partial" {
            return None;
        }
        // What it is given as its state goes before what it was made of.
        match state {
            Some(state) => {
                let [function, more, ..] = self.heap.tuple(state)? else { return None };
                Some((*function, self.heap.tuple(*more)?))
            }
            None => arguments.split_first().map(|(function, more)| (*function, more)),
        }
    }

    /// The name that was called for an object, with which arguments, and the state that it got.
    pub(super) fn made(&self, value: Value) -> Option<(u32, &[Value], Option<Value>)> {
        match self.heap.get(value)? {
            Object::Made { callee: Value::Global(index), arguments: Some(arguments), state } => {
                Some((*index, arguments, *state))
            }
            _ => None,
        }
    }

    /// A class of which nothing is known may be the user's own; made of a command, a path or an address it may as well be
    /// a client, a writer or a runner.
    fn check_unknown(&mut self, class: u32, arguments: Option<&[Value]>) {
        let import = &self.imports[class as usize];
        let is_exception = import.name.ends_with("Error") || import.name.ends_with("Exception");
        if is_exception
            || !matches!(
                import.judgement,
                Judgement::Unknown { class: true }
                    | Judgement::Unlisted { class: true }
                    | Judgement::Restored
            )
        {
            return;
        }
        // A text takes as long to read as some instructions to carry out.
        let all = arguments.into_iter().flatten();
        let texts: usize = all.map(|value| 1 + self.heap.tuple(*value).map_or(0, <[Value]>::len)).sum();
        self.steps += 16 * texts as u64;
        let inner = arguments.into_iter().flatten().flat_map(|value| self.heap.tuple(*value)).flatten();
        let mut texts =
            arguments.into_iter().flatten().chain(inner).filter_map(|v| self.heap.text(self.blob, *v));
        if texts.any(|text| leads_outside(&text)) {
            let name = self.full_name(class);
            let title = format!("it makes a `{name}` of a command, a path or an address");
            self.add(Issue::new("pickle-call", Severity::High, title).about(name));
        }
    }

    /// Calls of names that are harmless with some arguments only. Gives the result where it is not simply an
    /// object made by the call.
    fn call_special(
        &mut self,
        special: Special,
        index: u32,
        arguments: Option<&[Value]>,
        calling: Calling,
    ) -> Option<Value> {
        let name = self.full_name(index);
        let Some(arguments) = arguments else {
            self.report(
                "pickle-computed-call",
                Severity::Critical,
                format!("it calls `{name}` with arguments that it computes"),
            );
            return Some(Value::Opaque);
        };
        match special {
            Special::GetAttribute => return Some(self.get_attribute(&name, arguments)),
            Special::AttributeNames => self.attribute_names(&name, arguments),
            Special::Import => return Some(self.import_by_call(&name, arguments)),
            Special::TypeByName => return Some(self.type_by_name(&name, arguments)),
            Special::Load => self.load(&name, arguments),
            Special::Encode => self.encode(&name, arguments),
            Special::Holder => {
                let of_nothing = arguments.iter().all(|value| matches!(value, Value::Scalar | Value::Int(_)));
                if calling == Calling::Call && !of_nothing {
                    self.report("pickle-call", Severity::High, format!("it makes a `{name}` of a file"));
                }
            }
            Special::Applies(place) => {
                if let Some(function) = arguments.get(place) {
                    self.check_applied(&name, *function);
                }
            }
            Special::Calls(place) => return Some(self.call_given(&name, arguments, place)),
            Special::Parses => self.check_parsed(&name, arguments),
            Special::Union => {
                let or = |value: &Value| matches!(value, Value::Global(index) if self.imports[*index as usize].name == "or_");
                if !arguments.first().is_some_and(or) {
                    let title = format!("it calls `{name}`, which calls what it is given");
                    self.report("pickle-call", Severity::Critical, title);
                }
            }
            Special::Makes => return self.make(&name, arguments),
            Special::Generic => {
                let is_generic = |value: &Value| match value {
                    Value::Global(index) => {
                        let import = &self.imports[*index as usize];
                        matches!(
                            import.module.as_str(),
                            "typing" | "collections" | "collections.abc" | "builtins"
                        ) && import.judgement == Judgement::Allowed
                    }
                    _ => false,
                };
                if !arguments.first().is_some_and(is_generic) {
                    let title = format!("it looks something up with `{name}`");
                    self.report("pickle-computed-call", Severity::High, title);
                }
            }
            Special::OfOne => {
                if arguments.len() != 1 {
                    let title = format!("it calls `{name}` for more than an object's own");
                    self.report("pickle-call", Severity::High, title);
                }
            }
        }
        None
    }

    /// `getattr(object, name)`: of an imported thing it is another import; a dunder leads anywhere.
    fn get_attribute(&mut self, function: &str, arguments: &[Value]) -> Value {
        let attribute = arguments.get(1).and_then(|value| self.heap.text(self.blob, *value));
        let Some(attribute) = attribute else {
            self.report(
                "pickle-computed-call",
                Severity::Critical,
                format!("it calls `{function}` for a name that it computes"),
            );
            return Value::Opaque;
        };
        match arguments[0] {
            Value::Global(index) => {
                let import = &self.imports[index as usize];
                let (module, name) = (import.module.clone(), format!("{}.{attribute}", import.name));
                self.import(&module, &name)
            }
            Value::Opaque => {
                self.report(
                    "pickle-computed-call",
                    Severity::High,
                    format!("it takes `{attribute}` of something that is not in the file"),
                );
                Value::Opaque
            }
            object => {
                self.check_attribute(function, &attribute);
                self.check_method(object, &attribute);
                let callee = self.import("builtins", "getattr");
                self.heap.add(Object::Made {
                    callee,
                    arguments: Some(vec![object, arguments[1]]),
                    state: None,
                })
            }
        }
    }

    /// `attrgetter` and `methodcaller` take names that are looked up later.
    fn attribute_names(&mut self, function: &str, arguments: &[Value]) {
        for value in arguments.iter().take(if function.ends_with("methodcaller") { 1 } else { usize::MAX }) {
            match self.heap.text(self.blob, *value) {
                Some(attribute) => {
                    self.check_attribute(function, &attribute);
                    self.check_acting(function, &attribute);
                }
                None => self.report(
                    "pickle-computed-call",
                    Severity::High,
                    format!("it calls `{function}` for a name that it computes"),
                ),
            }
        }
    }

    fn check_attribute(&mut self, function: &str, attribute: &str) {
        if attribute.contains("__") {
            self.report(
                "pickle-call",
                Severity::Critical,
                format!("it reaches for `{attribute}` with `{function}`"),
            );
        }
    }

    /// Functions that import what their arguments name.
    fn import_by_call(&mut self, function: &str, arguments: &[Value]) -> Value {
        let text = |index: usize| arguments.get(index).and_then(|value| self.heap.text(self.blob, *value));
        match (text(0), text(1)) {
            (Some(module), Some(name)) => self.import(&module, &name),
            _ => {
                self.report(
                    "pickle-computed-import",
                    Severity::Critical,
                    format!("it imports a name that it computes, with `{function}`"),
                );
                Value::Opaque
            }
        }
    }

    /// dill's way to name types: those of `types` end in `Type`, the others are built in.
    fn type_by_name(&mut self, function: &str, arguments: &[Value]) -> Value {
        match arguments.first().and_then(|value| self.heap.text(self.blob, *value)) {
            Some(name) => self.import(if name.ends_with("Type") { "types" } else { "builtins" }, &name),
            None => {
                self.report(
                    "pickle-computed-import",
                    Severity::Critical,
                    format!("it takes a type that it computes, with `{function}`"),
                );
                Value::Opaque
            }
        }
    }

    /// Functions that load a pickle from bytes: the bytes are looked at like a file of their own.
    fn load(&mut self, function: &str, arguments: &[Value]) {
        if !function.starts_with("torch.") && !function.contains("keras.") {
            let title = format!("it loads a pickle within the pickle with `{function}`");
            self.report("pickle-nested", Severity::High, title);
        }
        let is_path = |value: &Value| self.heap.long_text(self.blob, *value).is_some();
        match arguments.first().and_then(|value| self.bytes_of(*value)) {
            Some(bytes) if !function.contains("keras.") || !is_path(&arguments[0]) => self.nest(bytes),
            _ => self.report(
                "pickle-nested",
                Severity::Critical,
                format!("it loads a pickle with `{function}` that is not in the file"),
            ),
        }
    }

    /// Bytes that are loaded, to be looked at.
    pub(super) fn nest(&mut self, bytes: Blob) {
        if self.nested.len() >= MAX_NESTED {
            self.report("pickle-limit", Severity::High, "it loads more pickles than any real model");
        } else if !self.nested.iter().any(|known| known.is_same(&bytes)) {
            self.nested.push(bytes);
        }
    }

    /// `_codecs.encode(text, codec)`: how older protocols write bytes; other codecs hide things.
    fn encode(&mut self, function: &str, arguments: &[Value]) {
        let codec = match arguments.get(1) {
            Some(codec) => self.heap.text(self.blob, *codec),
            None => Some("utf-8".into()),
        };
        let codec = codec.map(|c| c.to_lowercase().replace(['-', '_', ' '], ""));
        if !codec.is_some_and(|c| {
            matches!(c.as_str(), "latin1" | "iso88591" | "utf8" | "ascii" | "utf16" | "utf32")
        }) {
            self.report("pickle-call", Severity::High, format!("it decodes something with `{function}`"));
        }
    }

    /// The bytes that a value is, as far as the file says them.
    pub(super) fn bytes_of(&self, value: Value) -> Option<Blob> {
        if let Some(bytes) = self.plain_bytes(value) {
            return Some(bytes);
        }
        let (index, arguments, state) = self.made(value)?;
        let name = self.full_name(index);
        if matches!(name.as_str(), "_io.BytesIO" | "io.BytesIO") {
            let state = state.and_then(|state| self.heap.tuple(state)?.first().copied());
            return self.bytes_of(state.or_else(|| arguments.first().copied())?);
        }
        let argument = *arguments.first()?;
        match name.as_str() {
            "_codecs.encode" => {
                // Text of which every character stands for one byte.
                let text = self.plain_bytes(argument).filter(|text| text.len() <= MAX_ENCODED)?;
                let text = text.bytes(0, text.len() as usize).ok()?;
                match self.heap.written(argument) {
                    Some(_) => Some(text.into()),
                    None => Some(latin1(&String::from_utf8(text).ok()?).into()),
                }
            }
            "builtins.bytes" | "builtins.bytearray" | "__builtin__.bytes" | "__builtin__.bytearray" => {
                self.plain_bytes(argument)
            }
            _ => None,
        }
    }

    /// The bytes of a text or of bytes.
    fn plain_bytes(&self, value: Value) -> Option<Blob> {
        match value {
            Value::Bytes { at, length } | Value::Text { at, length } => {
                Some(self.blob.slice(at, u64::from(length)))
            }
            Value::Written(_) => Some(latin1(self.heap.written(value)?).into()),
            _ => None,
        }
    }

    /// Gives `target` its state.
    pub(super) fn build(&mut self, target: Value, state: Value) -> Option<()> {
        self.hand_on(state);
        if let Value::Global(index) = target {
            let name = self.full_name(index);
            self.report("pickle-write", Severity::Critical, format!("it changes the attributes of `{name}`"));
            return Some(());
        }
        self.check_changed(target);
        if let Some(Object::Made { callee, state: kept, .. }) = self.heap.get_mut(target) {
            *kept = Some(state);
            let callee = *callee;
            if let Value::Global(index) = callee {
                self.check_state(index, state);
                return self.skip_array(index, state);
            }
        }
        Some(())
    }

    /// States from which classes run or open a text when they get it.
    fn check_state(&mut self, class: u32, state: Value) {
        let state = self.heap.tuple(state).and_then(|items| items.first().copied()).unwrap_or(state);
        let entries = self.heap.dict(state).unwrap_or_default();
        let count = entries.len();
        let telling: Vec<(Value, Value)> =
            entries.iter().filter(|(key, _)| is_telling(*key)).copied().collect();
        self.steps += count as u64 / 4;
        let import = &self.imports[class as usize];
        let (of_scipy, wrapper) =
            (import.module.starts_with("scipy.stats"), import.name.ends_with("NDArrayWrapper"));
        let mut of_statsmodels = import.module.starts_with("statsmodels.");
        if count >= KEPT_ENTRIES && (of_scipy || of_statsmodels) {
            let name = self.full_name(class);
            self.report("pickle-limit", Severity::High, format!("`{name}` has more state than any real one"));
        }
        let texts: Vec<_> = telling
            .into_iter()
            .filter_map(|(key, value)| Some((self.heap.text(self.blob, key)?, value)))
            .collect();
        of_statsmodels |= texts.iter().any(|(key, _)| key == "restore_design_info");
        for (key, value) in texts.into_iter().filter(|(_, value)| *value != Value::Scalar) {
            let text = self.heap.long_text(self.blob, value);
            let harmless = match key.as_str() {
                "_parse_arg_template" => text.is_some_and(|text| is_argument_template(&text)),
                "formula" if of_statsmodels => text.is_some_and(|text| is_formula(&text)),
                "filename" if wrapper => text.is_some_and(|text| !leads_outside(&text)),
                _ => true,
            };
            if !harmless {
                let name = self.full_name(class);
                let title = format!("`{name}` runs or opens what `{key}` says when it is loaded");
                self.report("pickle-state", Severity::High, title);
            }
        }
    }

    /// A name that is harmless only where its arguments are seen must not be handed to others to call.
    pub(super) fn hand_on(&mut self, value: Value) {
        if let Value::Global(index) = value
            && let Judgement::Special(special) = self.imports[index as usize].judgement
            && !matches!(
                special,
                Special::OfOne | Special::Holder | Special::Generic | Special::Applies(_) | Special::Parses
            )
        {
            let name = self.full_name(index);
            if name.ends_with(".__new__") {
                return;
            }
            self.report(
                "pickle-indirect-call",
                Severity::High,
                format!("it hands on `{name}` for others to call"),
            );
        }
    }
}

/// Whether a key of a state may be one of those that matter, by its length.
fn is_telling(key: Value) -> bool {
    const KEYS: [&str; 4] = ["_parse_arg_template", "restore_design_info", "formula", "filename"];
    match key {
        Value::Text { length, .. } => KEYS.iter().any(|known| known.len() == length as usize),
        Value::Written(_) => true,
        _ => false,
    }
}

/// Whether a text looks like a command line, a path or an address rather than a word or a sentence.
fn leads_outside(text: &str) -> bool {
    text.contains(['/', '\\', '|', ';', '$', '`', '<', '>', '&', '~'])
        || text.contains(" -")
        || text.contains("__")
        || text.parse::<std::net::IpAddr>().is_ok()
        || text.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok())
}

/// scipy writes its argument parsers as text: definitions with names and plain defaults, and a tuple.
fn is_argument_template(text: &str) -> bool {
    const CALLS: [&str; 6] =
        ["_parse_args", "_parse_args_rvs", "_parse_args_stats", "_argcheck_rvs", "return", "("];
    if text.contains("__") || text.contains("import") || text.contains('[') || text.contains("lambda") {
        return false;
    }
    text.match_indices('(').all(|(at, _)| {
        let before = text[..at].trim_end();
        let word = before.rsplit(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default();
        CALLS.contains(&word) || before.ends_with(['(', ',', '='])
    })
}

/// Formulas of statsmodels are Python, too; real ones call functions of numbers only.
fn is_formula(text: &str) -> bool {
    const CALLS: [&str; 28] = [
        "C",
        "Q",
        "bs",
        "cr",
        "cc",
        "te",
        "center",
        "standardize",
        "scale",
        "Treatment",
        "Sum",
        "Poly",
        "Helmert",
        "Diff",
        "log",
        "log1p",
        "log2",
        "log10",
        "exp",
        "sqrt",
        "abs",
        "power",
        "square",
        "sin",
        "cos",
        "tan",
        "where",
        "I",
    ];
    if text.contains("__") || text.contains("lambda") || text.contains('[') || text.contains('@') {
        return false;
    }
    text.match_indices('(').all(|(at, _)| {
        let callee: &str = text[..at]
            .rsplit(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'))
            .next()
            .unwrap_or_default();
        let name = callee.strip_prefix("np.").or_else(|| callee.strip_prefix("numpy.")).unwrap_or(callee);
        name.is_empty() || CALLS.contains(&name)
    })
}

/// The bytes whose Latin-1 text this is; what lies outside is no byte.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_call_functions_of_numbers_only() {
        for formula in
            ["y ~ a + b", "y ~ a*b + np.log(c)", "y ~ C(a, Treatment(1)) + bs(b, df=4)", "y ~ (a + b)**2"]
        {
            assert!(is_formula(formula), "{formula}");
        }
        for formula in ["y ~ I(open('x'))", "y ~ np.load(a)", "y ~ a.__class__", "y ~ [f for f in a]"] {
            assert!(!is_formula(formula), "{formula}");
        }
    }
}
