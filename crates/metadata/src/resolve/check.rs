//! Rules read strictly: what the action would pass over in silence is an error here.

use wharf_oci::Reference;

use crate::evaluate::PEP440_FIELDS;
use crate::javascript::Pattern;
use crate::rules::{Flavor, Kind, Rules, RulesError, TagRule, Versioned, parse_images, parse_tags};
use crate::subject::{DATE_EXPRESSIONS, EXPRESSIONS};
use crate::template::{self, Function};

/// Rules that make sense.
pub(super) struct Ruleset {
    /// Names of the enabled images.
    pub(super) images: Vec<String>,
    pub(super) tags: Vec<TagRule>,
    pub(super) flavor: Flavor,
}

/// What the pattern of `type=semver` may ask for.
const SEMVER_FIELDS: [&str; 7] = ["raw", "version", "major", "minor", "patch", "prerelease", "build"];
/// Attributes that only wharf has: how a tag may move.
pub(super) const MOTION_ATTRIBUTES: [&str; 2] = ["rolling", "immutable"];

/// Reads and checks `rules`.
pub(super) fn read(rules: &Rules) -> Result<Ruleset, RulesError> {
    let mut images = Vec::new();
    for image in parse_images(&rules.images)? {
        check_image(&image.name)?;
        if image.enable && !images.contains(&image.name) {
            images.push(image.name);
        }
    }
    let conventional = Rules::conventional("");
    let items = if rules.tags.is_empty() { &conventional.tags } else { &rules.tags };
    let tags = parse_tags(items)?;
    tags.iter().try_for_each(check_tag)?;
    let flavor = Flavor::parse(&rules.flavor)?;
    let flavor_text = rules.flavor.join("; ");
    check_names(&flavor_text, &flavor.prefix, &names(&EXPRESSIONS))?;
    check_names(&flavor_text, &flavor.suffix, &names(&EXPRESSIONS))?;
    for line in rules.labels.iter().chain(&rules.annotations) {
        check_names(line, line, &names(&EXPRESSIONS))?;
        if line.split_once('=').is_none_or(|(key, _)| key.trim().is_empty()) {
            return Err(RulesError::new(line, "a label is `key=value`"));
        }
    }
    Ok(Ruleset { images, tags, flavor })
}

fn check_image(name: &str) -> Result<(), RulesError> {
    let reference: Reference = name.parse().map_err(|problem| RulesError::new(name, problem))?;
    if reference.tag().is_some() || reference.digest().is_some() {
        return Err(RulesError::new(name, "an image is named without a tag; tags come from rules"));
    }
    Ok(())
}

fn check_tag(rule: &TagRule) -> Result<(), RulesError> {
    let error = |problem: String| RulesError::new(&rule.text, problem);
    for (key, value) in &rule.unknown {
        if !MOTION_ATTRIBUTES.contains(&key.as_str()) {
            return Err(error(format!("unknown attribute `{key}` for this type")));
        }
        if !matches!(value.as_str(), "true" | "false") {
            return Err(error(format!("`{key}` is `{value}`; it must be `true` or `false`")));
        }
    }
    if rule.priority.is_none() {
        return Err(error("`priority` must be a number".to_owned()));
    }
    let affixes = [&rule.prefix, &rule.suffix].into_iter().flatten();
    for text in affixes.chain([&rule.enable]) {
        check_names(&rule.text, text, &names(&EXPRESSIONS))?;
    }
    match &rule.kind {
        Kind::Schedule { pattern } => check_names(&rule.text, pattern, &names(&DATE_EXPRESSIONS)),
        Kind::Semver(versioned) => check_versioned(rule, versioned, &SEMVER_FIELDS),
        Kind::Pep440(versioned) => check_versioned(rule, versioned, &names(&PEP440_FIELDS)),
        Kind::Match { pattern, value, .. } => {
            Pattern::from_rule(pattern).map_err(|problem| RulesError::new(&rule.text, problem))?;
            check_names(&rule.text, value, &names(&EXPRESSIONS))
        }
        Kind::Raw { value } => check_names(&rule.text, value, &names(&EXPRESSIONS)),
        Kind::Edge { .. } | Kind::Ref(_) | Kind::Sha { .. } => Ok(()),
    }
}

fn check_versioned(rule: &TagRule, versioned: &Versioned, fields: &[&str]) -> Result<(), RulesError> {
    Pattern::new(&versioned.extract).map_err(|problem| RulesError::new(&rule.text, problem))?;
    check_names(&rule.text, &versioned.pattern, fields)?;
    check_names(&rule.text, &versioned.value, &names(&EXPRESSIONS))
}

/// Refuses a template that does not parse, or that asks for what there is not.
fn check_names(rule: &str, source: &str, known: &[&str]) -> Result<(), RulesError> {
    let names = template::names(source).map_err(|problem| RulesError::new(rule, problem))?;
    match names.iter().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let known = known.iter().map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", ");
            Err(RulesError::new(rule, format!("there is no `{name}` here; there are {known}")))
        }
    }
}

fn names(functions: &[Function]) -> Vec<&'static str> {
    functions.iter().map(|function| function.name).collect()
}
