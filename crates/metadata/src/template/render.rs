//! A syntax tree and a context to text.

use super::TemplateError;
use super::printed::Printed;
use super::scope::Scope;
use super::syntax::{Block, CallExpression, Expression, Path, Program, Statement};
use super::value::{Function, Value};

/// Answers calls of the context's functions.
pub(crate) type Host<'a> = dyn Fn(&Call<'_>) -> Result<Value, TemplateError> + 'a;

/// A call of a function of the context.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) name: &'static str,
    /// Positional arguments.
    pub(crate) params: &'a [Value],
    /// Named arguments.
    pub(crate) hash: &'a [(String, Value)],
}

/// Helpers that no field of the context can shadow. The last two can only be called from within, and fail.
pub(super) const HELPERS: [&str; 8] =
    ["each", "if", "unless", "with", "log", "lookup", "helperMissing", "blockHelperMissing"];

/// Expands a template.
pub(super) fn render(program: &Program, context: Value, host: &Host<'_>) -> Result<String, TemplateError> {
    let mut renderer = Renderer { host, output: Printed::Nothing };
    renderer.program(program, &Scope::new(context))?;
    Ok(renderer.output.into_text())
}

struct Renderer<'a> {
    host: &'a Host<'a>,
    output: Printed,
}

/// The evaluated arguments of a call.
#[derive(Default)]
struct Arguments {
    params: Vec<Value>,
    hash: Vec<(String, Value)>,
}

impl Renderer<'_> {
    fn program(&mut self, program: &Program, scope: &Scope) -> Result<(), TemplateError> {
        refuse_decorators(program)?;
        for statement in &program.body {
            match statement {
                Statement::Content(content) if content.value.is_empty() => {}
                Statement::Content(content) => self.output.push_str(&content.value),
                Statement::Comment(_) => {}
                Statement::Mustache(mustache) => {
                    let value = self.call(&mustache.call, false, scope)?;
                    self.append(&value, mustache.escaped);
                }
                Statement::Block(block) => self.block(block, scope)?,
                Statement::Partial(partial) => match &partial.fallback {
                    Some(fallback) => self.fallback(&partial.call, fallback, scope)?,
                    None => {
                        let name = partial.call.callee.original();
                        return Err(TemplateError::new(format!("there is no partial `{name}`")));
                    }
                },
                Statement::Decorator(_) => {}
            }
        }
        Ok(())
    }

    /// The inside of a partial block, as there are no partials.
    fn fallback(
        &mut self,
        call: &CallExpression,
        inside: &Program,
        scope: &Scope,
    ) -> Result<(), TemplateError> {
        let arguments = self.arguments(call, scope)?;
        let context = arguments.params.into_iter().next().unwrap_or_else(|| scope.this());
        self.output.push_str("");
        self.program(inside, &scope.enter(context, &[], &[]))
    }

    /// Null and undefined print nothing.
    fn append(&mut self, value: &Value, escaped: bool) {
        if value.is_nullish() {
            self.output.push_str("");
        } else if escaped {
            self.output.push_str(&escape(&value.to_text()));
        } else {
            self.output.add(Printed::of(value));
        }
    }

    /// The value of `name params hash`: a helper, a function of the context, or a field.
    fn call(&mut self, call: &CallExpression, nested: bool, scope: &Scope) -> Result<Value, TemplateError> {
        let path = call.callee.to_path();
        let is_param = path.is_simple() && scope.block_param(&path.parts[0]).is_some();
        let has_arguments = !call.params.is_empty() || !call.hash.is_empty();
        let helper = !is_param && path.parts.first().is_some_and(|name| HELPERS.contains(&name.as_str()));
        if helper && (nested || has_arguments || path.is_simple()) {
            let arguments = self.arguments(call, scope)?;
            return self.value_helper(&path.parts[0], &arguments);
        }
        if !is_param && (nested || has_arguments) {
            return self.call_function(&path, call, scope);
        }
        let value = self.lookup(&path, scope);
        match value {
            Value::Function(function) => self.invoke(function, &Arguments::default()),
            value => Ok(value),
        }
    }

    /// A call with arguments must find a function; without positional ones, a missing name is undefined.
    fn call_function(
        &mut self,
        path: &Path,
        call: &CallExpression,
        scope: &Scope,
    ) -> Result<Value, TemplateError> {
        let arguments = self.arguments(call, scope)?;
        match self.lookup(path, scope) {
            Value::Function(function) => self.invoke(function, &arguments),
            value if value.is_truthy() => {
                Err(TemplateError::new(format!("`{}` is not a function", path.original)))
            }
            _ if arguments.params.is_empty() => Ok(Value::Undefined),
            _ => Err(TemplateError::new(format!("there is no function `{}`", path.original))),
        }
    }

    fn invoke(&self, function: Function, arguments: &Arguments) -> Result<Value, TemplateError> {
        (self.host)(&Call { name: function.name, params: &arguments.params, hash: &arguments.hash })
    }

    /// `lookup` and `log`; the others only make sense as blocks.
    fn value_helper(&self, name: &str, arguments: &Arguments) -> Result<Value, TemplateError> {
        match (name, arguments.params.as_slice()) {
            ("log", _) => Ok(Value::Undefined),
            ("lookup", [object, ..]) if !object.is_truthy() => Ok(object.clone()),
            ("lookup", [object, field]) => Ok(object.get(&field.to_text())),
            _ => Err(TemplateError::new(format!("`{name}` cannot be used like this"))),
        }
    }

    fn block(&mut self, block: &Block, scope: &Scope) -> Result<(), TemplateError> {
        // Decorators act when a block is met, whether or not its inside is shown.
        block.program.iter().chain(&block.inverse).try_for_each(refuse_decorators)?;
        let path = block.call.callee.to_path();
        let is_param = path.is_simple() && scope.block_param(&path.parts[0]).is_some();
        let has_arguments = !block.call.params.is_empty() || !block.call.hash.is_empty();
        let helper = !is_param && path.parts.first().is_some_and(|name| HELPERS.contains(&name.as_str()));
        if helper && (has_arguments || path.is_simple()) {
            return self.block_helper(&path.parts[0], block, scope);
        }
        if !is_param && has_arguments {
            let value = self.call_function(&path, &block.call, scope)?;
            self.append(&value, false);
            return Ok(());
        }
        let value = self.call(&block.call, false, scope)?;
        self.section(&value, block, scope)
    }

    /// `{{#value}}…{{/value}}`: shown for truth, repeated for a list, entered for anything else.
    fn section(&mut self, value: &Value, block: &Block, scope: &Scope) -> Result<(), TemplateError> {
        match value {
            Value::Bool(true) => self.branch(block.program.as_ref(), scope, scope.this(), &[]),
            Value::Bool(false) | Value::Undefined | Value::Null => self.otherwise(block, scope),
            Value::List(_) => self.each(value, block, scope),
            value => self.branch(block.program.as_ref(), scope, value.clone(), &[]),
        }
    }

    fn block_helper(&mut self, name: &str, block: &Block, scope: &Scope) -> Result<(), TemplateError> {
        let mut arguments = self.arguments(&block.call, scope)?;
        if matches!(name, "log" | "lookup") {
            let value = self.value_helper(name, &arguments)?;
            self.append(&value, false);
            return Ok(());
        }
        let [subject] = arguments.params.as_mut_slice() else {
            return Err(TemplateError::new(format!("`{name}` takes exactly one argument")));
        };
        if let Value::Function(function) = subject {
            *subject = self.invoke(*function, &Arguments::default())?;
        }
        let zero_counts = arguments.hash.iter().any(|(key, value)| key == "includeZero" && value.is_truthy());
        let subject = &arguments.params[0];
        let holds = !subject.is_empty() && (zero_counts || subject.is_truthy());
        match name {
            "each" => self.each(subject, block, scope),
            "with" if subject.is_empty() => self.otherwise(block, scope),
            "with" => {
                let context = subject.clone();
                self.branch(block.program.as_ref(), scope, context.clone(), &[context])
            }
            "if" | "unless" if holds == (name == "if") => {
                self.branch(block.program.as_ref(), scope, scope.this(), &[])
            }
            "if" | "unless" => self.otherwise(block, scope),
            _ => Err(TemplateError::new(format!("`{name}` cannot be used like this"))),
        }
    }

    fn each(&mut self, subject: &Value, block: &Block, scope: &Scope) -> Result<(), TemplateError> {
        let entries: Vec<(Value, Value)> = match subject {
            Value::List(items) => {
                items.iter().enumerate().map(|(at, item)| (Value::Number(at as f64), item.clone())).collect()
            }
            Value::Object(object) => {
                object.fields.iter().map(|(key, value)| (Value::text(key), value.clone())).collect()
            }
            _ => Vec::new(),
        };
        if entries.is_empty() {
            return self.otherwise(block, scope);
        }
        let last = entries.len() - 1;
        let around = std::mem::replace(&mut self.output, Printed::text(""));
        for (index, (key, value)) in entries.into_iter().enumerate() {
            let turn = scope.turn(key.clone(), index, index == last);
            self.branch(block.program.as_ref(), &turn, value.clone(), &[value, key])?;
        }
        let turns = std::mem::replace(&mut self.output, around);
        self.output.add(turns);
        Ok(())
    }

    fn otherwise(&mut self, block: &Block, scope: &Scope) -> Result<(), TemplateError> {
        self.branch(block.inverse.as_ref(), scope, scope.this(), &[])
    }

    fn branch(
        &mut self,
        program: Option<&Program>,
        scope: &Scope,
        context: Value,
        values: &[Value],
    ) -> Result<(), TemplateError> {
        // The inside is put together on its own before it joins what stands around it.
        let around = std::mem::take(&mut self.output);
        if let Some(program) = program {
            self.program(program, &scope.enter(context, &program.block_params, values))?;
        }
        let inside = std::mem::replace(&mut self.output, around);
        self.output.add(inside);
        Ok(())
    }

    fn arguments(&mut self, call: &CallExpression, scope: &Scope) -> Result<Arguments, TemplateError> {
        let params =
            call.params.iter().map(|param| self.expression(param, scope)).collect::<Result<_, _>>()?;
        let mut hash: Vec<(String, Value)> = Vec::with_capacity(call.hash.len());
        for (key, expression) in &call.hash {
            let value = self.expression(expression, scope)?;
            if hash.iter().all(|(known, _)| known != key) {
                hash.push((key.clone(), value));
            }
        }
        Ok(Arguments { params, hash })
    }

    /// An argument: functions are passed as they are, not called.
    fn expression(&mut self, expression: &Expression, scope: &Scope) -> Result<Value, TemplateError> {
        Ok(match expression {
            Expression::Path(path) => self.lookup(path, scope),
            Expression::Text(text) => Value::text(text),
            Expression::Number(number) => Value::Number(*number),
            Expression::Bool(value) => Value::Bool(*value),
            Expression::Undefined => Value::Undefined,
            Expression::Null => Value::Null,
            Expression::Call(call) => self.call(call, true, scope)?,
        })
    }

    /// The value at the end of a path; undefined where it breaks off.
    fn lookup(&self, path: &Path, scope: &Scope) -> Value {
        let Some((first, rest)) = path.parts.split_first() else {
            return scope.above(path.depth);
        };
        let param = if path.depth == 0 && !path.is_scoped() { scope.block_param(first) } else { None };
        let start = match param {
            Some(value) => value,
            None if path.data => scope.data(path.depth, first),
            None => scope.above(path.depth).get(first),
        };
        rest.iter().fold(start, |value, part| if value.is_nullish() { value } else { value.get(part) })
    }
}

/// A decorator that is not known fails, and none is.
fn refuse_decorators(program: &Program) -> Result<(), TemplateError> {
    match program.body.iter().any(|statement| matches!(statement, Statement::Decorator(_))) {
        true => Err(TemplateError::new("decorators and inline partials are not supported")),
        false => Ok(()),
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#x27;"),
            '`' => escaped.push_str("&#x60;"),
            '=' => escaped.push_str("&#x3D;"),
            other => escaped.push(other),
        }
    }
    escaped
}
