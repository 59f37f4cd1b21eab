//! Handlebars, as rule texts use it: `{{branch}}`, `{{date 'YYYYMMDD' tz='UTC'}}`, `{{#if major}}…{{/if}}`.
//!
//! The semantics are those of handlebars.js 4.7, because rules are written for it: HTML escaping of `{{x}}`,
//! functions in the context, the order in which helpers and fields are looked up, whitespace control, and
//! where it fails. The `handlebars` crate differs in all of these (its built-in `raw`, `eq`, `len` … shadow
//! fields of the context, a missing field with arguments does not fail), so the language is implemented here:
//! text → [`lexer`] → [`parser`] → [`whitespace`] → [`render`]. Not supported, and an error: inline partials.

mod lexer;
mod names;
mod parser;
mod printed;
mod render;
mod scope;
mod syntax;
mod value;
mod whitespace;

pub(crate) use render::{Call, Host};
pub(crate) use value::{Function, Object, Value};

/// Why a template cannot be read or expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct TemplateError(pub(crate) String);

impl TemplateError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// Expands `source` over `context`; `host` answers calls of the context's functions.
pub(crate) fn expand(source: &str, context: Value, host: &Host<'_>) -> Result<String, TemplateError> {
    if !source.contains("{{") {
        return Ok(source.to_owned());
    }
    let mut program = parser::parse(source)?;
    whitespace::strip(&mut program);
    render::render(&program, context, host)
}

/// The names that `source` asks of its context.
///
/// # Errors
/// `source` is not a template.
pub(crate) fn names(source: &str) -> Result<Vec<String>, TemplateError> {
    Ok(names::names(&parser::parse(source)?))
}

/// Whether `source` is one mustache of a path whose only part is `name`, and nothing else.
pub(crate) fn is_lone_mustache(source: &str, name: &str) -> bool {
    let Ok(program) = parser::parse(source) else { return false };
    match program.body.as_slice() {
        [syntax::Statement::Mustache(mustache)] => match &mustache.call.callee {
            syntax::Expression::Path(path) => path.parts == [name],
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests;
