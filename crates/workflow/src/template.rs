//! Texts with `${{ … }}` in them, and trees of such texts.

use serde_json::{Map, Value};

use crate::availability::Available;
use crate::expr::{self, Expr, Scope};
use crate::source::{Fault, Source, Span};
use crate::yaml::{Kind, Node};

/// A text, parsed.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// Where it stands in the file.
    pub span: Span,
    /// As written.
    pub raw: String,
    /// Texts and expressions in order.
    pub parts: Vec<Part>,
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// As it stands.
    Literal(Value),
    /// An expression, and where its text begins in the file.
    Expr(Expr, usize),
}

impl Template {
    /// A text without expressions.
    pub fn literal(text: &str, span: Span) -> Self {
        Self { span, raw: text.to_owned(), parts: vec![Part::Literal(text.into())] }
    }

    /// The value: of one expression alone as it is, else a text.
    ///
    /// # Errors
    /// An expression that cannot be evaluated, with its place in the file.
    pub fn value(&self, scope: &dyn Scope) -> Result<Value, Fault> {
        if let [part] = self.parts.as_slice() {
            return part.value(scope);
        }
        let mut text = String::new();
        for part in &self.parts {
            text.push_str(&expr::text(&part.value(scope)?));
        }
        Ok(Value::String(text))
    }

    /// The value as text.
    ///
    /// # Errors
    /// As [`Self::value`].
    pub fn text(&self, scope: &dyn Scope) -> Result<String, Fault> {
        Ok(expr::text(&self.value(scope)?))
    }

    /// The expressions in it.
    pub fn exprs(&self) -> impl Iterator<Item = (&Expr, usize)> {
        self.parts.iter().filter_map(|part| match part {
            Part::Expr(expr, at) => Some((expr, *at)),
            Part::Literal(_) => None,
        })
    }

    /// Whether it holds no expression.
    pub fn is_literal(&self) -> bool {
        self.exprs().next().is_none()
    }

    /// What it looks at: `secrets.token`, `steps.meta.outputs.tags` …, lower-cased.
    pub fn paths(&self) -> Vec<Vec<String>> {
        self.exprs().flat_map(|(expr, _)| expr.paths()).collect()
    }
}

impl Part {
    fn value(&self, scope: &dyn Scope) -> Result<Value, Fault> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Expr(expr, at) => expr::evaluate(expr, scope).map_err(|fault| shifted(fault, *at)),
        }
    }
}

fn shifted(fault: Fault, by: usize) -> Fault {
    Fault { span: Span::new(fault.span.start + by, fault.span.end + by), ..fault }
}

/// Reads templates out of nodes, and keeps what is wrong.
pub(crate) struct Templates<'a> {
    pub(crate) source: &'a Source,
    pub(crate) faults: Vec<Fault>,
}

impl Templates<'_> {
    /// The template in a scalar.
    pub(crate) fn read(&mut self, node: &Node, available: &Available) -> Template {
        let Kind::Scalar(text, plain) = &node.kind else {
            self.faults
                .push(Fault::new(node.span, format!("expected a text, and this is {}", node.described())));
            return Template::literal("", node.span);
        };
        let mut parts = Vec::new();
        let mut rest = 0;
        let mut count = 0;
        while let Some(start) = text[rest..].find("${{").map(|at| rest + at) {
            let Some(end) = closing(&text[start + 3..]).map(|at| start + 3 + at) else {
                let at = self.place(node, count).unwrap_or(node.span.start);
                let span = Span::new(at, at + 3);
                self.faults.push(Fault::new(span, "The expression is not closed. An unescaped ${{ sequence was found, but the closing }} sequence was not found."));
                break;
            };
            if start > rest {
                parts.push(Part::Literal(text[rest..start].into()));
            }
            let inner = &text[start + 3..end];
            let at = self.place(node, count).map_or(node.span.start, |at| at + 3);
            if let Some(expr) = self.parse(inner, at, available) {
                parts.push(Part::Expr(expr, at));
            }
            rest = end + 2;
            count += 1;
        }
        if rest == 0 {
            let value = if *plain { crate::yaml::plain(text) } else { Value::String(text.clone()) };
            // A number keeps its spelling where it becomes a text: `1.10` is not `1.1`.
            let value = if value.is_number() { Value::String(text.clone()) } else { value };
            parts.push(Part::Literal(value));
        } else if rest < text.len() {
            parts.push(Part::Literal(text[rest..].into()));
        }
        Template { span: node.span, raw: text.clone(), parts }
    }

    /// The expression of an `if`, which needs no braces. Text around braces makes it a text, which is true.
    pub(crate) fn condition(&mut self, node: &Node, available: &Available) -> Option<Template> {
        let Kind::Scalar(text, _) = &node.kind else {
            self.faults.push(Fault::new(
                node.span,
                format!("expected an expression, and this is {}", node.described()),
            ));
            return None;
        };
        if text.contains("${{") {
            return Some(self.read(node, available));
        }
        let at =
            self.source.slice(node.span).find(text.trim()).map_or(node.span.start, |at| node.span.start + at);
        let expr = self.parse(text.trim(), at, available)?;
        Some(Template { span: node.span, raw: text.clone(), parts: vec![Part::Expr(expr, at)] })
    }

    fn parse(&mut self, text: &str, at: usize, available: &Available) -> Option<Expr> {
        match expr::parse(text) {
            Ok(expr) => {
                let faults = available.check(&expr, text);
                self.faults.extend(faults.into_iter().map(|fault| shifted(fault, at)));
                Some(expr)
            }
            Err(fault) => {
                self.faults.push(shifted(fault, at));
                None
            }
        }
    }

    /// Where the `count`-th `${{` of a scalar stands in the file.
    fn place(&self, node: &Node, count: usize) -> Option<usize> {
        let slice = self.source.slice(node.span);
        slice.match_indices("${{").nth(count).map(|(at, _)| node.span.start + at)
    }

    /// A tree of templates.
    pub(crate) fn tree(&mut self, node: &Node, available: &Available) -> Tree {
        match &node.kind {
            Kind::Scalar(..) if node.is_null() => Tree::Text(Template {
                span: node.span,
                raw: String::new(),
                parts: vec![Part::Literal(Value::Null)],
            }),
            Kind::Scalar(..) => {
                let mut template = self.read(node, available);
                if let [Part::Literal(value)] = template.parts.as_mut_slice() {
                    *value = node.value();
                }
                Tree::Text(template)
            }
            Kind::Sequence(items) => {
                Tree::List(items.iter().map(|item| self.tree(item, available)).collect())
            }
            Kind::Mapping(pairs) => {
                let pair = |(key, value): &(Node, Node)| {
                    (key.text().unwrap_or_default().to_owned(), self.tree(value, available))
                };
                Tree::Map(pairs.iter().map(pair).collect())
            }
        }
    }
}

/// Where `}}` closes an expression: not inside of a quoted text.
fn closing(text: &str) -> Option<usize> {
    let mut quoted = false;
    let bytes = text.as_bytes();
    (0..bytes.len()).find(|at| {
        quoted ^= bytes[*at] == b'\'';
        !quoted && bytes[*at..].starts_with(b"}}")
    })
}

/// YAML whose texts are templates.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    /// A scalar.
    Text(Template),
    /// A list.
    List(Vec<Tree>),
    /// Keys and values.
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// The value with every template evaluated.
    ///
    /// # Errors
    /// As [`Template::value`].
    pub fn value(&self, scope: &dyn Scope) -> Result<Value, Fault> {
        Ok(match self {
            Self::Text(template) => template.value(scope)?,
            Self::List(items) => {
                items.iter().map(|item| item.value(scope)).collect::<Result<Vec<_>, _>>()?.into()
            }
            Self::Map(pairs) => {
                let mut members = Map::new();
                for (key, tree) in pairs {
                    members.insert(key.clone(), tree.value(scope)?);
                }
                Value::Object(members)
            }
        })
    }

    /// Where it begins.
    pub fn span(&self) -> Span {
        match self {
            Self::Text(template) => template.span,
            Self::List(items) => items.first().map_or(Span::default(), Self::span),
            Self::Map(pairs) => pairs.first().map_or(Span::default(), |(_, tree)| tree.span()),
        }
    }

    /// Every template in it.
    pub fn templates(&self) -> Vec<&Template> {
        match self {
            Self::Text(template) => vec![template],
            Self::List(items) => items.iter().flat_map(Self::templates).collect(),
            Self::Map(pairs) => pairs.iter().flat_map(|(_, tree)| tree.templates()).collect(),
        }
    }

    /// Whether no expression is in it.
    pub fn is_literal(&self) -> bool {
        self.templates().iter().all(|template| template.is_literal())
    }
}

/// Whether an `if` holds. One that does not ask how things went holds only while all went well.
///
/// # Errors
/// An expression that cannot be evaluated.
pub fn holds(condition: Option<&Template>, scope: &dyn Scope) -> Result<bool, Fault> {
    let Some(condition) = condition else { return Ok(scope.status().success) };
    if !condition.exprs().any(|(expr, _)| expr.asks_status()) && !scope.status().success {
        return Ok(false);
    }
    Ok(expr::truthy(&condition.value(scope)?))
}
