//! Text to tokens.

use serde_json::Value;

use super::number;
use crate::source::{Fault, Span};

/// A token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Literal(Value),
    Name(String),
    /// An operator or a bracket.
    Sign(&'static str),
    End,
}

const SIGNS: [&str; 17] =
    ["==", "!=", "<=", ">=", "&&", "||", "!", "<", ">", "(", ")", "[", "]", ".", ",", "*", "$"];

/// All tokens with their places; the last is [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, Span)>, Fault> {
    let mut tokens: Vec<(Token, Span)> = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        let after_dot = matches!(tokens.last(), Some((Token::Sign("."), _)));
        let (token, length) = one(&text[at..], c, after_dot).map_err(|(length, message)| {
            let position = text[..at].chars().count() + 1;
            let shown = &text[at..at + length];
            Fault::new(
                Span::new(at, at + length),
                format!("{message}: '{shown}'. Located at position {position} within expression: {text}"),
            )
        })?;
        tokens.push((token, Span::new(at, at + length)));
        at += length;
    }
    tokens.push((Token::End, Span::new(text.len(), text.len())));
    Ok(tokens)
}

fn one(rest: &str, c: char, after_dot: bool) -> Result<(Token, usize), (usize, &'static str)> {
    if c == '\'' {
        return quoted(rest);
    }
    let starts_number = c.is_ascii_digit()
        || (matches!(c, '+' | '-') || (c == '.' && !after_dot))
            && rest[1..].starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if starts_number && !after_dot {
        let length = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-' | '_')))
            .unwrap_or(rest.len());
        return match literal_number(&rest[..length]) {
            Some(value) => Ok((Token::Literal(value), length)),
            None => Err((length, "Unexpected symbol")),
        };
    }
    if c.is_ascii_alphabetic() || c == '_' {
        let length =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))).unwrap_or(rest.len());
        let word = &rest[..length];
        let token = match word {
            _ if after_dot => Token::Name(word.into()),
            "null" => Token::Literal(Value::Null),
            "true" => Token::Literal(true.into()),
            "false" => Token::Literal(false.into()),
            _ => Token::Name(word.into()),
        };
        return Ok((token, length));
    }
    match SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
        Some("$") | None => {
            let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
            Err((length, "Unexpected symbol"))
        }
        Some(sign) => Ok((Token::Sign(sign), sign.len())),
    }
}

fn quoted(rest: &str) -> Result<(Token, usize), (usize, &'static str)> {
    let mut value = String::new();
    let mut at = 1;
    loop {
        let Some(length) = rest[at..].find('\'') else {
            return Err((rest.len(), "A quote is not closed in"));
        };
        value.push_str(&rest[at..at + length]);
        at += length + 1;
        if !rest[at..].starts_with('\'') {
            return Ok((Token::Literal(value.into()), at));
        }
        value.push('\'');
        at += 1;
    }
}

fn literal_number(text: &str) -> Option<Value> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    if let Some(hex) = digits.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok().map(|value| number(sign * value as f64));
    }
    if let Some(octal) = digits.strip_prefix("0o") {
        return u64::from_str_radix(octal, 8).ok().map(|value| number(sign * value as f64));
    }
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || b".eE+-".contains(&b));
    text.parse::<f64>().ok().filter(|value| plain && value.is_finite()).map(number)
}
