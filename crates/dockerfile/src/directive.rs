//! Parser directives: the comments at the top of the file that say how to read it.

use crate::go;

/// What the parser directives said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directives {
    /// `# syntax=`: the frontend image. Accepted and not used.
    pub syntax: Option<String>,
    /// `# escape=`: backslash or backtick.
    pub escape: char,
    /// `# check=`: what the checks are told.
    pub check: CheckDirective,
}

impl Default for Directives {
    fn default() -> Self {
        Self { syntax: None, escape: '\\', check: CheckDirective::default() }
    }
}

/// `skip=A,B;error=true;experimental=C`, as `# check=` and the build argument
/// `BUILDKIT_DOCKERFILE_CHECK` take it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckDirective {
    /// Names of the checks to leave out.
    pub skip: Vec<String>,
    /// `skip=all`.
    pub skip_all: bool,
    /// A finding fails the build.
    pub error: bool,
    /// Names of the experimental checks to run.
    pub experimental: Vec<String>,
    /// `experimental=all`.
    pub experimental_all: bool,
}

/// A check option that does not exist or has no such value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to parse check options: {reason}")]
pub struct CheckOptionError {
    reason: String,
}

impl CheckDirective {
    /// Reads the options.
    ///
    /// # Errors
    /// For an unknown option, one without `=`, and an `error` that is no boolean.
    pub fn parse(text: &str) -> Result<Self, CheckOptionError> {
        let mut check = Self::default();
        let text = text.trim();
        if text.is_empty() {
            return Ok(check);
        }
        let fail = |reason| Err(CheckOptionError { reason });
        for part in text.splitn(3, ';') {
            let Some((key, value)) = part.split_once('=') else {
                return fail(format!("invalid check option {part:?}"));
            };
            let (key, value) = (key.trim(), value.trim());
            match key {
                "skip" => (check.skip_all, check.skip) = names(value),
                "experimental" => (check.experimental_all, check.experimental) = names(value),
                "error" => match go::parse_bool(value) {
                    Some(error) => check.error = error,
                    None => return fail(format!("failed to parse check option {part:?}: invalid syntax")),
                },
                _ => return fail(format!("invalid check option {key:?}")),
            }
        }
        Ok(check)
    }
}

/// `all`, or names.
fn names(value: &str) -> (bool, Vec<String>) {
    match value {
        "all" => (true, Vec::new()),
        _ => (false, value.split(',').map(|name| name.trim().to_string()).collect()),
    }
}

/// Which directive a comment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Syntax,
    Escape,
    Check,
}

impl Key {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::Escape => "escape",
            Self::Check => "check",
        }
    }
}

/// Reads the text of a comment, without its `#`, as a directive: `name = value`.
pub(crate) fn parse(comment: &str) -> Option<(Key, &str)> {
    let (name, value) = comment.trim_start().split_once('=')?;
    let value = value.trim();
    if value.is_empty() {
        return None;
    }
    let name = name.trim_end();
    let key = [Key::Syntax, Key::Escape, Key::Check]
        .into_iter()
        .find(|key| key.name().eq_ignore_ascii_case(name))?;
    Some((key, value))
}

/// The directives that are read from the top of the file before anything else, so that they also count
/// after a `#!` line. A value ends at its first space.
pub(crate) fn prescan<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<(Key, usize, &'a str)> {
    let mut found: Vec<(Key, usize, &str)> = Vec::new();
    for (index, line) in lines.enumerate() {
        if index == 0 && line.starts_with("#!") {
            continue;
        }
        let Some((key, value)) = line.strip_prefix('#').and_then(parse) else { break };
        if found.iter().any(|(seen, ..)| *seen == key) {
            break;
        }
        found.push((key, index, value.split(' ').next().unwrap_or(value)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_that_are_directives() {
        assert_eq!(parse(" Escape = ` "), Some((Key::Escape, "`")));
        assert_eq!(parse("check=skip=all;error=true"), Some((Key::Check, "skip=all;error=true")));
        for other in ["", "just a comment", "escape", "escape=", "es cape=`", "unknown=x"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn check_options() {
        let check = CheckDirective::parse(" skip=A, B ; error=true;experimental=all").unwrap();
        assert_eq!(check.skip, ["A", "B"]);
        assert!(check.error && check.experimental_all && !check.skip_all);
        assert!(CheckDirective::parse("skip=all").unwrap().skip_all);
        assert_eq!(CheckDirective::parse("").unwrap(), CheckDirective::default());
        for wrong in ["skip", "error=maybe", "nosuch=1"] {
            assert!(CheckDirective::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_top_of_the_file_is_scanned_past_an_interpreter_line() {
        let keys = |text: &'static str| {
            prescan(text.lines()).into_iter().map(|(key, line, _)| (key, line)).collect()
        };
        let found: Vec<_> = keys("#!/bin/x\n# syntax=a\n# check=b c\nFROM x\n");
        assert_eq!(found, [(Key::Syntax, 1), (Key::Check, 2)]);
        let none: Vec<_> = keys("\n# check=x\n");
        assert_eq!(none, []);
        let none: Vec<_> = keys("# a comment\n# check=x\n");
        assert_eq!(none, []);
    }
}
