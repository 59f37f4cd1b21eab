//! Rules applied to a snapshot.

use std::collections::BTreeMap;

use crate::rules::{Rules, RulesError};
use crate::snapshot::Snapshot;

/// What an image is called and what it says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The version: the tag of the rule with the highest priority that gave one.
    pub version: Option<String>,
    /// Image names without tags, lower case, in the order of the rules.
    pub images: Vec<String>,
    /// Tag names without images, each once, the version first.
    pub tags: Vec<Tag>,
    /// Labels for the image config.
    pub labels: BTreeMap<String, String>,
    /// Annotations for the manifest.
    pub annotations: BTreeMap<String, String>,
    /// What a person should know: rules that gave nothing usable, and what to do about it.
    pub warnings: Vec<String>,
    /// Each rule with what it gave and why.
    pub explain: Vec<Explained>,
}

/// A tag name and how it may move in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Valid under the distribution grammar.
    pub name: String,
    /// How it may move.
    pub motion: Motion,
}

/// How a tag may move once a registry has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Motion {
    /// Follows whatever is built: a branch, a pull request, a commit.
    Free,
    /// Moves forward in version order only: `latest`, `1`, `1.2`.
    Rolling,
    /// Never moves: a full version.
    Immutable,
}

/// One rule, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// The rule as written.
    pub rule: String,
    /// The tag it gave; none when it did not apply.
    pub tag: Option<String>,
    /// Which variable or ref it was taken from, or why there is nothing.
    pub reason: String,
}

/// Applies `rules` to `snapshot`.
///
/// # Errors
/// A rule that cannot be read or expanded, named with its text.
pub fn resolve(snapshot: &Snapshot, rules: &Rules) -> Result<Metadata, RulesError> {
    let _ = (snapshot, rules);
    Ok(Metadata::default())
}
