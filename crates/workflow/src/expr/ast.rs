//! An expression as a tree.

use serde_json::Value;

use crate::source::Span;

/// A node of the tree; the span is within the expression's text.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub kind: ExprKind,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// `null`, `true`, `1`, `'text'`.
    Literal(Value),
    /// A context by name.
    Context(String),
    /// `a.b` or `a['b']`.
    Index(Box<Expr>, Box<Expr>),
    /// `a.*`.
    Star(Box<Expr>),
    /// `f(a, b)`.
    Call(Function, Vec<Expr>),
    /// `!a`.
    Not(Box<Expr>),
    /// `a == b` and the like.
    Binary(Operator, Box<Expr>, Box<Expr>),
}

/// An operator between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `||`
    Or,
    /// `&&`
    And,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// A function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of GitHub's documentation")]
pub enum Function {
    Contains,
    StartsWith,
    EndsWith,
    Format,
    Join,
    ToJson,
    FromJson,
    HashFiles,
    Case,
    Success,
    Failure,
    Always,
    Cancelled,
}

impl Function {
    /// Name, function, and how many arguments it takes.
    pub(super) const ALL: [(&'static str, Self, usize, usize); 13] = [
        ("contains", Self::Contains, 2, 2),
        ("startsWith", Self::StartsWith, 2, 2),
        ("endsWith", Self::EndsWith, 2, 2),
        ("format", Self::Format, 1, 255),
        ("join", Self::Join, 1, 2),
        ("toJSON", Self::ToJson, 1, 1),
        ("fromJSON", Self::FromJson, 1, 1),
        ("hashFiles", Self::HashFiles, 1, 255),
        ("case", Self::Case, 3, 255),
        ("success", Self::Success, 0, 0),
        ("failure", Self::Failure, 0, 0),
        ("always", Self::Always, 0, 0),
        ("cancelled", Self::Cancelled, 0, 0),
    ];

    /// Whether it asks how things went so far.
    pub fn is_status(self) -> bool {
        matches!(self, Self::Success | Self::Failure | Self::Always | Self::Cancelled)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, function, ..)| *function == self).map_or("", |(name, ..)| name)
    }
}

impl Expr {
    /// Every node below and this one.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Expr)) {
        visit(self);
        match &self.kind {
            ExprKind::Literal(_) | ExprKind::Context(_) => {}
            ExprKind::Star(inner) | ExprKind::Not(inner) => inner.walk(visit),
            ExprKind::Index(left, right) | ExprKind::Binary(_, left, right) => {
                left.walk(visit);
                right.walk(visit);
            }
            ExprKind::Call(_, arguments) => arguments.iter().for_each(|argument| argument.walk(visit)),
        }
    }

    /// Whether a function that asks how things went is part of it.
    pub fn asks_status(&self) -> bool {
        let mut asks = false;
        self.walk(&mut |expr| {
            asks |= matches!(&expr.kind, ExprKind::Call(function, _) if function.is_status())
        });
        asks
    }

    /// The path of a plain chain such as `steps.meta.outputs.tags`, lower-cased.
    pub fn path(&self) -> Option<Vec<String>> {
        match &self.kind {
            ExprKind::Context(name) => Some(vec![name.to_ascii_lowercase()]),
            ExprKind::Index(inner, key) => {
                let ExprKind::Literal(Value::String(key)) = &key.kind else { return None };
                let mut path = inner.path()?;
                path.push(key.to_ascii_lowercase());
                Some(path)
            }
            _ => None,
        }
    }

    /// The longest plain chains in it: what it looks at.
    pub fn paths(&self) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        self.collect(&mut found);
        found
    }

    fn collect(&self, found: &mut Vec<Vec<String>>) {
        if let Some(path) = self.path() {
            found.push(path);
            return;
        }
        match &self.kind {
            ExprKind::Literal(_) | ExprKind::Context(_) => {}
            ExprKind::Star(inner) | ExprKind::Not(inner) => inner.collect(found),
            ExprKind::Index(left, right) | ExprKind::Binary(_, left, right) => {
                left.collect(found);
                right.collect(found);
            }
            ExprKind::Call(_, arguments) => arguments.iter().for_each(|argument| argument.collect(found)),
        }
    }
}
