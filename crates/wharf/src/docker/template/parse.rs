//! From words to a tree.

use serde_json::Value;

use super::functions;
use super::lex::{self, Piece, Token, Word};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Text(String),
    Action(Pipeline),
    /// Conditions with what to do, and what else.
    If(Vec<(Pipeline, Vec<Node>)>, Vec<Node>),
    Range(Pipeline, Vec<Node>, Vec<Node>),
    With(Pipeline, Vec<Node>, Vec<Node>),
    Break,
    Continue,
}

/// Commands, each given what the one before it gave.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pipeline {
    /// Variables that take the result.
    pub(super) variables: Vec<String>,
    /// They exist already.
    pub(super) assign: bool,
    pub(super) commands: Vec<Vec<Operand>>,
}

/// A value and the fields asked of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Operand {
    pub(super) base: Base,
    pub(super) fields: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Base {
    Dot,
    Variable(String),
    Literal(Value),
    Function(String),
    Pipeline(Box<Pipeline>),
}

/// Brackets and blocks deeper than this are nobody's template.
const DEPTH_MAX: usize = 64;

pub(super) fn parse(text: &str) -> Result<Vec<Node>, String> {
    let pieces = lex::pieces(text)?;
    let mut parser = Parser { pieces: pieces.into_iter(), depth: 0, loops: 0 };
    match parser.list()? {
        (nodes, Stop::Eof) => Ok(nodes),
        (_, Stop::End) => Err("unexpected {{end}}".into()),
        (_, Stop::Else(_)) => Err("unexpected {{else}}".into()),
    }
}

/// What a list of nodes stopped at.
enum Stop {
    Eof,
    End,
    /// With the words after `else`.
    Else(Vec<Word>),
}

struct Parser {
    pieces: std::vec::IntoIter<Piece>,
    depth: usize,
    loops: usize,
}

impl Parser {
    fn list(&mut self) -> Result<(Vec<Node>, Stop), String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("the template is nested too deeply".into());
        }
        let mut nodes = Vec::new();
        let end = loop {
            let words = match self.pieces.next() {
                None => break Stop::Eof,
                Some(Piece::Text(text)) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Some(Piece::Action(words)) => words,
            };
            let keyword = match words.first() {
                Some(Word { token: Token::Identifier(word), .. }) => word.clone(),
                _ => String::new(),
            };
            let rest = words.get(1..).unwrap_or_default();
            nodes.push(match keyword.as_str() {
                "end" => break Stop::End,
                "else" => break Stop::Else(rest.to_vec()),
                "if" => self.conditions(rest)?,
                "range" => {
                    self.loops += 1;
                    let (pipeline, body, other) = self.block(rest)?;
                    self.loops -= 1;
                    Node::Range(pipeline, body, other)
                }
                "with" => {
                    let (pipeline, body, other) = self.block(rest)?;
                    Node::With(pipeline, body, other)
                }
                "break" | "continue" if self.loops == 0 => {
                    return Err(format!("{{{{{keyword}}}}} outside {{{{range}}}}"));
                }
                "break" => Node::Break,
                "continue" => Node::Continue,
                "define" | "template" | "block" => return Err(format!("{{{{{keyword}}}}} is not supported")),
                _ => Node::Action(pipeline(&words)?),
            });
        };
        self.depth -= 1;
        Ok((nodes, end))
    }

    fn conditions(&mut self, words: &[Word]) -> Result<Node, String> {
        let mut cases = Vec::new();
        let mut words = words.to_vec();
        loop {
            let condition = pipeline(&words)?;
            let (body, end) = self.list()?;
            cases.push((condition, body));
            match end {
                Stop::Eof => return Err("unexpected EOF".into()),
                Stop::End => return Ok(Node::If(cases, Vec::new())),
                Stop::Else(more) => match more.split_first() {
                    None => return Ok(Node::If(cases, self.until_end()?)),
                    Some((Word { token: Token::Identifier(word), .. }, more)) if word == "if" => {
                        words = more.to_vec();
                    }
                    Some(_) => return Err("unexpected words in {{else}}".into()),
                },
            }
        }
    }

    fn block(&mut self, words: &[Word]) -> Result<(Pipeline, Vec<Node>, Vec<Node>), String> {
        let pipeline = pipeline(words)?;
        match self.list()? {
            (_, Stop::Eof) => Err("unexpected EOF".into()),
            (body, Stop::End) => Ok((pipeline, body, Vec::new())),
            (body, Stop::Else(more)) if more.is_empty() => Ok((pipeline, body, self.until_end()?)),
            (_, Stop::Else(_)) => Err("unexpected words in {{else}}".into()),
        }
    }

    fn until_end(&mut self) -> Result<Vec<Node>, String> {
        match self.list()? {
            (nodes, Stop::End) => Ok(nodes),
            (_, Stop::Eof) => Err("unexpected EOF".into()),
            (_, Stop::Else(_)) => Err("unexpected {{else}}".into()),
        }
    }
}

fn pipeline(words: &[Word]) -> Result<Pipeline, String> {
    let mut words = Words { words, at: 0, depth: 0 };
    let pipeline = words.pipeline()?;
    match words.next() {
        None => Ok(pipeline),
        Some(word) => Err(format!("unexpected {:?} in command", word.token)),
    }
}

struct Words<'a> {
    words: &'a [Word],
    at: usize,
    depth: usize,
}

impl Words<'_> {
    fn next(&mut self) -> Option<Word> {
        let word = self.words.get(self.at).cloned();
        self.at += 1;
        word
    }

    fn peek(&self) -> Option<&Token> {
        self.words.get(self.at).map(|word| &word.token)
    }

    fn pipeline(&mut self) -> Result<Pipeline, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("the command is nested too deeply".into());
        }
        let (variables, assign) = self.declaration()?;
        let mut commands = Vec::new();
        loop {
            commands.push(self.command()?);
            match self.peek() {
                Some(Token::Pipe) => self.at += 1,
                _ => break,
            }
        }
        self.depth -= 1;
        Ok(Pipeline { variables, assign, commands })
    }

    /// `$x :=`, `$i, $x :=` or `$x =`, if there is one.
    fn declaration(&mut self) -> Result<(Vec<String>, bool), String> {
        let start = self.at;
        let mut names = Vec::new();
        while let Some(Token::Variable(name)) = self.peek().cloned() {
            names.push(name);
            self.at += 1;
            match self.peek() {
                Some(Token::Comma) => self.at += 1,
                Some(Token::Declare) => {
                    self.at += 1;
                    return Ok((names, false));
                }
                Some(Token::Assign) => {
                    self.at += 1;
                    return Ok((names, true));
                }
                _ => break,
            }
        }
        self.at = start;
        Ok((Vec::new(), false))
    }

    fn command(&mut self) -> Result<Vec<Operand>, String> {
        let mut operands = Vec::new();
        while let Some(token) = self.peek() {
            if matches!(token, Token::Pipe | Token::Close) {
                break;
            }
            operands.push(self.operand()?);
        }
        if operands.is_empty() {
            return Err("missing value for command".into());
        }
        Ok(operands)
    }

    fn operand(&mut self) -> Result<Operand, String> {
        let word = self.next().ok_or("missing value for command")?;
        let mut fields = Vec::new();
        let base = match word.token {
            Token::Dot => Base::Dot,
            Token::Field(name) => {
                fields.push(name);
                Base::Dot
            }
            Token::Variable(name) => Base::Variable(name),
            Token::Text(text) => Base::Literal(Value::String(text)),
            Token::Integer(number) => Base::Literal(number.into()),
            Token::Float(number) => Base::Literal(number.into()),
            Token::Identifier(name) => match name.as_str() {
                "true" => Base::Literal(true.into()),
                "false" => Base::Literal(false.into()),
                "nil" => Base::Literal(Value::Null),
                name if functions::exists(name) => Base::Function(name.to_owned()),
                name => return Err(format!("function {name:?} not defined")),
            },
            Token::Open => {
                let inner = self.pipeline()?;
                match self.next() {
                    Some(Word { token: Token::Close, .. }) => Base::Pipeline(Box::new(inner)),
                    _ => return Err("unclosed left paren".into()),
                }
            }
            token => return Err(format!("unexpected {token:?} in operand")),
        };
        while let Some(Word { token: Token::Field(name), spaced: false }) = self.words.get(self.at) {
            fields.push(name.clone());
            self.at += 1;
        }
        Ok(Operand { base, fields })
    }
}

/// The first field of every operand that begins with the dot.
pub(super) fn fields(nodes: &[Node]) -> Vec<String> {
    let mut found = Vec::new();
    for node in nodes {
        match node {
            Node::Text(_) | Node::Break | Node::Continue => {}
            Node::Action(pipeline) => in_pipeline(pipeline, &mut found),
            Node::If(cases, other) => {
                for (condition, body) in cases {
                    in_pipeline(condition, &mut found);
                    found.extend(fields(body));
                }
                found.extend(fields(other));
            }
            Node::Range(pipeline, body, other) | Node::With(pipeline, body, other) => {
                in_pipeline(pipeline, &mut found);
                found.extend(fields(body));
                found.extend(fields(other));
            }
        }
    }
    found
}

fn in_pipeline(pipeline: &Pipeline, found: &mut Vec<String>) {
    for operand in pipeline.commands.iter().flatten() {
        match &operand.base {
            Base::Dot => found.extend(operand.fields.first().cloned()),
            Base::Pipeline(inner) => in_pipeline(inner, found),
            _ => {}
        }
    }
}
