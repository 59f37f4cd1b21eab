//! Template text to tokens.
//!
//! Inside a tag the first rule that matches wins, not the longest one; the order of the tests below is the
//! order of the rules.

use super::TemplateError;
use crate::javascript::is_space;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Content,
    Comment,
    OpenRawBlock,
    CloseRawBlock,
    EndRawBlock,
    OpenBlock,
    OpenInverse,
    OpenInverseChain,
    Inverse,
    OpenEndBlock,
    Open,
    OpenUnescaped,
    Close,
    CloseUnescaped,
    OpenPartial,
    OpenPartialBlock,
    OpenCall,
    CloseCall,
    Equals,
    Id,
    Separator,
    Text,
    Data,
    Bool,
    Undefined,
    Null,
    Number,
    OpenBlockParams,
    CloseBlockParams,
    Invalid,
    End,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// The text, with escapes and quotes removed.
    pub(super) text: String,
    /// Where it starts, in bytes.
    pub(super) at: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Text,
    /// Inside `{{…}}`.
    Tag,
    /// After `\{{`: a tag that is shown as it is.
    Escaped,
    /// Inside `{{{{name}}}}…{{{{/name}}}}`.
    Raw,
}

/// Splits `source` into tokens, the last of which is [`Kind::End`].
pub(super) fn tokens(source: &str) -> Result<Vec<Token>, TemplateError> {
    let mut lexer = Lexer { source, at: 0, modes: vec![Mode::Text], tokens: Vec::new() };
    while lexer.at < source.len() {
        match lexer.modes.last().copied().unwrap_or(Mode::Text) {
            Mode::Text => lexer.text(),
            Mode::Tag => lexer.tag()?,
            Mode::Escaped => lexer.escaped(),
            Mode::Raw => lexer.raw()?,
        }
    }
    lexer.push(Kind::End, "", 0);
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    modes: Vec<Mode>,
    tokens: Vec<Token>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    /// Adds a token of `length` bytes that reads `text`.
    fn push(&mut self, kind: Kind, text: impl Into<String>, length: usize) {
        self.tokens.push(Token { kind, text: text.into(), at: self.at });
        self.at += length;
    }

    /// Text up to the next tag; a backslash before the tag escapes it, two give one backslash and a tag.
    fn text(&mut self) {
        let rest = self.rest();
        let Some(end) = rest.find("{{") else {
            return self.push(Kind::Content, rest, rest.len());
        };
        let before = &rest[..end];
        let (shown, mode) = if before.ends_with("\\\\") {
            (&before[..end - 1], Mode::Tag)
        } else if before.ends_with('\\') {
            (&before[..end - 1], Mode::Escaped)
        } else {
            (before, Mode::Tag)
        };
        self.modes.push(mode);
        if shown.is_empty() {
            self.at += end;
        } else {
            self.push(Kind::Content, shown, end);
        }
    }

    /// The escaped tag (its two braces come first) and the text behind it, up to the next tag or escape.
    fn escaped(&mut self) {
        let rest = self.rest();
        let end = ["\\\\{{", "\\{{", "{{"].iter().filter_map(|stop| rest[2..].find(stop)).min();
        let end = end.map_or(rest.len(), |at| at + 2);
        self.modes.pop();
        self.push(Kind::Content, &rest[..end], end);
    }

    /// The inside of a raw block, whose end is only the end of the outermost one.
    fn raw(&mut self) -> Result<(), TemplateError> {
        let rest = self.rest();
        if let Some(length) = raw_end(rest) {
            self.modes.pop();
            if self.modes.last() == Some(&Mode::Raw) {
                self.push(Kind::Content, &rest[..length], length);
            } else {
                self.push(Kind::EndRawBlock, &rest[5..length - 4], length);
            }
            return Ok(());
        }
        if rest.starts_with("{{{{") && rest[4..].chars().next().is_some_and(|c| c != '/') {
            self.modes.push(Mode::Raw);
            self.push(Kind::Content, &rest[..4], 4);
            return Ok(());
        }
        let first = rest.chars().next().map_or(0, char::len_utf8);
        match rest[first..].find("{{{{") {
            Some(end) => {
                self.push(Kind::Content, &rest[..first + end], first + end);
                Ok(())
            }
            None => Err(self.error("a raw block without its end")),
        }
    }

    fn tag(&mut self) -> Result<(), TemplateError> {
        let rest = self.rest();
        if rest.starts_with("{{") && !rest.starts_with("{{{{") {
            return self.opening();
        }
        let first = rest.chars().next().unwrap_or(' ');
        if is_space(first) {
            self.at += rest.len() - rest.trim_start_matches(is_space).len();
            return Ok(());
        }
        if let Some((kind, length, pops)) = punctuation(rest) {
            if pops {
                self.modes.pop();
            }
            if kind == Kind::CloseRawBlock {
                self.modes.push(Mode::Raw);
            }
            self.push(kind, &rest[..length], length);
        } else if let Some(length) = quoted(rest, first) {
            let inside = &rest[1..length - 1];
            self.push(Kind::Text, inside.replace(&format!("\\{first}"), &first.to_string()), length);
        } else if let Some((kind, length)) = word(rest) {
            self.push(kind, &rest[..length], length);
        } else if let Some(length) = bracketed(rest) {
            self.push(Kind::Id, unescaped(&rest[..length]), length);
        } else {
            self.push(Kind::Invalid, first, first.len_utf8());
        }
        Ok(())
    }

    /// The start of a tag: `{{`, maybe `~`, and what decides its kind.
    fn opening(&mut self) -> Result<(), TemplateError> {
        let rest = self.rest();
        let tilde = usize::from(rest[2..].starts_with('~'));
        let head = 2 + tilde;
        let body = &rest[head..];
        if let Some(length) = inverse(body) {
            self.modes.pop();
            self.push(Kind::Inverse, &rest[..head + length], head + length);
            return Ok(());
        }
        if body.starts_with('!') {
            return self.comment(head);
        }
        let chain = body.len() - body.trim_start_matches(is_space).len();
        let chains = body[chain..].strip_prefix("else").is_some_and(|after| !after.starts_with(is_word));
        let (kind, more) = match body.as_bytes() {
            [b'>', ..] => (Kind::OpenPartial, 1),
            [b'#', b'>', ..] => (Kind::OpenPartialBlock, 2),
            [b'#', b'*', ..] => (Kind::OpenBlock, 2),
            [b'#', ..] => (Kind::OpenBlock, 1),
            [b'/', ..] => (Kind::OpenEndBlock, 1),
            [b'^', ..] => (Kind::OpenInverse, 1),
            _ if chains => (Kind::OpenInverseChain, chain + 4),
            [b'{', ..] => (Kind::OpenUnescaped, 1),
            [b'&' | b'*', ..] => (Kind::Open, 1),
            _ => (Kind::Open, 0),
        };
        self.push(kind, &rest[..head + more], head + more);
        Ok(())
    }

    /// `{{! … }}`, or `{{!-- … --}}` which may hold `}}`.
    fn comment(&mut self, head: usize) -> Result<(), TemplateError> {
        let rest = self.rest();
        self.modes.pop();
        let length = if rest[head..].starts_with("!--") {
            let plain = rest.find("--}}").map(|at| at + 4);
            let tilde = rest.find("--~}}").map(|at| at + 5);
            match (plain, tilde) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            }
        } else {
            rest.find("}}").map(|at| at + 2)
        };
        let Some(length) = length else { return Err(self.error("a comment without its end")) };
        self.push(Kind::Comment, &rest[..length], length);
        Ok(())
    }

    fn error(&self, what: &str) -> TemplateError {
        TemplateError::new(format!("{what} at character {}", self.source[..self.at].chars().count() + 1))
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Characters of a name; everything else ends it.
fn is_name(c: char) -> bool {
    !is_space(c)
        && !matches!(c, '!' | '"' | '#' | '%'..=',' | '.' | '/' | ';'..='>' | '@' | '['..='^' | '`' | '{'..='~')
}

/// `^ }}` or `else }}` with what stands around them.
fn inverse(body: &str) -> Option<usize> {
    let after = match body.strip_prefix('^') {
        Some(after) => after,
        None => body.trim_start_matches(is_space).strip_prefix("else")?,
    };
    let after = after.trim_start_matches(is_space);
    let after = after.strip_prefix('~').unwrap_or(after).strip_prefix("}}")?;
    Some(body.len() - after.len())
}

/// `{{{{/name}}}}` at the start of `rest`.
fn raw_end(rest: &str) -> Option<usize> {
    let name = rest.strip_prefix("{{{{/")?;
    let after = name.trim_start_matches(is_name);
    (after.len() < name.len() && after.starts_with("}}}}")).then(|| rest.len() - after.len() + 4)
}

/// Marks inside a tag, with their length and whether they end it.
fn punctuation(rest: &str) -> Option<(Kind, usize, bool)> {
    let dot_ends = |c: Option<char>| c.is_some_and(|c| is_space(c) || "=~}/.)|".contains(c));
    Some(match rest.as_bytes() {
        [b'(', ..] => (Kind::OpenCall, 1, false),
        [b')', ..] => (Kind::CloseCall, 1, false),
        [b'{', b'{', b'{', b'{', ..] => (Kind::OpenRawBlock, 4, false),
        [b'}', b'}', b'}', b'}', ..] => (Kind::CloseRawBlock, 4, true),
        [b'=', ..] => (Kind::Equals, 1, false),
        [b'.', b'.', ..] => (Kind::Id, 2, false),
        [b'.', ..] if dot_ends(rest[1..].chars().next()) => (Kind::Id, 1, false),
        [b'/' | b'.', ..] => (Kind::Separator, 1, false),
        [b'}', b'}', b'}', ..] => (Kind::CloseUnescaped, 3, true),
        [b'}', b'~', b'}', b'}', ..] => (Kind::CloseUnescaped, 4, true),
        [b'}', b'}', ..] => (Kind::Close, 2, true),
        [b'~', b'}', b'}', ..] => (Kind::Close, 3, true),
        [b'@', ..] => (Kind::Data, 1, false),
        [b'|', ..] => (Kind::CloseBlockParams, 1, false),
        _ => return None,
    })
}

/// The length of a quoted string.
fn quoted(rest: &str, quote: char) -> Option<usize> {
    if quote == '"' || quote == '\'' { enclosed(rest, quote) } else { None }
}

/// The length of `[any name]`.
fn bracketed(rest: &str) -> Option<usize> {
    if rest.starts_with('[') { enclosed(rest, ']') } else { None }
}

/// The length of a text that `end` ends. A backslash keeps the mark behind it from ending the text, unless
/// no other mark does.
fn enclosed(rest: &str, end: char) -> Option<usize> {
    let mut escaped_end = None;
    let mut previous = ' ';
    for (at, c) in rest.char_indices().skip(1) {
        if c == end {
            if previous != '\\' {
                return Some(at + 1);
            }
            escaped_end = Some(at + 1);
            previous = ' ';
        } else {
            previous = c;
        }
    }
    escaped_end
}

/// A bracketed name without the backslashes that escape a backslash or a bracket.
fn unescaped(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    let mut rest = name.chars();
    while let Some(c) = rest.next() {
        if c == '\\' && rest.as_str().starts_with(['\\', ']']) {
            plain.extend(rest.next());
        } else {
            plain.push(c);
        }
    }
    plain
}

/// Literals, `as |`, and names; each must be followed by something that ends it.
fn word(rest: &str) -> Option<(Kind, usize)> {
    let followed = |length: usize, ends: &str| {
        rest[length..].chars().next().is_some_and(|c| is_space(c) || ends.contains(c))
    };
    let literals =
        [("true", Kind::Bool), ("false", Kind::Bool), ("undefined", Kind::Undefined), ("null", Kind::Null)];
    for (literal, kind) in literals {
        if rest.starts_with(literal) && followed(literal.len(), "~})") {
            return Some((kind, literal.len()));
        }
    }
    if let Some(length) = number(rest).filter(|&length| followed(length, "~})")) {
        return Some((Kind::Number, length));
    }
    if let Some(after) = rest.strip_prefix("as") {
        let bar = after.trim_start_matches(is_space);
        if bar.len() < after.len() && bar.starts_with('|') {
            return Some((Kind::OpenBlockParams, rest.len() - bar.len() + 1));
        }
    }
    let length = rest.len() - rest.trim_start_matches(is_name).len();
    (length > 0 && followed(length, "=~}/.)|")).then_some((Kind::Id, length))
}

/// The length of `-?digits[.digits]`.
fn number(rest: &str) -> Option<usize> {
    let digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let sign = usize::from(rest.starts_with('-'));
    let whole = digits(&rest[sign..]);
    if whole == 0 {
        return None;
    }
    let length = sign + whole;
    let fraction = rest[length..].strip_prefix('.').map_or(0, digits);
    Some(if fraction > 0 { length + 1 + fraction } else { length })
}
