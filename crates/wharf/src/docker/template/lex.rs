//! From the text of a template to text and the words of its actions.

/// A piece of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    Text(String),
    Action(Vec<Word>),
}

/// A word of an action, and whether white space stands before it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word {
    pub(super) token: Token,
    pub(super) spaced: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// `.`
    Dot,
    /// `.Name`
    Field(String),
    /// `$` or `$name`
    Variable(String),
    Identifier(String),
    Text(String),
    Integer(i64),
    Float(f64),
    Open,
    Close,
    Pipe,
    Comma,
    /// `:=`
    Declare,
    /// `=`
    Assign,
}

/// Takes a template apart.
pub(super) fn pieces(mut rest: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut trim_next = false;
    loop {
        let (text, action) = match rest.split_once("{{") {
            Some((text, action)) => (text, Some(action)),
            None => (rest, None),
        };
        let text = if trim_next { text.trim_start() } else { text };
        let Some(action) = action else {
            push_text(&mut pieces, text);
            return Ok(pieces);
        };
        let (trim, action) = match action.strip_prefix('-') {
            Some(after) if after.starts_with(char::is_whitespace) => (true, after),
            _ => (false, action),
        };
        push_text(&mut pieces, if trim { text.trim_end() } else { text });
        let (words, after, trim) = match action.trim_start().strip_prefix("/*") {
            Some(comment) => {
                let (after, trim) = comment_end(comment)?;
                (None, after, trim)
            }
            None => {
                let (words, after, trim) = words(action)?;
                (Some(words), after, trim)
            }
        };
        pieces.extend(words.map(Piece::Action));
        trim_next = trim;
        rest = after;
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

fn comment_end(comment: &str) -> Result<(&str, bool), String> {
    let (_, after) = comment.split_once("*/").ok_or("unclosed comment")?;
    let trimmed = after.trim_start();
    let (trim, close) = match trimmed.strip_prefix('-') {
        Some(close) if after != trimmed => (true, close),
        _ => (false, after),
    };
    let after = close.strip_prefix("}}").ok_or("comment ends before closing delimiter")?;
    Ok((after, trim))
}

/// The words up to `}}`, what comes after, and whether white space there is to go.
fn words(text: &str) -> Result<(Vec<Word>, &str, bool), String> {
    let mut words = Vec::new();
    let mut rest = text;
    loop {
        let trimmed = rest.trim_start();
        let spaced = trimmed.len() != rest.len();
        rest = trimmed;
        if let Some(after) = rest.strip_prefix("}}") {
            return Ok((words, after, false));
        }
        if let Some(after) = rest.strip_prefix("-}}").filter(|_| spaced) {
            return Ok((words, after, true));
        }
        let (token, after) = word(rest)?;
        words.push(Word { token, spaced });
        rest = after;
    }
}

fn word(text: &str) -> Result<(Token, &str), String> {
    let mut characters = text.chars();
    let first = characters.next().ok_or("unclosed action")?;
    let after = characters.as_str();
    Ok(match first {
        '(' => (Token::Open, after),
        ')' => (Token::Close, after),
        '|' => (Token::Pipe, after),
        ',' => (Token::Comma, after),
        '=' => (Token::Assign, after),
        ':' => (Token::Declare, after.strip_prefix('=').ok_or("expected :=")?),
        '"' => quoted(after)?,
        '`' => {
            let (raw, after) = after.split_once('`').ok_or("unterminated raw quoted string")?;
            (Token::Text(raw.to_owned()), after)
        }
        '\'' => {
            let (inside, after) = after.split_once('\'').ok_or("unterminated character constant")?;
            let mut inside = inside.chars();
            match (inside.next(), inside.next()) {
                (Some(c), None) => (Token::Integer(i64::from(u32::from(c))), after),
                _ => return Err("malformed character constant".into()),
            }
        }
        '.' => match name(after) {
            ("", _) if after.starts_with(|c: char| c.is_ascii_digit()) => number(text)?,
            ("", after) => (Token::Dot, after),
            (name, after) => (Token::Field(name.to_owned()), after),
        },
        '$' => {
            let (name, after) = name(after);
            (Token::Variable(name.to_owned()), after)
        }
        c if c.is_ascii_digit() || c == '-' || c == '+' => number(text)?,
        c if c.is_alphabetic() || c == '_' => {
            let (name, after) = name(text);
            (Token::Identifier(name.to_owned()), after)
        }
        c => return Err(format!("unexpected {c:?} in command")),
    })
}

fn name(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    text.split_at(end)
}

fn number(text: &str) -> Result<(Token, &str), String> {
    let end = text
        .char_indices()
        .find(|(at, c)| {
            !(c.is_ascii_alphanumeric() || *c == '.' || *c == '_' || (*at == 0 && "+-".contains(*c)))
        })
        .map_or(text.len(), |(at, _)| at);
    let (digits, after) = text.split_at(end);
    let plain = digits.replace('_', "");
    let token = match (plain.parse::<i64>(), plain.parse::<f64>()) {
        (Ok(integer), _) => Token::Integer(integer),
        (_, Ok(float)) if plain.starts_with(|c: char| !c.is_alphabetic()) && float.is_finite() => {
            Token::Float(float)
        }
        _ => return Err(format!("bad number syntax: {digits:?}")),
    };
    Ok((token, after))
}

/// The rest of a string in double quotes.
fn quoted(text: &str) -> Result<(Token, &str), String> {
    let mut value = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next() {
            None | Some('\n') => return Err("unterminated quoted string".into()),
            Some('"') => return Ok((Token::Text(value), characters.as_str())),
            Some('\\') => value.push(match characters.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('r') => '\r',
                Some(c @ ('"' | '\\' | '\'')) => c,
                Some(marker @ ('x' | 'u')) => {
                    let length = if marker == 'x' { 2 } else { 4 };
                    let digits: String = characters.by_ref().take(length).collect();
                    let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                    code.ok_or("invalid syntax in a quoted string")?
                }
                _ => return Err("invalid syntax in a quoted string".into()),
            }),
            Some(c) => value.push(c),
        }
    }
}
