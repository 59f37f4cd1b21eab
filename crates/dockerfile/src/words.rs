//! How instructions cut their arguments: at white space, at white space outside quotes, or as JSON.

use crate::error::Problem;

/// Cuts at runs of blanks. The text is already trimmed, so no word is empty.
pub(crate) fn blank_separated(text: &str) -> Vec<String> {
    text.split(is_blank).filter(|word| !word.is_empty()).map(str::to_string).collect()
}

/// The white space that separates words within a line.
pub(crate) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{b}' | '\u{c}' | '\r')
}

/// Cuts at white space outside quotes. Quotes and escapes stay in the words, because expansion needs them.
pub(crate) fn quoted(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if quote.is_none() && c.is_whitespace() {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
        } else if c == escape && quote != Some('\'') {
            // An escape at the very end is dropped.
            if let Some(next) = chars.next() {
                word.extend([c, next]);
            }
        } else {
            match quote {
                Some(open) if open == c => quote = None,
                None if c == '\'' || c == '"' => quote = Some(c),
                _ => {}
            }
            word.push(c);
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// The strings of a JSON array; `None` where the text is not one, which makes it the shell form.
///
/// # Errors
/// If it is an array of something else than strings.
pub(crate) fn json_strings(text: &str) -> Result<Option<Vec<String>>, Problem> {
    let text = text.trim_start();
    if !text.starts_with('[') {
        return Ok(None);
    }
    let Ok(values) = serde_json::from_str::<Vec<serde_json::Value>>(text) else { return Ok(None) };
    let strings =
        values.into_iter().map(|value| match value {
            serde_json::Value::String(string) => Ok(string),
            _ => Err(Problem::new("when using JSON array syntax, arrays must be comprised of strings only")
                .at("[")),
        });
    strings.collect::<Result<_, _>>().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_escapes_hold_words_together_and_stay() {
        let cases: &[(&str, &[&str])] = &[
            (r"a=1  b=2", &["a=1", "b=2"]),
            (r#"a="x y" b='z "w'"#, &[r#"a="x y""#, r#"b='z "w'"#]),
            (r"a=x\ y b", &[r"a=x\ y", "b"]),
            (r#"a="x\" y" b"#, &[r#"a="x\" y""#, "b"]),
            (r"a='x\' b'", &[r"a='x\'", "b'"]),
            (r"a b\", &["a", "b"]),
            (r#"a="never closed x"#, &[r#"a="never closed x"#]),
            ("", &[]),
        ];
        for (text, words) in cases {
            assert_eq!(quoted(text, '\\'), *words, "{text}");
        }
        assert_eq!(quoted("a=x` y\\ z", '`'), ["a=x` y\\", "z"]);
    }

    #[test]
    fn only_valid_json_is_the_exec_form() {
        assert_eq!(json_strings(r#" ["a", "b c"] "#).unwrap().unwrap(), ["a", "b c"]);
        assert_eq!(json_strings("[]").unwrap().unwrap(), Vec::<String>::new());
        for shell in ["['a']", "[a]", r#"["a",]"#, r#"["a"] x"#, "a", "", "[ -f x ]"] {
            assert_eq!(json_strings(shell).unwrap(), None, "{shell}");
        }
        for wrong in ["[1]", r#"["a", null]"#, r#"[["a"]]"#] {
            assert!(json_strings(wrong).is_err(), "{wrong}");
        }
    }
}
