//! Which of the produced tags are given: valid ones, each once.

use wharf_oci::is_valid_tag;

use super::{Explained, Motion, Tag, motion};
use crate::evaluate::{Evaluated, Outcome, Produced, sanitize};
use crate::rules::{Flavor, RulesError, TagRule};
use crate::subject::Subject;

/// The longest tag that registries take.
const LONGEST: usize = 128;

/// The names of the image, and how they came to be.
#[derive(Default)]
pub(super) struct Named {
    pub(super) version: Option<String>,
    pub(super) release: Option<String>,
    pub(super) tags: Vec<Tag>,
    pub(super) warnings: Vec<String>,
    /// Those of the warnings that speak of a tag which was not given.
    pub(super) dropped: Vec<String>,
    pub(super) explain: Vec<Explained>,
}

/// Chooses among what the rules produced, in their order.
pub(super) fn choose(
    evaluated: &[Evaluated<'_>],
    flavor: &Flavor,
    subject: &Subject,
) -> Result<Named, RulesError> {
    let mut named = Named::default();
    let mut latest = None;
    for Evaluated { rule, outcome, warnings } in evaluated {
        named.warnings.extend(warnings.iter().map(|warning| format!("rule `{}`: {warning}", rule.text)));
        match outcome {
            Outcome::Nothing(reason) => named.explain(&rule.text, None, reason.clone()),
            Outcome::Tag(produced) => {
                let given = named.add(rule, flavor, produced)?;
                if given && latest.is_none() {
                    latest = Some((rule, produced.latest));
                }
            }
        }
    }
    if let Some((rule, true)) = latest {
        named.add_latest(rule, flavor, subject)?;
    }
    named.version = named.tags.first().map(|tag| tag.name.clone());
    Ok(named)
}

impl Named {
    fn explain(&mut self, rule: &str, tag: Option<String>, reason: String) {
        self.explain.push(Explained { rule: rule.to_owned(), tag, reason });
    }

    fn drop(&mut self, warning: String) {
        self.dropped.push(warning.clone());
        self.warnings.push(warning);
    }

    /// Adds a tag; false where no registry would take it.
    fn add(&mut self, rule: &TagRule, flavor: &Flavor, produced: &Produced) -> Result<bool, RulesError> {
        let name = sanitize(&produced.text);
        if name.len() > LONGEST {
            let problem =
                format!("gives a tag of {} characters, `{name}`; a tag has at most {LONGEST}", name.len());
            return Err(RulesError::new(&rule.text, problem));
        }
        if let Some(problem) = unusable(rule, flavor, produced, &name) {
            self.drop(format!("rule `{}` gives `{name}`: {problem}", rule.text));
            self.explain(&rule.text, None, format!("dropped `{name}`: {problem}"));
            return Ok(false);
        }
        let motion = motion::of(rule, produced, &name);
        if self.release.is_none() {
            self.release.clone_from(&produced.version);
        }
        self.explain(&rule.text, Some(name.clone()), format!("from {}", produced.origin));
        self.push(Tag { name, motion });
        Ok(true)
    }

    /// A name is given once; of two ways to move, the stricter one holds.
    fn push(&mut self, tag: Tag) {
        match self.tags.iter_mut().find(|known| known.name == tag.name) {
            None => self.tags.push(tag),
            Some(known) if known.motion == Motion::Free => known.motion = tag.motion,
            Some(_) => {}
        }
    }

    fn add_latest(&mut self, rule: &TagRule, flavor: &Flavor, subject: &Subject) -> Result<(), RulesError> {
        let affix = |wanted: bool, affix: &str| match wanted {
            true => subject.expand(affix).map_err(|problem| RulesError::new(affix, problem)),
            false => Ok(String::new()),
        };
        let prefix = affix(flavor.prefix_on_latest, &flavor.prefix)?;
        let suffix = affix(flavor.suffix_on_latest, &flavor.suffix)?;
        let name = sanitize(&format!("{prefix}latest{suffix}"));
        let emptied = (flavor.prefix_on_latest && is_emptied(&flavor.prefix, &prefix))
            || (flavor.suffix_on_latest && is_emptied(&flavor.suffix, &suffix));
        if emptied || !is_valid_tag(&name) {
            let problem = match emptied {
                true => {
                    "the flavor's prefix or suffix is empty here; leave out `onlatest=true`, or use another one"
                }
                false => "no registry takes it; change the flavor's prefix",
            };
            self.drop(format!("the flavor gives `{name}`: {problem}"));
            self.explain("flavor", None, format!("dropped `{name}`: {problem}"));
            return Ok(());
        }
        self.explain("flavor", Some(name.clone()), format!("`latest` follows `{}`", rule.text));
        self.push(Tag { name, motion: Motion::Rolling });
        Ok(())
    }
}

/// Why a tag cannot be given, and what to do about it.
fn unusable(rule: &TagRule, flavor: &Flavor, produced: &Produced, name: &str) -> Option<String> {
    let affixes = [
        ("prefix", &rule.prefix, &flavor.prefix, &produced.prefix),
        ("suffix", &rule.suffix, &flavor.suffix, &produced.suffix),
    ];
    for (affix, own, common, expanded) in affixes {
        let written = own.as_deref().unwrap_or(common);
        if is_emptied(written, expanded) {
            let whose = if own.is_some() { "" } else { "the flavor's " };
            return Some(format!(
                "{whose}`{affix}={written}` is empty here; use another {affix}, or `enable=` so that the rule only \
                 applies where it is not"
            ));
        }
    }
    if produced.is_hollow {
        return Some(
            "its value is empty here; use `enable=` so that the rule only applies where it is not".into(),
        );
    }
    if !is_valid_tag(name) {
        let start = "a tag starts with a letter, a digit or `_`";
        return Some(format!("{start}; give the rule a `prefix=` or an `enable=` that leaves this case out"));
    }
    None
}

/// Whether an affix that holds an expression came to nothing but marks.
fn is_emptied(written: &str, expanded: &str) -> bool {
    written.contains("{{") && !expanded.chars().any(char::is_alphanumeric)
}
