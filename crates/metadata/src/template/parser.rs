//! Tokens to syntax tree, by recursive descent over the grammar of handlebars.js.

use super::TemplateError;
use super::lexer::{self, Kind, Token};
use super::syntax::{
    Block, CallExpression, Content, Expression, Mustache, Partial, Path, Program, Statement, Strip,
};

/// How deep blocks and calls may nest; far beyond use, well within the stack.
const MAX_DEPTH: usize = 100;

/// Parses a template.
pub(super) fn parse(source: &str) -> Result<Program, TemplateError> {
    let mut parser = Parser { source, tokens: lexer::tokens(source)?, at: 0, depth: 0 };
    let program = parser.program()?;
    parser.expect(Kind::End, "the end of the template")?;
    Ok(program)
}

struct Parser<'a> {
    source: &'a str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

/// `#name params hash as |names|` and its closing mark.
struct Opening {
    call: CallExpression,
    block_params: Vec<String>,
    strip: Strip,
}

/// What follows the first program of a block: `{{else}}…` or `{{else if …}}…`.
struct Inverse {
    program: Program,
    strip: Strip,
}

impl Parser<'_> {
    fn peek(&self) -> Kind {
        self.tokens[self.at].kind
    }

    /// Takes a token; the last one, the end, stays.
    fn next(&mut self) -> Token {
        let token = self.tokens[self.at].clone();
        if token.kind != Kind::End {
            self.at += 1;
        }
        token
    }

    fn take(&mut self, kind: Kind) -> Option<Token> {
        (self.peek() == kind).then(|| self.next())
    }

    fn expect(&mut self, kind: Kind, what: &str) -> Result<Token, TemplateError> {
        self.take(kind).ok_or_else(|| self.unexpected(what))
    }

    fn unexpected(&self, wanted: &str) -> TemplateError {
        let token = &self.tokens[self.at];
        let column = self.source[..token.at].chars().count() + 1;
        let found = match token.kind {
            Kind::End => "the end".to_owned(),
            _ => format!("`{}`", token.text),
        };
        TemplateError::new(format!("expected {wanted}, found {found} at character {column}"))
    }

    /// Runs `parse` one level deeper.
    fn nested<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, TemplateError>,
    ) -> Result<T, TemplateError> {
        if self.depth >= MAX_DEPTH {
            return Err(TemplateError::new(format!("nested more than {MAX_DEPTH} levels deep")));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    fn program(&mut self) -> Result<Program, TemplateError> {
        let mut program = Program::default();
        while let Some(statement) = self.statement()? {
            program.body.push(statement);
        }
        Ok(program)
    }

    /// The next statement; none at the end, or where the enclosing block goes on.
    fn statement(&mut self) -> Result<Option<Statement>, TemplateError> {
        Ok(Some(match self.peek() {
            Kind::Content => Statement::Content(content(self.next().text)),
            Kind::Comment => {
                let text = self.next().text;
                Statement::Comment(strip(&text, &text))
            }
            Kind::Open => self.mustache(Kind::Close)?,
            Kind::OpenUnescaped => self.mustache(Kind::CloseUnescaped)?,
            Kind::OpenBlock => self.nested(Self::block)?,
            Kind::OpenInverse => self.nested(Self::inverse_block)?,
            Kind::OpenRawBlock => self.raw_block()?,
            Kind::OpenPartial => self.partial()?,
            Kind::OpenPartialBlock => self.nested(Self::partial_block)?,
            _ => return Ok(None),
        }))
    }

    fn mustache(&mut self, end: Kind) -> Result<Statement, TemplateError> {
        let open = self.next().text;
        let call = self.call()?;
        let close = self.expect(end, "`}}`")?.text;
        let strip = strip(&open, &close);
        if open.contains('*') {
            return Ok(Statement::Decorator(strip));
        }
        let flag = open.chars().nth(3).or(open.chars().nth(2));
        let escaped = !matches!(flag, Some('{' | '&'));
        Ok(Statement::Mustache(Mustache { call, escaped, strip }))
    }

    /// `{{#name …}}program{{else …}}…{{/name}}`
    fn block(&mut self) -> Result<Statement, TemplateError> {
        let decorator = self.tokens[self.at].text.contains('*');
        let opening = self.opening()?;
        let mut program = self.program()?;
        program.block_params = opening.block_params;
        let mut inverse = self.inverse_chain()?;
        let close_strip = self.closing(&opening.call.callee)?;
        if decorator {
            return match inverse {
                Some(_) => Err(TemplateError::new("a decorator has no `else`")),
                None => Ok(Statement::Decorator(opening.strip)),
            };
        }
        if let Some(inverse) = &mut inverse {
            close_chain(&mut inverse.program, close_strip);
        }
        let (inverse, inverse_strip) =
            inverse.map_or((None, Strip::default()), |i| (Some(i.program), i.strip));
        Ok(Statement::Block(Box::new(Block {
            call: opening.call,
            program: Some(program),
            inverse,
            open_strip: opening.strip,
            inverse_strip,
            close_strip,
        })))
    }

    /// `{{^name …}}inverse{{else}}program{{/name}}`
    fn inverse_block(&mut self) -> Result<Statement, TemplateError> {
        let opening = self.opening()?;
        let mut first = self.program()?;
        first.block_params = opening.block_params;
        let second = if self.peek() == Kind::Inverse { Some(self.plain_inverse()?) } else { None };
        let close_strip = self.closing(&opening.call.callee)?;
        let (second, inverse_strip) = second.map_or((None, Strip::default()), |i| (Some(i.program), i.strip));
        Ok(Statement::Block(Box::new(Block {
            call: opening.call,
            program: second,
            inverse: Some(first),
            open_strip: opening.strip,
            inverse_strip,
            close_strip,
        })))
    }

    /// `{{else name …}}program…`, `{{else}}program`, or nothing.
    fn inverse_chain(&mut self) -> Result<Option<Inverse>, TemplateError> {
        match self.peek() {
            Kind::Inverse => self.plain_inverse().map(Some),
            Kind::OpenInverseChain => self.nested(Self::chained_inverse).map(Some),
            _ => Ok(None),
        }
    }

    fn plain_inverse(&mut self) -> Result<Inverse, TemplateError> {
        let mark = self.next().text;
        Ok(Inverse { program: self.program()?, strip: strip(&mark, &mark) })
    }

    /// `{{else if …}}` is a block of its own inside the inverse.
    fn chained_inverse(&mut self) -> Result<Inverse, TemplateError> {
        let opening = self.opening()?;
        let mut program = self.program()?;
        program.block_params = opening.block_params;
        let mut inverse = self.inverse_chain()?;
        if let Some(inverse) = &mut inverse {
            close_chain(&mut inverse.program, inverse.strip);
        }
        let (inverse, inverse_strip) =
            inverse.map_or((None, Strip::default()), |i| (Some(i.program), i.strip));
        let block = Block {
            call: opening.call,
            program: Some(program),
            inverse,
            open_strip: opening.strip,
            inverse_strip,
            close_strip: inverse_strip,
        };
        let body = vec![Statement::Block(Box::new(block))];
        Ok(Inverse {
            program: Program { body, block_params: Vec::new(), chained: true },
            strip: opening.strip,
        })
    }

    fn opening(&mut self) -> Result<Opening, TemplateError> {
        let open = self.next().text;
        let call = self.call()?;
        let mut block_params = Vec::new();
        if self.take(Kind::OpenBlockParams).is_some() {
            block_params.push(bare(&self.expect(Kind::Id, "a name")?.text));
            while let Some(name) = self.take(Kind::Id) {
                block_params.push(bare(&name.text));
            }
            self.expect(Kind::CloseBlockParams, "`|`")?;
        }
        let close = self.expect(Kind::Close, "`}}`")?.text;
        Ok(Opening { call, block_params, strip: strip(&open, &close) })
    }

    /// `{{/name}}`, where the name must be the opening one's.
    fn closing(&mut self, opened: &Expression) -> Result<Strip, TemplateError> {
        let open = self.expect(Kind::OpenEndBlock, "the end of the block")?.text;
        let name = self.name()?;
        let close = self.expect(Kind::Close, "`}}`")?.text;
        let (wanted, found) = (opened.original(), name.original());
        if wanted == found {
            Ok(strip(&open, &close))
        } else {
            Err(TemplateError::new(format!("`{wanted}` is closed as `{found}`")))
        }
    }

    /// `{{{{name …}}}}text{{{{/name}}}}`
    fn raw_block(&mut self) -> Result<Statement, TemplateError> {
        self.next();
        let call = self.call()?;
        self.expect(Kind::CloseRawBlock, "`}}}}`")?;
        let mut program = Program::default();
        while let Some(text) = self.take(Kind::Content) {
            program.body.push(Statement::Content(content(text.text)));
        }
        let end = self.expect(Kind::EndRawBlock, "the end of the raw block")?.text;
        // A literal that is not a text is never the text behind it.
        let is_named = matches!(call.callee, Expression::Path(_) | Expression::Text(_));
        if !is_named || call.callee.original() != end {
            let message = format!("`{}` is closed as `{end}`", call.callee.original());
            return Err(TemplateError::new(message));
        }
        let none = Strip::default();
        Ok(Statement::Block(Box::new(Block {
            call,
            program: Some(program),
            inverse: None,
            open_strip: none,
            inverse_strip: none,
            close_strip: none,
        })))
    }

    fn partial(&mut self) -> Result<Statement, TemplateError> {
        let open = self.next().text;
        let call = self.partial_call()?;
        let close = self.expect(Kind::Close, "`}}`")?.text;
        let (strip, close_strip) = (strip(&open, &close), Strip::default());
        Ok(Statement::Partial(Box::new(Partial { call, fallback: None, strip, close_strip })))
    }

    fn partial_block(&mut self) -> Result<Statement, TemplateError> {
        let open = self.next().text;
        let call = self.partial_call()?;
        let close = self.expect(Kind::Close, "`}}`")?.text;
        let fallback = Some(self.program()?);
        let close_strip = self.closing(&call.callee)?;
        Ok(Statement::Partial(Box::new(Partial { call, fallback, strip: strip(&open, &close), close_strip })))
    }

    fn partial_call(&mut self) -> Result<CallExpression, TemplateError> {
        let callee =
            if self.peek() == Kind::OpenCall { self.nested(Self::subexpression)? } else { self.name()? };
        let call = self.arguments(callee)?;
        match call.params.len() {
            0 | 1 => Ok(call),
            many => Err(TemplateError::new(format!("a partial takes one argument, not {many}"))),
        }
    }

    fn call(&mut self) -> Result<CallExpression, TemplateError> {
        let callee = self.name()?;
        self.arguments(callee)
    }

    /// Positional arguments, then named ones.
    fn arguments(&mut self, callee: Expression) -> Result<CallExpression, TemplateError> {
        let (mut params, mut hash) = (Vec::new(), Vec::new());
        while self.starts_param() {
            if self.peek() == Kind::Id && self.tokens[self.at + 1].kind == Kind::Equals {
                break;
            }
            params.push(self.param()?);
        }
        while let Some(key) = self.take(Kind::Id) {
            self.expect(Kind::Equals, "`=`")?;
            hash.push((bare(&key.text), self.param()?));
        }
        Ok(CallExpression { callee, params, hash })
    }

    fn starts_param(&self) -> bool {
        use Kind::{Bool, Data, Id, Null, Number, OpenCall, Text, Undefined};
        matches!(self.peek(), Id | Data | Text | Number | Bool | Undefined | Null | OpenCall)
    }

    fn param(&mut self) -> Result<Expression, TemplateError> {
        if self.peek() == Kind::OpenCall { self.nested(Self::subexpression) } else { self.name() }
    }

    fn subexpression(&mut self) -> Result<Expression, TemplateError> {
        self.next();
        let call = self.call()?;
        self.expect(Kind::CloseCall, "`)`")?;
        Ok(Expression::Call(Box::new(call)))
    }

    /// A path or a literal.
    fn name(&mut self) -> Result<Expression, TemplateError> {
        match self.peek() {
            Kind::Id => self.path(false),
            Kind::Data => {
                self.next();
                self.path(true)
            }
            Kind::Text => Ok(Expression::Text(self.next().text)),
            Kind::Number => Ok(Expression::Number(self.next().text.parse().unwrap_or(f64::NAN))),
            Kind::Bool => Ok(Expression::Bool(self.next().text == "true")),
            Kind::Undefined => {
                self.next();
                Ok(Expression::Undefined)
            }
            Kind::Null => {
                self.next();
                Ok(Expression::Null)
            }
            _ => Err(self.unexpected("a name")),
        }
    }

    /// `a.b/c`, where `..`, `.` and `this` may only come first.
    fn path(&mut self, data: bool) -> Result<Expression, TemplateError> {
        let mut original = if data { "@".to_owned() } else { String::new() };
        let (mut parts, mut depth) = (Vec::new(), 0);
        loop {
            let written = self.expect(Kind::Id, "a name")?.text;
            let part = bare(&written);
            original.push_str(&part);
            let literal = part != written;
            if !literal && matches!(part.as_str(), ".." | "." | "this") {
                if !parts.is_empty() {
                    return Err(TemplateError::new(format!("invalid path `{original}`")));
                }
                depth += usize::from(part == "..");
            } else {
                parts.push(part);
            }
            match self.take(Kind::Separator) {
                Some(separator) => original.push_str(&separator.text),
                None => return Ok(Expression::Path(Path { data, depth, parts, original })),
            }
        }
    }
}

fn content(text: String) -> Content {
    Content { value: text.clone(), original: text, left_stripped: false, right_stripped: false }
}

/// Which sides carry `~`: the third character of the opening mark, the third from the end of the closing one.
fn strip(open: &str, close: &str) -> Strip {
    Strip { open: open.chars().nth(2) == Some('~'), close: close.chars().rev().nth(2) == Some('~') }
}

/// The block that an `else if` is closes where `close_strip` says.
fn close_chain(program: &mut Program, close_strip: Strip) {
    if let (true, Some(Statement::Block(block))) = (program.chained, program.body.first_mut()) {
        block.close_strip = close_strip;
    }
}

/// A name without the brackets that let it hold anything.
fn bare(name: &str) -> String {
    let inside = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match inside {
        Some(inside) if !inside.contains(['\n', '\r', '\u{2028}', '\u{2029}']) => inside.to_owned(),
        _ => name.to_owned(),
    }
}
