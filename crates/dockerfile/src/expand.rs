//! Replaces variables as BuildKit's shell lexer does.
//!
//! The forms are `$v`, `${v}`, `${v:-w}`, `${v:+w}`, `${v:?w}` (and without the colon, where only an unset
//! variable counts and not an empty one), `${v#p}`, `${v##p}`, `${v%p}`, `${v%%p}`, `${v/p/r}` and
//! `${v//p/r}`. Words and patterns may hold variables themselves. A pattern knows `*`, `?` and the
//! backslash; brackets stand for themselves.
//!
//! Two limits keep a hostile file from using up the stack or the memory: substitutions nest at most
//! [`MAX_DEPTH`] deep, and variables bring at most [`MAX_LENGTH`] bytes into a text.

mod pattern;

use std::collections::BTreeSet;
use std::str::Chars;

/// How deep substitutions may nest.
pub const MAX_DEPTH: usize = 200;

/// How many bytes variables may bring into a text.
pub const MAX_LENGTH: usize = 4 << 20;

/// How much of a text an error shows, in characters.
const MAX_SHOWN: usize = 1000;

/// A text after its variables were replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expansion {
    /// The text.
    pub text: String,
    /// Names that were asked for and are set.
    pub used: BTreeSet<String>,
    /// Names that were asked for and are not set, also where the text gives a default.
    pub unset: BTreeSet<String>,
}

/// What cannot be expanded, in BuildKit's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpandError {
    /// The sentence.
    pub message: String,
}

/// Expands variables, with the escape character of the Dockerfile.
#[derive(Debug, Clone, Copy)]
pub struct Lexer {
    escape: char,
    /// Quotes are ordinary characters.
    plain_quotes: bool,
    /// Quotes hold words together and stay in the text.
    keep_quotes: bool,
    /// Escapes work and stay in the text.
    keep_escapes: bool,
    /// A variable that is not set stays as it is written.
    keep_unset: bool,
}

impl Lexer {
    /// A lexer for a Dockerfile with this escape character.
    pub fn new(escape: char) -> Self {
        Self { escape, plain_quotes: false, keep_quotes: false, keep_escapes: false, keep_unset: false }
    }

    /// The lexer for the name of a here-document on its line: nothing is lost, and nothing is replaced.
    pub(crate) fn verbatim() -> Self {
        Self { keep_quotes: true, keep_escapes: true, keep_unset: true, ..Self::new('\\') }
    }

    /// The lexer for the word after `<<`, with its quotes or without.
    pub(crate) fn delimiter(keep_quotes: bool) -> Self {
        Self { keep_quotes, keep_unset: true, ..Self::new('\\') }
    }

    /// Expands to one word: quotes are removed, white space is kept.
    ///
    /// # Errors
    /// For an unclosed quote or brace, an unknown or wrong substitution, `${v:?}` of a variable that is
    /// not set, and texts past the limits of this module.
    pub fn word(
        &self,
        text: &str,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Expansion, ExpandError> {
        let mut scan = Scan::new(*self, text, lookup);
        let text = scan.all()?.0;
        Ok(Expansion { text, used: scan.used, unset: scan.unset })
    }

    /// Expands to words, cut at white space outside quotes, also at white space that a variable brought in.
    ///
    /// # Errors
    /// As [`Lexer::word`].
    pub fn words(
        &self,
        text: &str,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Vec<String>, ExpandError> {
        Ok(Scan::new(*self, text, lookup).all()?.1)
    }

    /// Expands the content of an inline file: quotes are ordinary characters, and the escape character is a
    /// backslash whatever the file's is.
    ///
    /// # Errors
    /// As [`Lexer::word`].
    pub fn raw(text: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<Expansion, ExpandError> {
        Self { plain_quotes: true, ..Self::new('\\') }.word(text, lookup)
    }

    /// Expands an instruction for showing it: quotes and unset variables stay, and what does not expand is
    /// shown as it is.
    pub fn title(&self, text: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
        let lexer = Self { keep_quotes: true, keep_unset: true, ..*self };
        lexer.word(text, lookup).map_or_else(|_| text.to_string(), |expansion| expansion.text)
    }
}

/// One walk through a text.
struct Scan<'a, F> {
    lexer: Lexer,
    source: &'a str,
    rest: Chars<'a>,
    lookup: F,
    used: BTreeSet<String>,
    unset: BTreeSet<String>,
    /// Braces open around the place.
    depth: usize,
    /// Bytes that substitutions made so far.
    made: usize,
}

/// The words of a text while it is walked through.
#[derive(Default)]
struct Words {
    done: Vec<String>,
    current: String,
}

impl Words {
    fn split(&mut self, text: &str) {
        for c in text.chars() {
            if !c.is_whitespace() {
                self.current.push(c);
            } else if !self.current.is_empty() {
                self.done.push(std::mem::take(&mut self.current));
            }
        }
    }

    fn finish(mut self) -> Vec<String> {
        if !self.current.is_empty() {
            self.done.push(self.current);
        }
        self.done
    }
}

type Text = Result<String, String>;

impl<'a, F: Fn(&str) -> Option<String>> Scan<'a, F> {
    fn new(lexer: Lexer, source: &'a str, lookup: F) -> Self {
        let (used, unset) = (BTreeSet::new(), BTreeSet::new());
        Self { lexer, source, rest: source.chars(), lookup, used, unset, depth: 0, made: 0 }
    }

    /// The whole text, as one word and as words.
    fn all(&mut self) -> Result<(String, Vec<String>), ExpandError> {
        let source = self.source;
        self.until(None).map_err(|reason| {
            let (shown, dots) = match source.char_indices().nth(MAX_SHOWN) {
                Some((end, _)) => (&source[..end], "…"),
                None => (source, ""),
            };
            ExpandError { message: format!("failed to process {shown:?}{dots}: {reason}") }
        })
    }

    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    fn next(&mut self) -> Option<char> {
        self.rest.next()
    }

    /// Everything before `stop`, which is taken too; without `stop`, everything.
    fn until(&mut self, stop: Option<char>) -> Result<(String, Vec<String>), String> {
        let mut text = String::new();
        let mut words = Words::default();
        while let Some(c) = self.next() {
            if Some(c) == stop {
                return Ok((text, words.finish()));
            }
            match c {
                '$' => {
                    let value = self.dollar()?;
                    words.split(&value);
                    self.append(&mut text, &value)?;
                }
                '\'' | '"' if !self.lexer.plain_quotes => {
                    let part = if c == '"' { self.double_quoted()? } else { self.single_quoted()? };
                    words.current.push_str(&part);
                    text.push_str(&part);
                }
                '<' if self.peek() == Some('<') => {
                    let operator = self.heredoc_operator();
                    words.current.push_str(operator);
                    text.push_str(operator);
                }
                _ if c == self.lexer.escape => {
                    if self.lexer.keep_escapes {
                        words.current.push(c);
                        text.push(c);
                    }
                    let Some(escaped) = self.next() else { break };
                    words.current.push(escaped);
                    text.push(escaped);
                }
                _ => {
                    words.split(c.encode_utf8(&mut [0; 4]));
                    text.push(c);
                }
            }
        }
        match stop {
            Some(stop) => Err(format!("unexpected end of statement while looking for matching {stop}")),
            None => Ok((text, words.finish())),
        }
    }

    /// After the first `<` of `<<`: the blanks behind it hold it and the delimiter together.
    fn heredoc_operator(&mut self) -> &'a str {
        self.next();
        let rest = self.rest.as_str();
        let blanks = length_while(rest, |c| matches!(c, ' ' | '\t' | '\r'));
        self.rest = rest[blanks..].chars();
        // The operator is a slice of the text that ends where the scan goes on.
        let end = self.source.len() - self.rest.as_str().len();
        &self.source[end - blanks - "<<".len()..end]
    }

    /// Appends what a substitution gave, within the limit.
    fn append(&mut self, text: &mut String, value: &str) -> Result<(), String> {
        self.made += value.len();
        if self.made > MAX_LENGTH {
            return Err(format!("variables expand to more than {MAX_LENGTH} bytes"));
        }
        text.push_str(value);
        Ok(())
    }

    /// After `'`: everything up to the next one.
    fn single_quoted(&mut self) -> Text {
        let rest = self.rest.as_str();
        let Some((inside, after)) = rest.split_once('\'') else {
            return Err("unexpected end of statement while looking for matching single-quote".into());
        };
        self.rest = after.chars();
        Ok(if self.lexer.keep_quotes { format!("'{inside}'") } else { inside.into() })
    }

    /// After `"`: variables are replaced, and the escape character works on itself, `"` and `$`.
    fn double_quoted(&mut self) -> Text {
        let mut text = String::new();
        if self.lexer.keep_quotes {
            text.push('"');
        }
        while let Some(c) = self.next() {
            match c {
                '"' => {
                    if self.lexer.keep_quotes {
                        text.push('"');
                    }
                    return Ok(text);
                }
                '$' => {
                    let value = self.dollar()?;
                    self.append(&mut text, &value)?;
                }
                _ if c == self.lexer.escape => {
                    if self.lexer.keep_escapes {
                        text.push(c);
                    }
                    match self.peek() {
                        None => {}
                        Some(next) if next == '"' || next == '$' || next == c => text.extend(self.next()),
                        Some(_) => text.push(c),
                    }
                }
                _ => text.push(c),
            }
        }
        Err("unexpected end of statement while looking for matching double-quote".into())
    }

    /// After `$`: the value of a variable, or what a substitution makes of it.
    fn dollar(&mut self) -> Text {
        if self.peek() != Some('{') {
            let name = self.name();
            if name.is_empty() {
                return Ok("$".into());
            }
            return Ok(match self.value_of(&name) {
                None if self.lexer.keep_unset => format!("${name}"),
                value => value.unwrap_or_default(),
            });
        }
        self.next();
        match self.peek() {
            None => return Err(MISSING_BRACE.into()),
            Some('{' | '}' | ':') => return Err("syntax error: bad substitution".into()),
            Some(_) => {}
        }
        if self.depth == MAX_DEPTH {
            return Err(format!("substitutions nest deeper than {MAX_DEPTH}"));
        }
        self.depth += 1;
        let name = self.name();
        let text = self.substitution(&name);
        self.depth -= 1;
        text
    }

    /// After `${name`: the rest up to the closing brace.
    fn substitution(&mut self, name: &str) -> Text {
        match self.next() {
            None => Err(MISSING_BRACE.into()),
            Some('}') => Ok(match self.value_of(name) {
                None if self.lexer.keep_unset => format!("${{{name}}}"),
                value => value.unwrap_or_default(),
            }),
            Some(':') => {
                let modifier = self.next().ok_or(MISSING_BRACE)?;
                if matches!(modifier, '#' | '%') {
                    return Err(unsupported(&format!(":{modifier}")));
                }
                self.alternative(name, modifier, true)
            }
            Some(modifier @ ('+' | '-' | '?')) => self.alternative(name, modifier, false),
            Some(end @ ('#' | '%')) => self.trimmed(name, end),
            Some('/') => self.replaced(name),
            Some(other) => Err(unsupported(&other.to_string())),
        }
    }

    /// `-`, `+` and `?`; `empty_is_unset` with a colon.
    fn alternative(&mut self, name: &str, modifier: char, empty_is_unset: bool) -> Text {
        let word = self.part('}', false, MISSING_BRACE)?;
        let operator = if empty_is_unset { format!(":{modifier}") } else { modifier.to_string() };
        let value = self.value_of(name);
        if value.is_none() && self.lexer.keep_unset {
            return Ok(format!("${{{name}{operator}{word}}}"));
        }
        let is_unset = value.is_none();
        let value = value.filter(|value| !(empty_is_unset && value.is_empty()));
        match (modifier, value) {
            ('-', value) => Ok(value.unwrap_or(word)),
            ('+', value) => Ok(value.map(|_| word).unwrap_or_default()),
            ('?', Some(value)) => Ok(value),
            ('?', None) if !word.is_empty() => Err(format!("{name}: {word}")),
            ('?', None) if is_unset => Err(format!("{name}: is not allowed to be unset")),
            ('?', None) => Err(format!("{name}: is not allowed to be empty")),
            _ => Err(unsupported(&operator)),
        }
    }

    /// `#` and `%`, doubled for the longest match.
    fn trimmed(&mut self, name: &str, end: char) -> Text {
        let word = self.part('}', true, MISSING_BRACE)?;
        let Some(value) = self.value_of(name) else {
            return Ok(if self.lexer.keep_unset { format!("${{{name}{end}{word}}}") } else { String::new() });
        };
        let (pattern, longest) = match word.strip_prefix(end) {
            Some(pattern) => (pattern, true),
            None => (word.as_str(), false),
        };
        let trim = if end == '#' { pattern::trim_prefix } else { pattern::trim_suffix };
        trim(&value, pattern, longest)
    }

    /// `/pattern/replacement`, with `//` for all matches.
    fn replaced(&mut self, name: &str) -> Text {
        let all = self.peek() == Some('/');
        if all {
            self.next();
        }
        let pattern = self.part('/', true, "syntax error: missing '/' in ${}")?;
        let replacement = self.part('}', true, MISSING_BRACE)?;
        match self.value_of(name) {
            None if self.lexer.keep_unset => Ok(format!("${{{name}/{pattern}/{replacement}}}")),
            value => pattern::replace(&value.unwrap_or_default(), &pattern, &replacement, all),
        }
    }

    /// A word or pattern within a substitution. At the end of the text, what is missing is its end.
    fn part(&mut self, stop: char, keep_escapes: bool, missing: &str) -> Text {
        let outer = std::mem::replace(&mut self.lexer.keep_escapes, keep_escapes);
        let part = self.until(Some(stop));
        self.lexer.keep_escapes = outer;
        match part {
            Ok((text, _)) => Ok(text),
            Err(_) if self.rest.as_str().is_empty() => Err(missing.into()),
            Err(reason) => Err(reason),
        }
    }

    /// The name at this place: letters, digits and `_`, or digits alone, or one special parameter.
    fn name(&mut self) -> String {
        let rest = self.rest.as_str();
        let length = match rest.chars().next() {
            Some(c) if c.is_numeric() => length_while(rest, char::is_numeric),
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => 1,
            _ => length_while(rest, |c| c.is_alphanumeric() || c == '_'),
        };
        self.rest = rest[length..].chars();
        rest[..length].to_string()
    }

    fn value_of(&mut self, name: &str) -> Option<String> {
        let value = (self.lookup)(name);
        let seen = if value.is_some() { &mut self.used } else { &mut self.unset };
        if !seen.contains(name) {
            seen.insert(name.to_string());
        }
        value
    }
}

const MISSING_BRACE: &str = "syntax error: missing '}'";

fn unsupported(modifier: &str) -> String {
    format!("unsupported modifier ({modifier}) in substitution")
}

fn length_while(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests;
