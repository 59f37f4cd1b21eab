//! Names that call what they are given, or make objects for others: what really happens is judged, not who does it.

use super::calls::MAX_PARTIALS;
use super::machine::{Calling, Machine};
use super::policy::{self, Judgement, Special};
use super::value::{KEPT_ITEMS, Object, Value};
use crate::findings::Severity;
use crate::model::Issue;

impl Machine<'_> {
    /// What `by` calls, now or later, is a name, and so judged by itself, or something made of one that is harmless.
    pub(super) fn check_applied(&mut self, by: &str, function: Value) {
        let function = self.unwrapped(function);
        if !matches!(function, Value::Global(_) | Value::Scalar) && !self.is_plain_function(function) {
            let title = format!("it has `{by}` call something that it computes");
            self.report("pickle-computed-call", Severity::High, title);
        }
    }

    /// The function in a `functools.partial`, or the value itself.
    fn unwrapped(&self, mut function: Value) -> Value {
        for _ in 0..MAX_PARTIALS {
            match self.partial(function) {
                Some((inner, _)) => function = inner,
                None => break,
            }
        }
        function
    }

    /// An `itemgetter`, a vectorized function, or a method of a plain value.
    fn is_plain_function(&self, function: Value) -> bool {
        let Some((index, arguments, state)) = self.made(function) else { return false };
        match self.full_name(index).as_str() {
            "operator.itemgetter" | "_operator.itemgetter" => true,
            "numpy.vectorize" => state.is_none(),
            "builtins.getattr" => arguments.first().is_some_and(|object| self.is_plain(*object)),
            _ => false,
        }
    }

    /// An object whose class is there to be called when others are restored: it finds a class for them.
    pub(super) fn is_maker(&self, callee: Value) -> bool {
        const MAKERS: [&str; 1] = ["torch_geometric.data.batch.DynamicInheritanceGetter"];
        self.made(callee).is_some_and(|(index, _, state)| {
            state.is_none() && MAKERS.contains(&self.full_name(index).as_str())
        })
    }

    /// A value of Python's own, whose methods do nothing but compute.
    fn is_plain(&self, value: Value) -> bool {
        match value {
            Value::Opaque | Value::Global(_) => false,
            Value::Object(_) => !matches!(self.heap.get(value), Some(Object::Made { .. }) | None),
            _ => true,
        }
    }

    /// Whoever is made of an iterator that calls a function takes its items, and so calls it.
    pub(super) fn check_consumed(&mut self, arguments: Option<&[Value]>) {
        for argument in arguments.into_iter().flatten() {
            let Some((index, given, _)) = self.made(*argument) else { continue };
            let Judgement::Special(Special::Applies(place)) = self.imports[index as usize].judgement else {
                continue;
            };
            let Some(function) = given.get(place) else { continue };
            if let Value::Global(function) = self.unwrapped(*function) {
                self.imports[function as usize].called = true;
            }
        }
    }

    /// `f(function, …, arguments, state)`, with the arguments at this place.
    pub(super) fn call_given(&mut self, name: &str, arguments: &[Value], place: usize) -> Value {
        let (Some(function), Some([given, state, ..])) = (arguments.first(), arguments.get(place..)) else {
            return Value::Opaque;
        };
        self.check_applied(name, *function);
        let given = self.heap.tuple(*given).map(<[Value]>::to_vec);
        let made = self.call(*function, given, Calling::Call);
        // A state that no reader can set fails there, too.
        let _ = self.build(made, *state);
        made
    }

    /// A function that is not listed, of a library of models, that says that it restores something.
    pub(super) fn is_restorer(&self, index: u32) -> bool {
        let import = &self.imports[index as usize];
        import.judgement == Judgement::Unlisted { class: false }
            && policy::restores(&import.module, &import.name)
    }

    /// Such a function is given values. With a name of something else, or something to call, it is a function like any other; bytes may
    /// be a pickle that it loads.
    pub(super) fn check_restorer(&mut self, index: u32, arguments: Option<&[Value]>) {
        let name = self.full_name(index);
        let mut strange = arguments.is_none();
        for argument in arguments.into_iter().flatten().copied() {
            strange |= self.heap.long_text(self.blob, argument).is_some()
                || argument == Value::Opaque
                || self.made(argument).is_some_and(|(index, ..)| {
                    let module = &self.imports[index as usize].module;
                    ["pathlib", "io", "_io"].iter().any(|known| module.starts_with(known))
                });
            if let Some(bytes) = self.bytes_of(argument) {
                self.nest(bytes);
            } else if self.is_method(self.unwrapped(argument)) {
                self.check_applied(&name, argument);
            }
        }
        self.imports[index as usize].called |= strange;
    }

    /// sympy's classes take texts for expressions, and evaluate them: they must be made of numbers and of one another.
    pub(super) fn check_parsed(&mut self, name: &str, arguments: &[Value]) {
        let is_name = ["Symbol", "Dummy", "Wild", "Str", "Float", "DomainMatrix", "SDM", "DDM"]
            .iter()
            .any(|class| name.ends_with(&format!(".{class}")));
        let mut open: Vec<Value> = arguments.to_vec();
        let mut left = 1000;
        while let Some(value) = open.pop() {
            self.steps += 1;
            left -= 1;
            // Of longer ones not all is known.
            if let Some(items) = self.heap.tuple(value).filter(|items| left > 0 && items.len() < KEPT_ITEMS) {
                open.extend_from_slice(items);
            } else if arguments.len() >= KEPT_ITEMS
                || !(self.is_expression(value) || (is_name && self.is_plain(value)))
            {
                let title = format!("it makes a `{name}` of something that it may evaluate");
                return self.report("pickle-call", Severity::Critical, title);
            }
        }
    }

    /// A number, or one of sympy's classes or what was made of one.
    fn is_expression(&self, value: Value) -> bool {
        let index = match value {
            Value::Scalar | Value::Int(_) => return true,
            Value::Global(index) => Some(index),
            _ => self.made(value).map(|(index, ..)| index),
        };
        index.is_some_and(|index| {
            self.imports[index as usize].judgement == Judgement::Special(Special::Parses)
        })
    }

    /// Something that was taken of an object.
    fn is_method(&self, value: Value) -> bool {
        self.made(value).is_some_and(|(index, ..)| {
            let name = &self.imports[index as usize].name;
            matches!(name.as_str(), "getattr" | "attrgetter" | "methodcaller")
        })
    }

    /// What `copyreg` makes is an object of the class that it is given, as if the class had been called.
    pub(super) fn make(&mut self, name: &str, arguments: &[Value]) -> Option<Value> {
        let (class, more) = arguments.split_first()?;
        let given = match (name.rsplit('.').next()?, more) {
            ("_reconstructor", [base, state]) => {
                // It initialises the object as one of `base`, from whose code there may be more to fear than from the class's.
                let is_object =
                    matches!(base, Value::Global(index) if self.imports[*index as usize].name == "object");
                if !is_object {
                    self.call(*base, Some(vec![*state]), Calling::Call);
                }
                Vec::new()
            }
            ("__newobj_ex__", [given, keywords]) if name.starts_with("copy") => {
                let keywords = self.heap.dict(*keywords).unwrap_or_default().iter().map(|(_, value)| *value);
                self.heap.tuple(*given)?.iter().copied().chain(keywords).collect()
            }
            _ => more.to_vec(),
        };
        Some(self.call(*class, Some(given), Calling::New))
    }

    /// Functions that models name and that nothing that is restored is made by.
    pub(super) fn check_only_named(&mut self, index: u32) {
        if self.imports[index as usize].only_named {
            let name = self.full_name(index);
            let title = format!("it calls `{name}`, which nothing does that is only loaded");
            self.add(Issue::new("pickle-call", Severity::High, title).about(name));
        }
    }

    /// `bytearray(n)` and its kin take as much memory as they are told to.
    pub(super) fn check_room(&mut self, index: u32, arguments: Option<&[Value]>) {
        const MOST: i64 = 1 << 32;
        let import = &self.imports[index as usize];
        let takes = import.module.ends_with("builtins") || import.module == "__builtin__";
        if takes
            && matches!(import.name.as_str(), "bytearray" | "bytes")
            && matches!(arguments, Some([Value::Int(size)]) if *size > MOST)
        {
            let name = self.full_name(index);
            self.report(
                "pickle-limit",
                Severity::High,
                format!("it makes a `{name}` larger than any real one"),
            );
        }
    }

    /// A method of an object that is not the user's own, to be called by whoever gets hold of it.
    pub(super) fn check_method(&mut self, object: Value, attribute: &str) {
        let Some(Object::Made { callee: Value::Global(index), .. }) = self.heap.get(object) else { return };
        let import = &self.imports[*index as usize];
        let is_path = import.module == "pathlib" || import.module.starts_with("pathlib.");
        if is_path && !is_pure(attribute) {
            let title = format!("it reaches for the method `{attribute}` of a path");
            self.report("pickle-call", Severity::Critical, title);
        } else if !matches!(import.judgement, Judgement::Unknown { .. }) {
            let class = self.full_name(*index);
            self.check_acting(&class, attribute);
        }
    }

    /// Methods that act on files or run text.
    pub(super) fn check_acting(&mut self, of: &str, attribute: &str) {
        if attribute.split('.').any(policy::acts) {
            let title = format!("it reaches for `{attribute}` with `{of}`");
            self.report("pickle-call", Severity::Critical, title);
        }
    }

    /// What `type` and `getattr` give belongs to others.
    pub(super) fn check_changed(&mut self, target: Value) {
        let Some((index, ..)) = self.made(target) else { return };
        let name = self.full_name(index);
        if matches!(name.as_str(), "builtins.type" | "builtins.getattr" | "__builtin__.type") {
            let title = format!("it changes the attributes of what `{name}` gives");
            self.report("pickle-write", Severity::Critical, title);
        }
    }
}

/// What a path can do without looking at the disk.
fn is_pure(attribute: &str) -> bool {
    const PURE: [&str; 10] = [
        "as_posix",
        "as_uri",
        "joinpath",
        "with_name",
        "with_suffix",
        "with_stem",
        "relative_to",
        "is_absolute",
        "is_relative_to",
        "match",
    ];
    PURE.contains(&attribute)
}

#[cfg(test)]
mod tests {
    use crate::blob::Blob;
    use crate::findings::Severity;

    fn worst(program: &[u8]) -> Option<Severity> {
        let program = [b"\x80\x04", program, b"."].concat();
        let scanned = super::super::scan(&Blob::from(program), true);
        scanned.issues.iter().map(|issue| issue.severity).max()
    }

    /// `getattr(PosixPath("x"), "touch")`, which harms when anything calls it.
    const TOUCH: &[u8] = b"cbuiltins\ngetattr\n(cpathlib\nPosixPath\n(\x8c\x01xtR\x8c\x05touchtR";

    fn given(before: &[u8], after: &[u8]) -> Vec<u8> {
        [before, TOUCH, after].concat()
    }

    #[test]
    fn methods_that_act_are_seen_whoever_calls_them() {
        for (before, after) in [
            (&b"ccollections\ndefaultdict\n("[..], &b"tR"[..]),
            (b"cbuiltins\nmap\n(", b"](\x8c\x01yetR"),
            (b"ctorch._tensor\n_rebuild_from_type_v2\n(", b"ctorch\nTensor\n)NtR"),
            (b"ctypes\nSimpleNamespace\n)R}\x8c\x04sqrt", b"sb"),
        ] {
            assert!(worst(&given(before, after)) >= Some(Severity::High), "{}", before.escape_ascii());
        }
        let caller = b"cbuiltins\nmap\n(coperator\nmethodcaller\n(\x8c\x05touchtR]tR";
        assert_eq!(worst(caller), Some(Severity::Critical));
        for plain in
            [&b"cbuiltins\ngetattr\n(\x8c\x01a\x8c\x05lowertR"[..], b"cbuiltins\ngetattr\n(}\x8c\x03gettR"]
        {
            assert_eq!(worst(plain), None, "{}", plain.escape_ascii());
        }
    }

    #[test]
    fn iterators_are_as_harmless_as_what_they_call() {
        let map = |function: &[u8]| [b"cbuiltins\nmap\n(", function, b"](K\x01etR"].concat();
        for function in [
            &b"cbuiltins\nabs\n"[..],
            b"cnumpy\nsqrt\n",
            b"cfunctools\npartial\n(cbuiltins\nround\ntR(cbuiltins\nround\n)}Ntb",
            b"coperator\nitemgetter\n(K\x00tR",
            b"cbuiltins\ngetattr\n(\x8c\x01a\x8c\x05counttR",
        ] {
            assert_eq!(worst(&map(function)), None, "{}", function.escape_ascii());
        }
        assert_eq!(worst(&map(b"cos\nsystem\n")), Some(Severity::Critical));
        // A function that nobody knows is called when the iterator's items are taken.
        assert_eq!(worst(&map(b"cown\nrun\n")), Some(Severity::Medium));
        let taken = [b"cbuiltins\nlist\n(".as_slice(), &map(b"cown\nrun\n"), b"tR"].concat();
        assert_eq!(worst(&taken), Some(Severity::High));
    }

    #[test]
    fn functions_of_numbers_are_named_and_not_called() {
        for function in [
            "numpy\nsqrt",
            "builtins\nmax",
            "operator\nmod",
            "scipy.special._ufuncs\nexpit",
            "builtins\nstr.join",
        ] {
            assert_eq!(worst(format!("c{function}\n").as_bytes()), None, "{function}");
            assert_eq!(
                worst(format!("c{function}\n(K\x01tR").as_bytes()),
                Some(Severity::High),
                "{function}"
            );
        }
    }

    #[test]
    fn what_copyreg_makes_is_of_the_class_that_it_is_given() {
        let state = b"}\x8c\x13_parse_arg_template\x8c\x09import os";
        for maker in [
            &b"ccopyreg\n_reconstructor\n(cscipy.stats._continuous_distns\nnorm_gen\ncbuiltins\nobject\nNtR"
                [..],
            b"ccopyreg\n__newobj__\n(cscipy.stats._continuous_distns\nnorm_gen\ntR",
            b"ccopyreg\n__newobj_ex__\n(cscipy.stats._continuous_distns\nnorm_gen\n)}tR",
        ] {
            assert_eq!(worst(maker), None);
            let with_state = [maker, state, b"sb"].concat();
            assert_eq!(worst(&with_state), Some(Severity::High), "{}", maker.escape_ascii());
        }
        assert_eq!(
            worst(b"ccopyreg\n_reconstructor\n(cown\nList\ncbuiltins\nlist\n]tR"),
            Some(Severity::Medium)
        );
        let client = b"ccopyreg\n_reconstructor\n(cown\nA\ncown\nClient\n\x8c\x07host:22tR";
        assert_eq!(worst(client), Some(Severity::High));
    }

    #[test]
    fn expressions_are_made_of_numbers_and_of_one_another() {
        let add = b"csympy.core.add\nAdd\n(csympy.core.symbol\nSymbol\n\x8c\x01x\x85\x81K\x01t\x81";
        assert_eq!(worst(add), None);
        let sine = |argument: &[u8]| {
            [b"csympy.functions.elementary.trigonometric\nsin\n", argument, b"\x85\x81"].concat()
        };
        assert_eq!(worst(&sine(b"csympy.core.numbers\nPi\n)\x81")), None);
        for argument in
            [&b"\x8c\x09f(open())"[..], b"\x8c\x01x\x85", b"]\x8c\x01xa", b"cbuiltins\nstr\n\x8c\x01x\x85R"]
        {
            assert_eq!(worst(&sine(argument)), Some(Severity::Critical), "{}", argument.escape_ascii());
        }
        assert_eq!(worst(b"csympy.core.sympify\nsympify\n."), Some(Severity::Critical));
    }

    #[test]
    fn what_restores_is_given_values() {
        let restored =
            |arguments: &[u8]| [b"castropy.units.core\n_recreate_unit\n(", arguments, b"tR"].concat();
        assert_eq!(worst(&restored(b"K\x01")), Some(Severity::Medium));
        assert_eq!(worst(&restored(b"\x8c\x01a")), Some(Severity::High));
        assert_eq!(worst(&given(b"castropy.units.core\n_recreate_unit\n(", b"tR")), Some(Severity::Critical));
        let program = [b"\x80\x04".as_slice(), &restored(b"C\x03N0."), b"."].concat();
        let scanned = super::super::scan(&Blob::from(program), true);
        assert_eq!(scanned.nested.len(), 1, "bytes may be a pickle that it loads");
        assert_eq!(worst(b"cgensim.utils\nunpickle\n(K\x01tR"), Some(Severity::High));
    }

    #[test]
    fn a_late_key_of_a_state_is_seen() {
        let filler: Vec<u8> = (0..200u8).flat_map(|n| [b'K', n, b'N']).collect();
        let state = [b"}(", filler.as_slice(), b"\x8c\x13_parse_arg_template\x8c\x09import osu"].concat();
        let program = [b"cscipy.stats._continuous_distns\nnorm_gen\n)\x81", state.as_slice(), b"b"].concat();
        assert_eq!(worst(&program), Some(Severity::High));
    }

    #[test]
    fn what_takes_all_memory_or_all_time_is_seen() {
        assert_eq!(worst(b"cbuiltins\nbytearray\n(\x8a\x06\0\0\0\0\x10\0tR"), Some(Severity::High));
        assert_eq!(worst(b"cbuiltins\nbytearray\n(K\x08tR"), None);
        let doubled = |depth: usize| [b"\x8c\x01a".as_slice(), &b"2\x86".repeat(depth)].concat();
        for (depth, expected) in [(4, None), (30, Some(Severity::High))] {
            let key = doubled(depth);
            assert_eq!(worst(&[b"}", key.as_slice(), b"Ns"].concat()), expected, "a dictionary");
            assert_eq!(worst(&[b"\x8f(", key.as_slice(), b"\x90"].concat()), expected, "a set");
            assert_eq!(worst(&[b"(", key.as_slice(), b"\x91"].concat()), expected, "a frozen set");
            assert_eq!(worst(&[b"}N", key.as_slice(), b"s"].concat()), None, "a value is not hashed");
        }
    }

    #[test]
    fn only_makers_of_classes_are_called() {
        let call = |class: &str| [format!("c{class}\n").as_bytes(), b")\x81K\x01\x85R"].concat();
        assert!(worst(&call("torch_geometric.data.batch\nDynamicInheritanceGetter")) < Some(Severity::High));
        assert_eq!(worst(&call("torch_geometric.data.batch\nBatch")), Some(Severity::High));
    }

    #[test]
    fn classes_and_attributes_of_others_are_not_changed() {
        let program =
            b"cbuiltins\ntype\n(ccollections\nUserDict\n)RtR(N}\x8c\x0c__contains__cbuiltins\nlen\nstb";
        assert_eq!(worst(program), Some(Severity::Critical));
    }
}
