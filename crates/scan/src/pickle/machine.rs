//! The stack machine: runs a pickle's program over symbols.
//!
//! Where Python's two readers differ, the machine does what either of them would. An error that stops both stops
//! it too; what was done until then counts, because a loader would have done it.

use std::collections::HashMap;

use super::decode::{Broken, Decoder, Op};
use super::policy::{self, Judgement};
use super::value::{Heap, KEPT_ENTRIES, KEPT_ITEMS, Object, Value};
use crate::blob::Blob;
use crate::findings::Severity;
use crate::model::Issue;

/// Steps after which a program is given up on. Real models stay far below.
const MAX_STEPS: u64 = 100_000_000;
const MAX_STACK: usize = 4 << 20;
const MAX_MEMO: usize = 8 << 20;
const MAX_GLOBALS: usize = 10_000;

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It said so.
    Stopped,
    /// A reader would have failed here.
    Broken(Broken),
    /// It is longer or larger than any real one.
    Exhausted,
}

/// How the bytes behind a joblib array wrapper are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrays {
    /// As joblib does: they are the array.
    Skip,
    /// As pickle does: they are the program.
    Run,
}

/// A name that the program imports.
#[derive(Debug)]
pub(super) struct Import {
    pub(super) module: String,
    pub(super) name: String,
    pub(super) judgement: Judgement,
    /// Models name it, and nothing calls it.
    pub(super) only_named: bool,
    /// It was called, rather than only mentioned.
    pub(super) called: bool,
    /// An object was made of it without a call of its own code, which works with classes only.
    pub(super) is_class: bool,
}

/// How something is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Calling {
    /// `callee(*arguments)`: its own code runs.
    Call,
    /// `callee.__new__(callee, *arguments)`: how classes are restored that do not say otherwise.
    New,
}

/// A machine at work on one pickle.
pub(super) struct Machine<'a> {
    pub(super) blob: &'a Blob,
    pub(super) decoder: Decoder,
    pub(super) arrays: Arrays,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: Memo,
    pub(super) heap: Heap,
    pub(super) imports: Vec<Import>,
    import_index: HashMap<(String, String), u32>,
    /// Names that were resolved once are not read again.
    resolved: HashMap<(Value, Value), Value>,
    pub(super) issues: Vec<Issue>,
    /// Bytes that the program hands to another loader.
    pub(super) nested: Vec<Blob>,
    /// Arrays that were passed over.
    pub(super) arrays_seen: usize,
    pub(super) calls: usize,
    /// Instructions, and what was looked at for them beyond a few values.
    pub(super) steps: u64,
    /// How many steps it may take.
    most: u64,
    /// It declares a protocol, as all binary pickles do.
    pub(super) declared: bool,
    frame_end: Option<u64>,
}

/// The memo: dense from zero, as every real pickler numbers it, with the rest aside.
#[derive(Debug, Default)]
struct Memo {
    dense: Vec<Option<Value>>,
    sparse: HashMap<u64, Value>,
    count: u64,
}

impl Memo {
    fn put(&mut self, index: u64, value: Value) {
        let place = index as usize;
        let new = if index < self.dense.len() as u64 {
            self.dense[place].replace(value).is_none()
        } else if index == self.dense.len() as u64 && place < MAX_MEMO {
            self.dense.push(Some(value));
            true
        } else if self.sparse.len() < MAX_MEMO / 8 || self.sparse.contains_key(&index) {
            self.sparse.insert(index, value).is_none()
        } else {
            true
        };
        self.count += u64::from(new);
    }

    fn get(&self, index: u64) -> Option<Value> {
        let dense = self.dense.get(usize::try_from(index).ok()?).copied().flatten();
        dense.or_else(|| self.sparse.get(&index).copied()).or((index < self.count).then_some(Value::Opaque))
    }
}

impl<'a> Machine<'a> {
    pub(super) fn new(blob: &'a Blob, start: u64, arrays: Arrays) -> Self {
        Self {
            blob,
            decoder: Decoder::new(blob, start),
            arrays,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: Memo::default(),
            heap: Heap::default(),
            imports: Vec::new(),
            import_index: HashMap::new(),
            resolved: HashMap::new(),
            issues: Vec::new(),
            nested: Vec::new(),
            arrays_seen: 0,
            calls: 0,
            steps: 0,
            most: MAX_STEPS,
            declared: false,
            frame_end: None,
        }
    }

    /// The same, with fewer steps to take.
    pub(super) fn within(self, steps: u64) -> Self {
        Self { most: steps, ..self }
    }

    /// Runs the program to its end.
    pub(super) fn run(&mut self) -> End {
        loop {
            let before = self.decoder.position();
            let op = match self.decoder.next() {
                Ok(op) => op,
                Err(broken) => return End::Broken(broken),
            };
            self.check_frame(before, &op);
            if op == Op::Stop {
                return if self.pop().is_some() { End::Stopped } else { End::Broken(Broken::Invalid) };
            }
            self.steps += 1;
            if self.steps > self.most || self.stack.len() > MAX_STACK || self.imports.len() > MAX_GLOBALS {
                return End::Exhausted;
            }
            if self.step(op).is_none() {
                return End::Broken(Broken::Invalid);
            }
        }
    }

    /// An instruction that lies across the end of its frame is read differently by Python's two readers.
    fn check_frame(&mut self, before: u64, op: &Op) {
        let after = self.decoder.position();
        if let Some(end) = self.frame_end
            && before < end
            && (after > end || matches!(op, Op::Frame(_)))
        {
            self.report(
                "pickle-frame",
                Severity::High,
                "its frames do not fit its instructions, so that two readers may see two programs",
            );
            self.frame_end = None;
        }
        if let Op::Frame(length) = op {
            self.frame_end = Some(after.saturating_add(*length));
        }
    }

    /// Carries out one instruction; `None` where every reader would fail.
    fn step(&mut self, op: Op) -> Option<()> {
        match op {
            Op::Mark => self.marks.push(self.stack.len()),
            Op::Stop | Op::Frame(_) => {}
            Op::Protocol(version) => {
                self.declared = true;
                return (version <= 5).then_some(());
            }
            Op::Pop => {
                if self.marks.last() == Some(&self.stack.len()) {
                    self.marks.pop();
                } else {
                    self.pop()?;
                }
            }
            Op::PopMark => drop(self.pop_mark()?),
            Op::Duplicate => self.push(self.top()?),
            Op::Push(value) => self.push(value),
            Op::PushWritten(text) => {
                let value = self.heap.write(text);
                self.push(value);
            }
            Op::PersistentText => self.push(Value::Opaque),
            Op::Persistent => {
                let id = self.pop()?;
                self.push(self.persistent(id));
            }
            Op::Extension(code) => {
                self.report(
                    "pickle-extension",
                    Severity::High,
                    format!("it uses extension code {code}, whose meaning is not in the file"),
                );
                self.push(Value::Opaque);
            }
            Op::Global { module, name } => {
                let value = self.import(&module, &name);
                self.push(value);
            }
            Op::StackGlobal => self.stack_global()?,
            Op::Get(index) => {
                let value = self.memo.get(index)?;
                self.push(value);
            }
            Op::Put(index) => self.memo.put(index, self.top()?),
            Op::Memoize => self.memo.put(self.memo.count, self.top()?),
            Op::ReadonlyBuffer => drop(self.top()?),
            Op::Reduce | Op::Build | Op::Object | Op::NewObject | Op::NewObjectEx | Op::Instance { .. } => {
                return self.step_call(op);
            }
            _ => return self.step_container(op),
        }
        Some(())
    }

    /// What a persistent id stands for. PyTorch writes classes of whole models as `("module", class, file, source)`; all else is
    /// known to loaders only.
    fn persistent(&self, id: Value) -> Value {
        let said = self.heap.tuple(id).and_then(|items| match items {
            [kind, class @ Value::Global(_), ..] => Some((*kind, *class)),
            _ => None,
        });
        match said {
            Some((kind, class)) if self.heap.text(self.blob, kind).as_deref() == Some("module") => class,
            _ => Value::Opaque,
        }
    }

    fn step_call(&mut self, op: Op) -> Option<()> {
        let made = match op {
            Op::Reduce | Op::NewObject => {
                let calling = if op == Op::Reduce { Calling::Call } else { Calling::New };
                let arguments = self.pop()?;
                let callee = self.pop()?;
                let arguments = self.heap.tuple(arguments).map(<[Value]>::to_vec);
                self.call(callee, arguments, calling)
            }
            Op::NewObjectEx => {
                let keywords = self.pop()?;
                let arguments = self.pop()?;
                let callee = self.pop()?;
                let mut arguments = self.heap.tuple(arguments).map(<[Value]>::to_vec);
                let keywords = self.heap.dict(keywords).unwrap_or_default().iter().map(|(_, value)| *value);
                if let Some(arguments) = &mut arguments {
                    arguments.extend(keywords);
                }
                self.call(callee, arguments, Calling::New)
            }
            Op::Object => {
                let items = self.pop_mark()?;
                let (callee, arguments) = items.split_first()?;
                self.call(*callee, Some(arguments.to_vec()), Calling::Call)
            }
            Op::Instance { module, name } => {
                let arguments = self.pop_mark()?;
                let callee = self.import(&module, &name);
                self.call(callee, Some(arguments), Calling::Call)
            }
            _ => {
                let state = self.pop()?;
                let target = self.top()?;
                return self.build(target, state);
            }
        };
        self.push(made);
        Some(())
    }

    fn step_container(&mut self, op: Op) -> Option<()> {
        let made = match op {
            Op::EmptyTuple => Object::Tuple(Vec::new()),
            Op::TupleOf(count) => {
                let at = self.stack.len().checked_sub(count).filter(|at| *at >= self.fence())?;
                let items = self.stack.split_off(at);
                self.tuple(items)
            }
            Op::Tuple => {
                let items = self.pop_mark()?;
                self.tuple(items)
            }
            Op::EmptyList => Object::List,
            Op::EmptyDict => Object::Dict(Vec::new()),
            Op::EmptySet => Object::Set,
            Op::List | Op::FrozenSet => {
                for item in self.pop_mark()? {
                    self.hand_on(item);
                    if op == Op::FrozenSet {
                        self.check_key(item);
                    }
                }
                if op == Op::List { Object::List } else { Object::Set }
            }
            Op::Dict => {
                let items = self.pop_mark()?;
                let dict = self.heap.add(Object::Dict(Vec::new()));
                self.push(dict);
                return self.set_items(dict, &items);
            }
            Op::Append => {
                let item = self.pop()?;
                let target = self.top()?;
                return self.add_items(target, &[item]);
            }
            Op::Appends | Op::AddItems => {
                let items = self.pop_mark()?;
                if op == Op::AddItems {
                    items.iter().for_each(|item| self.check_key(*item));
                }
                let target = self.top()?;
                return self.add_items(target, &items);
            }
            Op::SetItem => {
                let value = self.pop()?;
                let key = self.pop()?;
                let target = self.top()?;
                return self.set_items(target, &[key, value]);
            }
            Op::SetItems => {
                let items = self.pop_mark()?;
                let target = self.top()?;
                return self.set_items(target, &items);
            }
            _ => return None,
        };
        let made = self.heap.add(made);
        self.push(made);
        Some(())
    }

    fn tuple(&mut self, mut items: Vec<Value>) -> Object {
        for item in &items {
            self.hand_on(*item);
        }
        items.truncate(KEPT_ITEMS);
        Object::Tuple(items)
    }

    fn add_items(&mut self, target: Value, items: &[Value]) -> Option<()> {
        for item in items {
            self.hand_on(*item);
        }
        self.check_written_to(target);
        Some(())
    }

    fn set_items(&mut self, target: Value, items: &[Value]) -> Option<()> {
        for item in items {
            self.hand_on(*item);
        }
        items.iter().step_by(2).for_each(|key| self.check_key(*key));
        self.check_written_to(target);
        if let Some(Object::Dict(entries)) = self.heap.get_mut(target) {
            let room = KEPT_ENTRIES.saturating_sub(entries.len());
            entries.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])).take(room));
        }
        Some(())
    }

    /// A few tuples in one another, each many times, take for ever to hash.
    fn check_key(&mut self, key: Value) {
        const MOST: u32 = 10_000_000;
        if self.heap.hashing(key) > MOST {
            let title = "it has a key that takes longer to hash than any real one";
            self.report("pickle-limit", Severity::High, title);
        }
    }

    /// Items are for containers; an imported class or module is none.
    fn check_written_to(&mut self, target: Value) {
        if let Value::Global(index) = target {
            let name = self.full_name(index);
            self.report("pickle-write", Severity::High, format!("it changes `{name}` itself"));
        }
    }

    /// `STACK_GLOBAL`: the names are on the stack, however they got there.
    fn stack_global(&mut self) -> Option<()> {
        let name = self.pop()?;
        let module = self.pop()?;
        if let Some(known) = self.resolved.get(&(module, name)) {
            self.push(*known);
            return Some(());
        }
        let text = |value| self.heap.text(self.blob, value);
        let value = match (text(module), text(name)) {
            (Some(module), Some(name)) => self.import(&module, &name),
            _ => {
                self.report(
                    "pickle-computed-import",
                    Severity::Critical,
                    "it imports a name that it computes",
                );
                Value::Opaque
            }
        };
        if self.resolved.len() < MAX_GLOBALS {
            self.resolved.insert((module, name), value);
        }
        self.push(value);
        Some(())
    }

    /// The global of that name, judged when it is first met.
    pub(super) fn import(&mut self, module: &str, name: &str) -> Value {
        let key = (module.to_owned(), name.to_owned());
        if let Some(index) = self.import_index.get(&key) {
            return Value::Global(*index);
        }
        let judgement = policy::judge(module, name);
        let index = self.imports.len() as u32;
        self.imports.push(Import {
            module: key.0.clone(),
            name: key.1.clone(),
            judgement,
            only_named: judgement == Judgement::Allowed && policy::is_only_named(module, name),
            called: false,
            is_class: false,
        });
        self.import_index.insert(key, index);
        Value::Global(index)
    }

    pub(super) fn full_name(&self, index: u32) -> String {
        let import = &self.imports[index as usize];
        format!("{}.{}", import.module, import.name)
    }

    pub(super) fn report(&mut self, rule: &'static str, severity: Severity, title: impl Into<String>) {
        self.add(Issue::new(rule, severity, title));
    }

    pub(super) fn add(&mut self, issue: Issue) {
        // A loop of the same trick says nothing new.
        if self.issues.len() < 100 && !self.issues.contains(&issue) {
            self.issues.push(issue);
        }
    }

    /// Below this the current mark's instructions must not reach.
    fn fence(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    fn top(&self) -> Option<Value> {
        if self.stack.len() > self.fence() { self.stack.last().copied() } else { None }
    }

    fn pop(&mut self) -> Option<Value> {
        if self.stack.len() > self.fence() { self.stack.pop() } else { None }
    }

    fn pop_mark(&mut self) -> Option<Vec<Value>> {
        let mark = self.marks.pop()?;
        Some(self.stack.split_off(mark.min(self.stack.len())))
    }
}
