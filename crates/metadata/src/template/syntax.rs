//! The syntax tree of a template.

/// A sequence of statements: a template, or the inside of a block.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Program {
    pub(super) body: Vec<Statement>,
    /// Names of `{{#each x as |a b|}}`.
    pub(super) block_params: Vec<String>,
    /// Whether this is the inside of an `{{else if …}}`, whose only statement is that block.
    pub(super) chained: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Statement {
    Content(Content),
    Comment(Strip),
    Mustache(Mustache),
    Block(Box<Block>),
    Partial(Box<Partial>),
    /// `{{* name}}` or `{{#* name}}…{{/name}}`.
    Decorator(Strip),
}

/// Literal text; `value` is what whitespace control leaves of `original`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Content {
    pub(super) original: String,
    pub(super) value: String,
    pub(super) left_stripped: bool,
    pub(super) right_stripped: bool,
}

/// Which sides of a tag carry `~`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Strip {
    pub(super) open: bool,
    pub(super) close: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mustache {
    pub(super) call: CallExpression,
    pub(super) escaped: bool,
    pub(super) strip: Strip,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Block {
    pub(super) call: CallExpression,
    pub(super) program: Option<Program>,
    pub(super) inverse: Option<Program>,
    pub(super) open_strip: Strip,
    pub(super) inverse_strip: Strip,
    pub(super) close_strip: Strip,
}

/// `{{> name}}`, or `{{#> name}}…{{/name}}` with the program to show where no such partial exists.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Partial {
    pub(super) call: CallExpression,
    pub(super) fallback: Option<Program>,
    pub(super) strip: Strip,
    pub(super) close_strip: Strip,
}

/// `callee param … key=param …`
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CallExpression {
    pub(super) callee: Expression,
    pub(super) params: Vec<Expression>,
    pub(super) hash: Vec<(String, Expression)>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Path(Path),
    Text(String),
    Number(f64),
    Bool(bool),
    Undefined,
    Null,
    Call(Box<CallExpression>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Path {
    /// Whether it starts with `@`.
    pub(super) data: bool,
    /// How many `../` it starts with.
    pub(super) depth: usize,
    pub(super) parts: Vec<String>,
    /// As written, brackets removed.
    pub(super) original: String,
}

impl Path {
    /// Whether it is written as one of the current context (`this.x`, `./x`), which rules out helpers.
    /// A name that merely ends in `this` counts too, as in handlebars.js.
    pub(super) fn is_scoped(&self) -> bool {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        self.original.starts_with('.')
            || self.original.match_indices("this").any(|(at, _)| !self.original[at + 4..].starts_with(word))
    }

    /// Whether it is one plain name, which may be a helper.
    pub(super) fn is_simple(&self) -> bool {
        self.parts.len() == 1 && self.depth == 0 && !self.is_scoped()
    }
}

impl Expression {
    /// What a closing tag must repeat.
    pub(super) fn original(&self) -> String {
        match self {
            Self::Path(path) => path.original.clone(),
            Self::Text(text) => text.clone(),
            Self::Number(number) => crate::javascript::number_to_string(*number),
            Self::Bool(value) => value.to_string(),
            Self::Undefined | Self::Call(_) => "undefined".to_owned(),
            Self::Null => "null".to_owned(),
        }
    }

    /// The callee as a path: a literal in its place is a name.
    pub(super) fn to_path(&self) -> Path {
        match self {
            Self::Path(path) => path.clone(),
            literal => {
                let name = literal.original();
                Path { data: false, depth: 0, parts: vec![name.clone()], original: name }
            }
        }
    }
}
