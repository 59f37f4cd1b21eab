//! What steps tell the runner: `::error file=a.py,line=1::text` on their output, `name=value` in files.

use std::collections::BTreeMap;

/// A line of output, understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Plain output.
    Text(String),
    /// A command: name, properties, data.
    Command(String, BTreeMap<String, String>, String),
}

/// Reads one line.
pub(crate) fn read(line: &str) -> Line {
    parse(line).unwrap_or_else(|| Line::Text(line.to_owned()))
}

fn parse(line: &str) -> Option<Line> {
    let (head, data) = match line.trim_start().strip_prefix("::") {
        Some(rest) => rest.split_once("::")?,
        None => line.trim_start().strip_prefix("##[")?.split_once(']')?,
    };
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return None;
    }
    let mut read = BTreeMap::new();
    for property in properties.split([',', ';']) {
        if let Some((key, value)) = property.trim().split_once('=') {
            read.insert(key.trim().to_ascii_lowercase(), unescaped(value, true));
        }
    }
    Some(Line::Command(name.to_ascii_lowercase(), read, unescaped(data, false)))
}

fn unescaped(text: &str, property: bool) -> String {
    let text = text.replace("%0D", "\r").replace("%0A", "\n");
    let text = if property { text.replace("%3A", ":").replace("%2C", ",") } else { text };
    text.replace("%25", "%")
}

/// The pairs in a file such as `GITHUB_OUTPUT`.
///
/// # Errors
/// What is no pair, in GitHub's words.
pub(crate) fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let text = text.trim_start_matches('\u{feff}');
    let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let mut pairs = Vec::new();
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let equals = line.find('=');
        let heredoc = line.find("<<").filter(|at| equals.is_none_or(|equals| *at < equals));
        if let Some(at) = heredoc {
            let (name, delimiter) = (&line[..at], &line[at + 2..]);
            if name.is_empty() || delimiter.is_empty() {
                return Err(format!(
                    "Invalid format '{line}'. Name must not be empty and delimiter must not be empty"
                ));
            }
            let mut value = Vec::new();
            loop {
                match lines.next() {
                    Some(line) if line == delimiter => break,
                    Some(line) => value.push(line),
                    None => {
                        return Err(format!("Invalid value. Matching delimiter not found '{delimiter}'"));
                    }
                }
            }
            pairs.push((name.to_owned(), value.join("\n")));
        } else {
            match equals {
                Some(at) if at > 0 => pairs.push((line[..at].to_owned(), line[at + 1..].to_owned())),
                _ => return Err(format!("Invalid format '{line}'")),
            }
        }
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commands_are_read_and_the_rest_is_text() {
        let properties = [("file", "a,b.py"), ("line", "3")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(
            read("::error file=a%2Cb.py,line=3::one%0Atwo 100%25"),
            Line::Command("error".into(), properties.into(), "one\ntwo 100%".into())
        );
        assert_eq!(read("##[group]x"), Line::Command("group".into(), BTreeMap::new(), "x".into()));
        for text in ["plain", ":: no", "::", "a ::error::b", "::not a command"] {
            assert_eq!(read(text), Line::Text(text.into()), "{text}");
        }
    }

    #[test]
    fn files_hold_pairs_and_heredocs() {
        let text = "a=1\nb<<EOF\nx=y\n\nz\nEOF\n\nc==\r\nd=\n";
        let expected = [("a", "1"), ("b", "x=y\n\nz"), ("c", "="), ("d", "")];
        assert_eq!(pairs(text).unwrap(), expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
        for bad in ["novalue", "=x", "a<<", "a<<E\nx\n", "<<E\nE\n"] {
            assert!(pairs(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[a-c=<:#\\[\\]% \n\ré]{0,40}") {
            let _ = pairs(&text);
            let _ = read(&text);
        }
    }
}
