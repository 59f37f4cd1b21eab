//! The little language of `when = "…"` in `[[push]]`.
//!
//! ```text
//! branch == default || tag
//! event != "pull_request" && !(branch == "develop")
//! ```
//!
//! Names: `branch`, `default` (the default branch), `tag`, `event`, `ref`. A name alone is true when it is
//! not empty. Text stands in quotes, so that a misspelt name is an error rather than a text that never
//! equals anything.

use std::fmt;

/// What a condition may ask about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// The branch being built; empty on tags.
    pub(crate) branch: String,
    /// The repository's default branch.
    pub(crate) default: String,
    /// The git tag being built; empty on branches.
    pub(crate) tag: String,
    /// What CI says happened, such as `push`.
    pub(crate) event: String,
    /// The whole ref, such as `refs/heads/main`.
    pub(crate) git_ref: String,
}

const NAMES: [&str; 5] = ["branch", "default", "tag", "event", "ref"];

impl Facts {
    fn get(&self, name: &str) -> Option<&str> {
        Some(match name {
            "branch" => &self.branch,
            "default" => &self.default,
            "tag" => &self.tag,
            "event" => &self.event,
            "ref" => &self.git_ref,
            _ => return None,
        })
    }
}

/// A condition that does not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the condition `{condition}` does not read at column {column}: {reason}")]
pub(crate) struct ConditionError {
    condition: String,
    column: usize,
    reason: String,
}

/// Whether `condition` holds for `facts`.
pub(crate) fn holds(condition: &str, facts: &Facts) -> Result<bool, ConditionError> {
    let mut parser = Parser { text: condition, at: 0, depth: 0, facts };
    let value = parser.any()?;
    parser.skip_space();
    if parser.at < condition.len() {
        return Err(parser.error(format!("`{}` is left over", parser.rest())));
    }
    Ok(value)
}

/// Parentheses deeper than this are refused, so that no input overflows the stack.
const MAX_DEPTH: usize = 32;

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    facts: &'a Facts,
}

impl<'a> Parser<'a> {
    fn any(&mut self) -> Result<bool, ConditionError> {
        let mut value = self.all()?;
        while self.take("||") {
            value |= self.all()?;
        }
        Ok(value)
    }

    fn all(&mut self) -> Result<bool, ConditionError> {
        let mut value = self.one()?;
        while self.take("&&") {
            value &= self.one()?;
        }
        Ok(value)
    }

    fn one(&mut self) -> Result<bool, ConditionError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("it is nested too deep"));
        }
        let value = if self.take("(") {
            let value = self.any()?;
            if !self.take(")") {
                return Err(self.error("a closing parenthesis is missing"));
            }
            value
        } else if !self.rest().trim_start().starts_with("!=") && self.take("!") {
            !self.one()?
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(value)
    }

    fn comparison(&mut self) -> Result<bool, ConditionError> {
        let left = self.operand()?;
        if self.take("==") {
            Ok(left == self.operand()?)
        } else if self.take("!=") {
            Ok(left != self.operand()?)
        } else {
            Ok(!left.is_empty())
        }
    }

    fn operand(&mut self) -> Result<&'a str, ConditionError> {
        self.skip_space();
        let rest = self.rest();
        if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) {
            let Some(length) = rest[1..].find(quote) else { return Err(self.error("a quote is not closed")) };
            self.at += length + 2;
            return Ok(&rest[1..=length]);
        }
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let name = &rest[..length];
        let Some(value) = self.facts.get(name) else {
            return Err(self.error(if name.is_empty() {
                format!("expected a name ({}) or a text in quotes", NAMES.join(", "))
            } else {
                format!("`{name}` is none of {}; a text stands in quotes: \"{name}\"", NAMES.join(", "))
            }));
        };
        self.at += length;
        Ok(value)
    }

    fn take(&mut self, token: &str) -> bool {
        self.skip_space();
        let taken = self.rest().starts_with(token);
        if taken {
            self.at += token.len();
        }
        taken
    }

    fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn error(&self, reason: impl fmt::Display) -> ConditionError {
        let column = self.text[..self.at].chars().count() + 1;
        ConditionError { condition: self.text.into(), column, reason: reason.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn facts(branch: &str, tag: &str) -> Facts {
        Facts {
            branch: branch.into(),
            default: "main".into(),
            tag: tag.into(),
            event: "push".into(),
            git_ref: format!("refs/heads/{branch}"),
        }
    }

    #[test]
    fn conditions_mean_what_they_say() {
        for (condition, on_main, on_feature, on_tag) in [
            ("branch == default", true, false, false),
            ("branch == default || tag", true, false, true),
            ("!tag && event == 'push'", true, true, false),
            ("event != \"push\"", false, false, false),
            ("!(branch == default) && branch", false, true, false),
            ("ref == 'refs/heads/main'", true, false, false),
        ] {
            let results = [facts("main", ""), facts("feature/main", ""), facts("", "v1.2.3")]
                .map(|facts| holds(condition, &facts).unwrap());
            assert_eq!(results, [on_main, on_feature, on_tag], "{condition}");
        }
    }

    #[test]
    fn what_does_not_read_says_where() {
        for (condition, column, word) in [
            ("branch == main", 11, "stands in quotes"),
            ("", 1, "expected a name"),
            ("tag ||", 7, "expected a name"),
            ("(tag", 5, "closing parenthesis"),
            ("tag tag", 5, "left over"),
            ("branch == 'main", 11, "not closed"),
        ] {
            let error = holds(condition, &facts("main", "")).unwrap_err();
            assert_eq!(error.column, column, "{condition}");
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(condition in "\\PC{0,60}|[()!&|=a-z' ]{0,60}") {
            let _ = holds(&condition, &facts("main", ""));
        }
    }
}
