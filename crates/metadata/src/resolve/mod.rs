//! Rules applied to a snapshot, without the surprises: what no registry takes is never given.

mod check;
mod describe;
mod motion;
mod names;
mod situation;

use std::collections::BTreeMap;

use crate::evaluate::evaluate;
use crate::rules::{Rules, RulesError};
use crate::snapshot::Snapshot;

pub use motion::Motion;

/// What an image is called and what it says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The version: the tag of the rule with the highest priority that gave one.
    pub version: Option<String>,
    /// The version that is released, where a rule read one: without prefix, suffix and pattern.
    pub release: Option<String>,
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
    /// Those of the warnings that speak of a tag which no registry takes, or whose prefix or suffix is empty.
    pub dropped: Vec<String>,
    /// Each rule with what it gave and why, the highest priority first.
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
/// A rule that cannot be read or expanded, or that gives a tag of more than 128 characters, named with its text.
pub fn resolve(snapshot: &Snapshot, rules: &Rules) -> Result<Metadata, RulesError> {
    let ruleset = check::read(rules)?;
    let subject = situation::subject(snapshot);
    let evaluated = evaluate(&ruleset.tags, &ruleset.flavor, &subject)?;
    let mut named = names::choose(&evaluated, &ruleset.flavor, &subject)?;
    named.warnings.extend(situation::ignored_tag(snapshot));
    let described = describe::describe(snapshot, &subject, named.version.as_deref());
    let labels = describe::with_lines(&described, &rules.labels, &subject)?;
    let annotations = describe::with_lines(&described, &rules.annotations, &subject)?;
    Ok(Metadata {
        version: named.version,
        release: named.release,
        images: ruleset.images,
        tags: named.tags,
        labels,
        annotations,
        warnings: named.warnings,
        dropped: named.dropped,
        explain: named.explain,
    })
}

#[cfg(test)]
mod tests;
