//! Tokens to a tree, by recursive descent, with GitHub's limits.

use serde_json::Value;

use super::ast::{Expr, ExprKind, Function, Operator};
use super::lexer::{Token, tokens};
use crate::source::{Fault, Span};

/// GitHub's limit on nesting.
const MAX_DEPTH: usize = 50;
/// GitHub's limit on length.
const MAX_LENGTH: usize = 21_000;

/// Parses an expression, without `${{` and `}}`.
///
/// # Errors
/// What does not read, in GitHub's words, with its place in the text.
pub fn parse(text: &str) -> Result<Expr, Fault> {
    if text.len() > MAX_LENGTH {
        return Err(Fault::new(Span::new(0, 1), format!("Exceeded max expression length {MAX_LENGTH}")));
    }
    if text.trim().is_empty() {
        return Err(Fault::new(Span::new(0, text.len()), "An expression was expected"));
    }
    let mut parser = Parser { text, tokens: tokens(text)?, at: 0, depth: 0 };
    let expr = parser.binary(0)?;
    match parser.peek() {
        Token::End => Ok(expr),
        _ => Err(parser.unexpected()),
    }
}

/// Operators by rising strength.
const LEVELS: [&[(&str, Operator)]; 4] = [
    &[("||", Operator::Or)],
    &[("&&", Operator::And)],
    &[("==", Operator::Equal), ("!=", Operator::NotEqual)],
    &[
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ],
];

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(Token, Span)>,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn span(&self) -> Span {
        self.tokens[self.at].1
    }

    fn take(&mut self, sign: &str) -> bool {
        let taken = matches!(self.peek(), Token::Sign(found) if *found == sign);
        self.at += usize::from(taken);
        taken
    }

    fn expect(&mut self, sign: &str) -> Result<(), Fault> {
        if self.take(sign) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn binary(&mut self, level: usize) -> Result<Expr, Fault> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        loop {
            let found =
                operators.iter().find(|(sign, _)| matches!(self.peek(), Token::Sign(found) if found == sign));
            let Some((_, operator)) = found else { return Ok(left) };
            self.at += 1;
            let right = self.binary(level + 1)?;
            let span = Span::new(left.span.start, right.span.end);
            left = Expr { span, kind: ExprKind::Binary(*operator, Box::new(left), Box::new(right)) };
        }
    }

    fn unary(&mut self) -> Result<Expr, Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Fault::new(self.span(), format!("Exceeded max expression depth {MAX_DEPTH}")));
        }
        let start = self.span().start;
        let expr = if self.take("!") {
            let inner = self.unary()?;
            Expr { span: Span::new(start, inner.span.end), kind: ExprKind::Not(Box::new(inner)) }
        } else {
            self.postfix()?
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn postfix(&mut self) -> Result<Expr, Fault> {
        let mut expr = self.primary()?;
        let mut links = 0;
        loop {
            let start = expr.span.start;
            let kind = if self.take(".") {
                if self.take("*") {
                    ExprKind::Star(Box::new(expr))
                } else {
                    let span = self.span();
                    let Token::Name(name) = self.peek().clone() else { return Err(self.unexpected()) };
                    self.at += 1;
                    let key = Expr { span, kind: ExprKind::Literal(Value::String(name)) };
                    ExprKind::Index(Box::new(expr), Box::new(key))
                }
            } else if self.take("[") {
                let kind = if self.take("*") {
                    ExprKind::Star(Box::new(expr))
                } else {
                    ExprKind::Index(Box::new(expr), Box::new(self.binary(0)?))
                };
                self.expect("]")?;
                kind
            } else {
                return Ok(expr);
            };
            links += 1;
            if links > MAX_DEPTH {
                return Err(Fault::new(self.span(), format!("Exceeded max expression depth {MAX_DEPTH}")));
            }
            expr = Expr { span: Span::new(start, self.tokens[self.at - 1].1.end), kind };
        }
    }

    fn primary(&mut self) -> Result<Expr, Fault> {
        let span = self.span();
        match self.peek().clone() {
            Token::Literal(value) => {
                self.at += 1;
                Ok(Expr { span, kind: ExprKind::Literal(value) })
            }
            Token::Name(name) => {
                self.at += 1;
                if self.take("(") {
                    return self.call(&name, span);
                }
                Ok(Expr { span, kind: ExprKind::Context(name) })
            }
            Token::Sign("(") => {
                self.at += 1;
                let inner = self.binary(0)?;
                self.expect(")")?;
                Ok(inner)
            }
            _ => Err(self.unexpected()),
        }
    }

    fn call(&mut self, name: &str, span: Span) -> Result<Expr, Fault> {
        let known = Function::ALL.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name));
        let Some((known, function, least, most)) = known else {
            let fault = self.located(span, &format!("Unrecognized function: '{name}'"));
            let near = |(known, ..): &&(&str, Function, usize, usize)| {
                strsim::damerau_levenshtein(&known.to_lowercase(), &name.to_lowercase())
            };
            return Err(match Function::ALL.iter().min_by_key(near) {
                Some(best) if near(&best) <= 3 => fault.hint(format!("did you mean `{}`?", best.0)),
                _ => fault,
            });
        };
        let mut arguments = Vec::new();
        if !self.take(")") {
            loop {
                arguments.push(self.binary(0)?);
                if !self.take(",") {
                    break;
                }
            }
            self.expect(")")?;
        }
        let count = arguments.len();
        let even_case = *function == Function::Case && count % 2 == 0;
        if count < *least || even_case {
            return Err(self.located(span, &format!("Too few parameters supplied: '{known}'")));
        }
        if count > *most {
            return Err(self.located(span, &format!("Too many parameters supplied: '{known}'")));
        }
        let span = Span::new(span.start, self.tokens[self.at - 1].1.end);
        Ok(Expr { span, kind: ExprKind::Call(*function, arguments) })
    }

    fn unexpected(&self) -> Fault {
        let span = self.span();
        if *self.peek() == Token::End {
            return Fault::new(span, format!("Unexpected end of expression: {}", self.text.trim()));
        }
        self.located(span, &format!("Unexpected symbol: '{}'", &self.text[span.start..span.end]))
    }

    fn located(&self, span: Span, message: &str) -> Fault {
        let position = self.text[..span.start].chars().count() + 1;
        Fault::new(
            span,
            format!("{message}. Located at position {position} within expression: {}", self.text.trim()),
        )
    }
}
