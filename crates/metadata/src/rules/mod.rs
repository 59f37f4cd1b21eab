//! The rules as written, and what they say.
//!
//! The language is docker/metadata-action's, read as that program reads it: texts become items, items become
//! fields, fields become typed rules. What only wharf refuses (unknown attributes, image names that no registry
//! takes) is noted here and judged by [`crate::resolve`].

mod csv;
mod flavor;
mod image;
mod list;
mod preset;
mod tag;

#[cfg(test)]
pub(crate) use csv::{Dialect, parse as parse_csv};
pub(crate) use flavor::{Flavor, Latest};
pub(crate) use image::{ImageRule, parse_images};
pub(crate) use list::items;
pub(crate) use tag::{Kind, RefKind, TagRule, Versioned, parse_tags};

/// Which names and labels an image gets, in the rule language of docker/metadata-action.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// Images to name: `org/app`, `name=ghcr.io/org/app,enable=true`.
    pub images: Vec<String>,
    /// Tag rules: `type=semver,pattern={{version}}`. Empty: those of [`Rules::conventional`].
    pub tags: Vec<String>,
    /// How `latest`, prefix and suffix are treated: `latest=auto`.
    pub flavor: Vec<String>,
    /// Labels `key=value` to add; expressions are expanded.
    pub labels: Vec<String>,
    /// Annotations `key=value` to add; expressions are expanded.
    pub annotations: Vec<String>,
}

/// A rule that cannot be read, or that cannot be applied to what is being built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rule `{rule}`: {problem}")]
pub struct RulesError {
    /// The rule as written.
    pub rule: String,
    /// What is wrong with it.
    pub problem: String,
}

impl RulesError {
    pub(crate) fn new(rule: impl Into<String>, problem: impl ToString) -> Self {
        Self { rule: rule.into(), problem: problem.to_string() }
    }
}

/// The value of one of several spellings.
fn one_of<T: Copy>(choices: &[(&str, T)], value: &str) -> Option<T> {
    choices.iter().find(|(spelling, _)| *spelling == value).map(|(_, choice)| *choice)
}

/// The spellings that [`one_of`] takes, for an error.
fn spellings<T>(choices: &[(&str, T)]) -> String {
    choices.iter().map(|(spelling, _)| format!("`{spelling}`")).collect::<Vec<_>>().join(", ")
}
