//! Tag rules: `type=semver,pattern={{version}},priority=900`.

use std::cmp::Ordering;

use super::list::{fields, first_pair};
use super::{RulesError, one_of, spellings};
use crate::javascript::{sort_by, string_to_number, trim};

/// One tag rule.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TagRule {
    /// The rule as written.
    pub(crate) text: String,
    pub(crate) kind: Kind,
    /// An expression that must give `true` or `false`.
    pub(crate) enable: String,
    /// Higher comes first; none where it is not a number.
    pub(crate) priority: Option<f64>,
    /// Replaces the flavor's, even when empty.
    pub(crate) prefix: Option<String>,
    /// Replaces the flavor's, even when empty.
    pub(crate) suffix: Option<String>,
    /// Attributes that this type of rule does not know.
    pub(crate) unknown: Vec<(String, String)>,
}

/// What a rule makes tags of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Schedule { pattern: String },
    Semver(Versioned),
    Pep440(Versioned),
    Match { pattern: String, group: String, value: String },
    Edge { branch: String },
    Ref(RefKind),
    Raw { value: String },
    Sha { long: bool },
}

/// A rule that reads a version: from `value`, or from the git tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Versioned {
    pub(crate) pattern: String,
    pub(crate) value: String,
    /// A regular expression whose first group is the version; empty for none.
    pub(crate) extract: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefKind {
    Branch,
    Tag,
    PullRequest,
}

/// Types with their priorities.
const TYPES: [(&str, f64); 8] = [
    ("schedule", 1000.0),
    ("semver", 900.0),
    ("pep440", 900.0),
    ("match", 800.0),
    ("edge", 700.0),
    ("ref", 600.0),
    ("raw", 200.0),
    ("sha", 100.0),
];
const REF_EVENTS: [(&str, RefKind); 3] =
    [("branch", RefKind::Branch), ("tag", RefKind::Tag), ("pr", RefKind::PullRequest)];
const SHA_FORMATS: [(&str, bool); 2] = [("short", false), ("long", true)];
/// What applies where no rule is given.
const DEFAULTS: [&str; 4] =
    ["type=schedule", "type=ref,event=branch", "type=ref,event=tag", "type=ref,event=pr"];

/// Reads tag rules and sorts them, the highest priority first.
pub(crate) fn parse_tags(items: &[String]) -> Result<Vec<TagRule>, RulesError> {
    let mut rules: Vec<TagRule> = match items {
        [] => DEFAULTS.iter().map(|item| parse_tag(item)).collect::<Result<_, _>>()?,
        items => items.iter().map(|item| parse_tag(item)).collect::<Result<_, _>>()?,
    };
    sort_by(&mut rules, by_priority);
    Ok(rules)
}

/// The higher first. A priority that is no number compares equal to every other.
fn by_priority(a: &TagRule, b: &TagRule) -> Ordering {
    match (a.priority, b.priority) {
        (Some(a), Some(b)) => b.partial_cmp(&a).unwrap_or(Ordering::Equal),
        _ => Ordering::Equal,
    }
}

/// The attributes of a rule that are not yet used up.
struct Attributes<'a> {
    item: &'a str,
    values: Vec<(String, String)>,
}

impl Attributes<'_> {
    fn set(&mut self, key: String, value: String) {
        match self.values.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = value,
            None => self.values.push((key, value)),
        }
    }

    fn take(&mut self, key: &str) -> Option<String> {
        let at = self.values.iter().position(|(known, _)| known == key)?;
        Some(self.values.remove(at).1)
    }

    fn require(&mut self, key: &str) -> Result<String, RulesError> {
        self.take(key).ok_or_else(|| RulesError::new(self.item, format!("the attribute `{key}` is missing")))
    }

    fn choose<T: Copy>(&self, key: &str, value: &str, choices: &[(&str, T)]) -> Result<T, RulesError> {
        let problem = || format!("`{key}` is `{value}`; it must be one of {}", spellings(choices));
        one_of(choices, value).ok_or_else(|| RulesError::new(self.item, problem()))
    }
}

fn parse_tag(item: &str) -> Result<TagRule, RulesError> {
    let mut attributes = Attributes { item, values: Vec::new() };
    let mut kind = "raw".to_owned();
    let mut default_priority = attributes.choose("type", &kind, &TYPES)?;
    for field in fields(item)? {
        match first_pair(&field) {
            None => attributes.set("value".to_owned(), trim(&field).to_owned()),
            Some((key, value)) if key == "type" => {
                default_priority = attributes.choose("type", &value, &TYPES)?;
                kind = value;
            }
            Some((key, value)) => attributes.set(key, value),
        }
    }
    let kind = parse_kind(&kind, &mut attributes)?;
    let default_prefix = match kind {
        Kind::Ref(RefKind::PullRequest) => Some("pr-".to_owned()),
        Kind::Sha { .. } => Some("sha-".to_owned()),
        _ => None,
    };
    Ok(TagRule {
        text: item.to_owned(),
        enable: attributes.take("enable").unwrap_or_else(|| "true".to_owned()),
        priority: attributes.take("priority").map_or(Some(default_priority), |text| string_to_number(&text)),
        prefix: attributes.take("prefix").or(default_prefix),
        suffix: attributes.take("suffix"),
        unknown: attributes.values,
        kind,
    })
}

fn parse_kind(kind: &str, attributes: &mut Attributes<'_>) -> Result<Kind, RulesError> {
    Ok(match kind {
        "schedule" => {
            Kind::Schedule { pattern: attributes.take("pattern").unwrap_or_else(|| "nightly".to_owned()) }
        }
        "semver" => Kind::Semver(parse_versioned(attributes)?),
        "pep440" => Kind::Pep440(parse_versioned(attributes)?),
        "match" => {
            let pattern = attributes.require("pattern")?;
            let group = attributes.take("group").unwrap_or_else(|| "0".to_owned());
            if string_to_number(&group).is_none() {
                return Err(RulesError::new(
                    attributes.item,
                    format!("`group` is `{group}`; it must be a number"),
                ));
            }
            Kind::Match { pattern, group, value: attributes.take("value").unwrap_or_default() }
        }
        "edge" => Kind::Edge { branch: attributes.take("branch").unwrap_or_default() },
        "ref" => {
            let event = attributes.require("event")?;
            Kind::Ref(attributes.choose("event", &event, &REF_EVENTS)?)
        }
        "sha" => {
            let format = attributes.take("format").unwrap_or_else(|| "short".to_owned());
            Kind::Sha { long: attributes.choose("format", &format, &SHA_FORMATS)? }
        }
        _ => Kind::Raw { value: attributes.require("value")? },
    })
}

fn parse_versioned(attributes: &mut Attributes<'_>) -> Result<Versioned, RulesError> {
    Ok(Versioned {
        pattern: attributes.require("pattern")?,
        value: attributes.take("value").unwrap_or_default(),
        extract: attributes.take("match").unwrap_or_default(),
    })
}
