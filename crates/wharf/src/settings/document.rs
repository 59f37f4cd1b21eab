//! Reading a settings file: every error names the file, the line and the column, and an unknown key
//! comes with the nearest known one.

use std::path::Path;

use anyhow::anyhow;
use serde::de::DeserializeOwned;

use crate::exit::{Exit, Failure, OrFail};

/// The file as `T`, or `None` where it does not exist.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Failure> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::from(error).context(format!("reading {}", path.display()))),
    };
    parse(&text, path).map(Some)
}

/// `text` as `T`; `path` is for the error.
pub(crate) fn parse<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, Failure> {
    toml::from_str(text).map_err(|error| {
        let (line, column) = place(text, error.span().map_or(0, |span| span.start));
        let shown = text.lines().nth(line - 1).unwrap_or_default();
        let message = error.message().trim();
        let failure = Failure::new(
            Exit::Usage,
            anyhow!("{}:{line}:{column}: {message}\n{line:>5} | {shown}", path.display()),
        );
        match nearest_key(message) {
            Some(key) => failure.hint(format!("did you mean `{key}`?")),
            None => failure,
        }
    })
}

/// `$NAME` and `${NAME}` replaced from the environment; a name that is not set is an error, as an empty
/// registry or tag is never what was meant.
pub(crate) fn expand(
    text: &str,
    what: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<String, Failure> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let (name, after) = match rest.strip_prefix('{') {
            Some(braced) => {
                braced.split_once('}').ok_or_else(|| anyhow!("`{text}` lacks a closing brace")).or_usage()?
            }
            None => rest
                .split_at(rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())),
        };
        let value = env(name).filter(|value| !value.is_empty()).ok_or_else(|| {
            Failure::usage(format!("{what} is `{text}`, but `{name}` is not set in the environment"))
                .hint(format!("set it: export {name}=…"))
        })?;
        out.push_str(&value);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// Line and column, from 1, of a byte offset.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// From serde's "unknown field `a`, expected one of `b`, `c`", the expected name nearest to the unknown one.
fn nearest_key(message: &str) -> Option<&str> {
    let mut quoted = message.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    let unknown = quoted.next()?;
    quoted
        .map(|key| (strsim::damerau_levenshtein(unknown, key), key))
        .min()
        .filter(|(d, _)| *d <= 3)
        .map(|(_, k)| k)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[serde(rename = "name")]
        _name: String,
    }

    #[test]
    fn an_unknown_key_is_shown_in_place_with_the_nearest_one() {
        let failure = parse::<Sample>("name = \"a\"\nnaem = 1\n", Path::new("w.toml")).unwrap_err();
        assert!(
            failure.error.to_string().starts_with("w.toml:2:1: unknown field `naem`"),
            "{}",
            failure.error
        );
        assert!(failure.error.to_string().ends_with("    2 | naem = 1"), "{}", failure.error);
        assert_eq!(failure.hint.as_deref(), Some("did you mean `name`?"));
        assert_eq!(failure.exit, Exit::Usage);
    }

    #[test]
    fn variables_are_filled_in_and_missing_ones_are_an_error() {
        let env = |name: &str| (name == "HOST").then(|| "ecr.example".to_owned());
        assert_eq!(expand("$HOST/a-${HOST}", "registry", &env).unwrap(), "ecr.example/a-ecr.example");
        assert!(
            expand("$NOPE/a", "registry", &env).unwrap_err().error.to_string().contains("`NOPE` is not set")
        );
        assert!(expand("${HOST", "registry", &env).is_err());
    }
}
