//! What a name means at some place of a template: contexts, `@data` and block parameters.

use std::rc::Rc;

use super::value::Value;

/// The place.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    /// Contexts, the current one last.
    contexts: Vec<Value>,
    data: Rc<Data>,
    /// Names and values of `as |…|`, the innermost block last.
    block_params: Vec<Rc<Vec<(String, Value)>>>,
}

/// `@name` values; each loop adds a frame.
#[derive(Debug)]
struct Data {
    values: Vec<(&'static str, Value)>,
    parent: Option<Rc<Data>>,
}

impl Scope {
    pub(super) fn new(root: Value) -> Self {
        let data = Data { values: vec![("root", root.clone())], parent: None };
        Self { contexts: vec![root], data: Rc::new(data), block_params: Vec::new() }
    }

    /// The current context.
    pub(super) fn this(&self) -> Value {
        self.above(0)
    }

    /// The context `depth` levels up.
    pub(super) fn above(&self, depth: usize) -> Value {
        let at = self.contexts.len().checked_sub(depth + 1);
        at.map_or(Value::Undefined, |at| self.contexts[at].clone())
    }

    /// The value of `@name`, `depth` frames up.
    pub(super) fn data(&self, depth: usize, name: &str) -> Value {
        let mut frame = Some(&self.data);
        for _ in 0..depth {
            frame = frame.and_then(|data| data.parent.as_ref());
        }
        let frame = frame.and_then(|data| data.values.iter().find(|(key, _)| *key == name));
        frame.map_or(Value::Undefined, |(_, value)| value.clone())
    }

    /// The block parameter `name`.
    pub(super) fn block_param(&self, name: &str) -> Option<Value> {
        let named = self.block_params.iter().rev().flat_map(|params| params.iter());
        named.into_iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }

    /// The inside of a block over `context`; `names` are given `values`, and missing ones are undefined.
    pub(super) fn enter(&self, context: Value, names: &[String], values: &[Value]) -> Self {
        let mut inside = self.clone();
        if !inside.this().is_same(&context) {
            inside.contexts.push(context);
        }
        let value = |at: usize| values.get(at).cloned().unwrap_or(Value::Undefined);
        let params = names.iter().enumerate().map(|(at, name)| (name.clone(), value(at)));
        inside.block_params.push(Rc::new(params.collect()));
        inside
    }

    /// The same place inside one turn of a loop.
    pub(super) fn turn(&self, key: Value, index: usize, last: bool) -> Self {
        let mut values = self.data.values.clone();
        values.retain(|(name, _)| *name == "root");
        let index_value = Value::Number(index as f64);
        values.extend([("key", key), ("index", index_value)]);
        values.extend([("first", Value::Bool(index == 0)), ("last", Value::Bool(last))]);
        let data = Rc::new(Data { values, parent: Some(Rc::clone(&self.data)) });
        Self { data, ..self.clone() }
    }
}
