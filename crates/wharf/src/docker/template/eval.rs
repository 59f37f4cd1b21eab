//! Carrying a template out.

use serde_json::Value;

use super::functions;
use super::parse::{Base, Node, Operand, Pipeline};
use super::print;

/// A template that prints more than this is a mistake, in bytes.
const OUTPUT_MAX: usize = 64 << 20;

pub(super) fn render(nodes: &[Node], value: &Value) -> Result<String, String> {
    let mut scope = Scope { variables: vec![(String::new(), value.clone())], output: String::new() };
    scope.list(nodes, value)?;
    Ok(scope.output)
}

struct Scope {
    variables: Vec<(String, Value)>,
    output: String,
}

/// What a list of nodes asks the loop around it to do.
#[derive(PartialEq)]
enum Flow {
    On,
    Break,
    Continue,
}

impl Scope {
    fn list(&mut self, nodes: &[Node], dot: &Value) -> Result<Flow, String> {
        for node in nodes {
            let flow = self.node(node, dot)?;
            if flow != Flow::On {
                return Ok(flow);
            }
            if self.output.len() > OUTPUT_MAX {
                return Err("prints too much".into());
            }
        }
        Ok(Flow::On)
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Result<Flow, String> {
        match node {
            Node::Text(text) => self.output.push_str(text),
            Node::Action(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                if pipeline.variables.is_empty() {
                    self.output.push_str(&value.as_ref().map_or_else(|| "<no value>".into(), print::plain));
                }
            }
            Node::If(cases, other) => {
                let depth = self.variables.len();
                for (condition, body) in cases {
                    if truth(self.pipeline(condition, dot)?.as_ref()) {
                        return self.inner(body, dot, depth);
                    }
                }
                return self.inner(other, dot, depth);
            }
            Node::With(pipeline, body, other) => {
                let depth = self.variables.len();
                return match self.pipeline(pipeline, dot)? {
                    Some(value) if truth(Some(&value)) => self.inner(body, &value, depth),
                    _ => self.inner(other, dot, depth),
                };
            }
            Node::Range(pipeline, body, other) => return self.range(pipeline, body, other, dot),
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    /// A list in a scope of its own.
    fn inner(&mut self, nodes: &[Node], dot: &Value, depth: usize) -> Result<Flow, String> {
        let flow = self.list(nodes, dot)?;
        self.variables.truncate(depth);
        Ok(flow)
    }

    fn range(
        &mut self,
        pipeline: &Pipeline,
        body: &[Node],
        other: &[Node],
        dot: &Value,
    ) -> Result<Flow, String> {
        let depth = self.variables.len();
        let undeclared = Pipeline { variables: Vec::new(), ..pipeline.clone() };
        let value = self.pipeline(&undeclared, dot)?.unwrap_or(Value::Null);
        let items: Vec<(Value, Value)> = match value {
            Value::Null => Vec::new(),
            Value::Array(items) => (0_u64..).map(Value::from).zip(items).collect(),
            Value::Object(map) => {
                let mut entries: Vec<_> = map.into_iter().collect();
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                entries.into_iter().map(|(key, value)| (key.into(), value)).collect()
            }
            other => return Err(format!("range can't iterate over {}", print::plain(&other))),
        };
        if items.is_empty() {
            return self.inner(other, dot, depth);
        }
        for (key, item) in items {
            match pipeline.variables.as_slice() {
                [] => {}
                [value] => self.declare(value, item.clone()),
                [index, value, ..] => {
                    self.declare(index, key);
                    self.declare(value, item.clone());
                }
            }
            let flow = self.inner(body, &item, depth)?;
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn declare(&mut self, name: &str, value: Value) {
        self.variables.push((name.to_owned(), value));
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Option<Value>, String> {
        let mut value = None;
        for (nth, command) in pipeline.commands.iter().enumerate() {
            let last = if nth == 0 { None } else { Some(value.take().unwrap_or(Value::Null)) };
            value = self.command(command, dot, last)?;
        }
        for name in &pipeline.variables {
            let value = value.clone().unwrap_or(Value::Null);
            if pipeline.assign {
                let known = self.variables.iter_mut().rev().find(|(known, _)| known == name);
                known.ok_or_else(|| format!("undefined variable \"${name}\""))?.1 = value;
            } else {
                self.declare(name, value);
            }
        }
        Ok(value)
    }

    fn command(
        &mut self,
        operands: &[Operand],
        dot: &Value,
        last: Option<Value>,
    ) -> Result<Option<Value>, String> {
        let Some((first, rest)) = operands.split_first() else { return Ok(None) };
        if let Base::Function(name) = &first.base {
            let mut arguments = Vec::new();
            for operand in rest {
                let value = self.operand(operand, dot)?.unwrap_or(Value::Null);
                // These two stop where the answer is known, so what comes after need not make sense.
                let known = matches!((name.as_str(), truth(Some(&value))), ("and", false) | ("or", true));
                arguments.push(value);
                if known {
                    break;
                }
            }
            arguments.extend(last);
            let value = functions::call(name, &arguments)?;
            return walk(value, &first.fields).map_err(|error| format!("at <{name}>: {error}"));
        }
        if let (Base::Dot, [method], [argument]) = (&first.base, first.fields.as_slice(), rest)
            && method == "Label"
        {
            let name = self.operand(argument, dot)?.unwrap_or(Value::Null);
            return Ok(Some(label(dot, &print::plain(&name)).into()));
        }
        if !rest.is_empty() || last.is_some() {
            return Err(format!("at <{}>: can't give argument to non-function", shown(first)));
        }
        self.operand(first, dot)
    }

    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Option<Value>, String> {
        let value = match &operand.base {
            Base::Dot => Some(dot.clone()),
            Base::Literal(value) => Some(value.clone()),
            Base::Variable(name) => {
                let found = if name.is_empty() {
                    self.variables.first()
                } else {
                    self.variables.iter().rev().find(|(known, _)| known == name)
                };
                Some(found.ok_or_else(|| format!("undefined variable \"${name}\""))?.1.clone())
            }
            Base::Function(name) => functions::call(name, &[])?,
            Base::Pipeline(pipeline) => self.pipeline(pipeline, dot)?,
        };
        walk(value, &operand.fields).map_err(|error| format!("at <{}>: {error}", shown(operand)))
    }
}

fn shown(operand: &Operand) -> String {
    format!(".{}", operand.fields.join("."))
}

/// Follows fields into a value.
fn walk(mut value: Option<Value>, fields: &[String]) -> Result<Option<Value>, String> {
    for name in fields {
        value = match value {
            Some(Value::Object(mut map)) => match map.remove(name).or_else(|| map.remove(&small(name))) {
                Some(found) => Some(found),
                None if is_structure(&map) => {
                    return Err(format!("map has no entry for key {name:?}"));
                }
                None => None,
            },
            Some(Value::Null) | None => return Err(format!("nil pointer evaluating {name}")),
            Some(other) => {
                return Err(format!("can't evaluate field {name} in {}", print::plain(&other)));
            }
        };
    }
    Ok(value)
}

/// A field of Go's by its name in JSON, for documents that come from elsewhere.
fn small(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

fn is_structure(map: &serde_json::Map<String, Value>) -> bool {
    map.keys().next().is_some_and(|key| {
        key.starts_with(|c: char| c.is_ascii_uppercase()) && key.chars().all(|c| c.is_ascii_alphanumeric())
    })
}

/// Docker's method of a row: the value of one label, of all that `Labels` holds.
fn label(row: &Value, name: &str) -> String {
    let labels = row.get("Labels").and_then(Value::as_str).unwrap_or_default();
    let pairs = labels.split(',').filter_map(|pair| pair.split_once('='));
    pairs
        .into_iter()
        .find(|(known, _)| *known == name)
        .map_or_else(String::new, |(_, value)| value.to_owned())
}

/// What counts as true: everything but the zero of its kind.
pub(super) fn truth(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::Bool(value)) => *value,
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(map)) => !map.is_empty(),
    }
}
