//! Tag rules applied to what is being built.

use crate::javascript::Pattern;
use crate::rules::{Flavor, Kind, Latest, RefKind, RulesError, TagRule, Versioned};
use crate::subject::Subject;
use crate::template::{self, Function, TemplateError, Value};
use crate::version::pep440::Pep440;
use crate::version::semver::Semver;

/// What the pattern of `type=pep440` may use.
pub(crate) const PEP440_FIELDS: [Function; 5] = [
    Function { name: "raw", arity: 0 },
    Function { name: "version", arity: 0 },
    Function { name: "major", arity: 0 },
    Function { name: "minor", arity: 0 },
    Function { name: "patch", arity: 0 },
];

/// What became of one rule.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Evaluated<'a> {
    pub(crate) rule: &'a TagRule,
    pub(crate) outcome: Outcome,
    /// What a person should know about it.
    pub(crate) warnings: Vec<String>,
}

/// A tag, or the reason why there is none.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    Tag(Produced),
    Nothing(String),
}

/// The tag that a rule gives.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Produced {
    /// With prefix and suffix, before invalid characters are replaced.
    pub(crate) text: String,
    pub(crate) prefix: String,
    pub(crate) suffix: String,
    /// Nothing stands between them.
    pub(crate) is_hollow: bool,
    /// Whether it brings `latest` with it, if it is the first.
    pub(crate) latest: bool,
    /// What it was made of.
    pub(crate) origin: String,
    /// The whole version that it names or abbreviates, for rules that read versions.
    pub(crate) version: Option<String>,
}

/// Applies `rules`, in their order.
///
/// # Errors
/// An expression that cannot be expanded, with the rule that it stands in.
pub(crate) fn evaluate<'a>(
    rules: &'a [TagRule],
    flavor: &Flavor,
    subject: &Subject,
) -> Result<Vec<Evaluated<'a>>, RulesError> {
    let evaluate = |rule: &'a TagRule| {
        let mut evaluation = Evaluation { rule, flavor, subject, warnings: Vec::new() };
        let outcome = evaluation.outcome().map_err(|problem| RulesError::new(&rule.text, problem))?;
        Ok(Evaluated { rule, outcome, warnings: evaluation.warnings })
    };
    rules.iter().map(evaluate).collect()
}

/// Replaces every run of characters that tags may not hold by one dash.
pub(crate) fn sanitize(tag: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let mut clean = String::with_capacity(tag.len());
    let mut in_run = false;
    for c in tag.chars() {
        if allowed(c) {
            clean.push(c);
        } else if !in_run {
            clean.push('-');
        }
        in_run = !allowed(c);
    }
    clean
}

struct Evaluation<'a> {
    rule: &'a TagRule,
    flavor: &'a Flavor,
    subject: &'a Subject,
    warnings: Vec<String>,
}

type Evaluating = Result<Outcome, TemplateError>;

impl Evaluation<'_> {
    fn outcome(&mut self) -> Evaluating {
        let enable = self.subject.expand(&self.rule.enable)?;
        match enable.as_str() {
            "true" => {}
            "false" => return nothing(format!("`enable={}` is false", self.rule.enable)),
            other => {
                return Err(TemplateError::new(format!(
                    "`enable` is `{other}`; it must be `true` or `false`"
                )));
            }
        }
        match &self.rule.kind {
            Kind::Schedule { pattern } => self.schedule(pattern),
            Kind::Semver(versioned) => self.semver(versioned),
            Kind::Pep440(versioned) => self.pep440(versioned),
            Kind::Match { pattern, group, value } => self.matching(pattern, group, value),
            Kind::Edge { branch } => self.edge(branch),
            Kind::Ref(kind) => self.reference(*kind),
            Kind::Raw { value } => {
                let value = self.subject.expand(value)?;
                self.tag(value, false, "the rule's own value".to_owned())
            }
            Kind::Sha { long } => self.sha(*long),
        }
    }

    /// The tag `value` with prefix and suffix; `latest` is what the flavor `latest=auto` does with it.
    fn tag(&self, value: String, latest: bool, origin: String) -> Evaluating {
        let affix =
            |own: &Option<String>, common: &str| self.subject.expand(own.as_deref().unwrap_or(common));
        let prefix = affix(&self.rule.prefix, &self.flavor.prefix)?;
        let suffix = affix(&self.rule.suffix, &self.flavor.suffix)?;
        let text = format!("{prefix}{value}{suffix}");
        if text.is_empty() {
            return nothing("the value is empty");
        }
        let latest = match self.flavor.latest {
            Latest::Auto => latest,
            Latest::Always => true,
            Latest::Never => false,
        };
        let is_hollow = value.is_empty();
        Ok(Outcome::Tag(Produced { text, prefix, suffix, is_hollow, latest, origin, version: None }))
    }

    /// The same for a tag made of the version `whole`.
    fn version_tag(&self, value: String, latest: bool, origin: String, whole: String) -> Evaluating {
        let mut outcome = self.tag(value, latest, origin)?;
        if let Outcome::Tag(produced) = &mut outcome {
            produced.version = Some(whole);
        }
        Ok(outcome)
    }

    /// How the ref is called in explanations.
    fn named_ref(&self) -> String {
        match &self.subject.reference {
            Some(reference) => format!("`{}` ({})", reference.value, reference.origin),
            None => "no ref".to_owned(),
        }
    }

    /// There is no tag because the ref is not a `wanted` one.
    fn no_ref(&self, wanted: &str) -> Evaluating {
        nothing(format!("needs {wanted}; this is {}", self.named_ref()))
    }

    /// There is no tag, and somebody should know.
    fn warned(&mut self, warning: String) -> Evaluating {
        self.warnings.push(warning.clone());
        nothing(warning)
    }

    fn schedule(&self, pattern: &str) -> Evaluating {
        if !self.subject.event.contains("schedule") {
            return nothing(format!("needs the event `schedule`; this is `{}`", self.subject.event));
        }
        self.tag(self.subject.expand_dates(pattern)?, false, "the event `schedule`".to_owned())
    }

    /// The text that a version is read from, and where it comes from: the rule's value, or the git tag.
    fn source(&self, value: &str) -> Result<Option<(String, String)>, TemplateError> {
        if !value.is_empty() {
            return Ok(Some((self.subject.expand(value)?, format!("`value={value}`"))));
        }
        Ok(self.subject.tag().map(|tag| (tag.to_owned(), self.named_ref())))
    }

    /// The version's text, after `match` cut it out.
    fn version_text(&mut self, versioned: &Versioned) -> Result<Option<(String, String)>, TemplateError> {
        let Some((mut text, origin)) = self.source(&versioned.value)? else { return Ok(None) };
        if !versioned.extract.is_empty() {
            let pattern = Pattern::new(&versioned.extract).map_err(|e| TemplateError::new(e.to_string()))?;
            match pattern.matches(&text) {
                None => self.warnings.push(format!("{} does not match {text}.", versioned.extract)),
                Some(groups) => {
                    let group = groups.into_iter().nth(1).flatten();
                    let problem = || format!("`match={}` has no group that takes part", versioned.extract);
                    text = group.ok_or_else(|| TemplateError::new(problem()))?;
                }
            }
        }
        Ok(Some((text.replace('/', "-"), origin)))
    }

    fn semver(&mut self, versioned: &Versioned) -> Evaluating {
        let Some((text, origin)) = self.version_text(versioned)? else { return self.no_ref("a tag") };
        let Some(version) = Semver::parse(&text) else {
            return self.warned(format!("{text} is not a valid semver. More info: https://semver.org/"));
        };
        let final_release = !version.is_prerelease();
        let value = if final_release || template::is_lone_mustache(&versioned.pattern, "raw") {
            template::expand(&versioned.pattern, version.to_value(), &no_functions)?
        } else {
            version.without_build()
        };
        self.version_tag(value, final_release, origin, version.without_build())
    }

    fn pep440(&mut self, versioned: &Versioned) -> Evaluating {
        let Some((text, origin)) = self.version_text(versioned)? else { return self.no_ref("a tag") };
        let Some(version) = Pep440::parse(&text) else {
            let reference = "https://www.python.org/dev/peps/pep-0440";
            return self.warned(format!("{text} does not conform to PEP 440. More info: {reference}"));
        };
        let value = if version.is_final() {
            let fields = Value::functions(&PEP440_FIELDS);
            template::expand(&versioned.pattern, fields, &|call| {
                Ok(match call.name {
                    "raw" => Value::text(&text),
                    "version" => Value::text(&version.normal()),
                    "major" => Value::Number(version.segment(0)),
                    "minor" => Value::Number(version.segment(1)),
                    _ => Value::Number(version.segment(2)),
                })
            })?
        } else if template::is_lone_mustache(&versioned.pattern, "raw") {
            text.clone()
        } else {
            version.normal()
        };
        self.version_tag(value, version.is_final(), origin, version.normal())
    }

    fn matching(&mut self, pattern: &str, group: &str, value: &str) -> Evaluating {
        let Some((text, origin)) = self.source(value)? else { return self.no_ref("a tag") };
        let compiled = Pattern::from_rule(pattern).map_err(|e| TemplateError::new(e.to_string()))?;
        let Some(groups) = compiled.matches(&text) else {
            return self.warned(format!("{pattern} does not match {text}."));
        };
        // Only the plain spelling of a number names a group: neither `01` nor `1.0`.
        let index = group.parse::<usize>().ok().filter(|index| index.to_string() == group);
        match index.and_then(|index| groups.get(index).cloned().flatten()) {
            Some(found) => self.tag(found, true, origin),
            None => self.warned(format!("Group {group} does not exist for {pattern} pattern.")),
        }
    }

    fn edge(&self, branch: &str) -> Evaluating {
        let wanted = if branch.is_empty() { self.subject.edge_branch.as_deref() } else { Some(branch) };
        match (self.subject.branch(), wanted) {
            (Some(built), Some(wanted)) if built == wanted => {
                self.tag("edge".to_owned(), false, self.named_ref())
            }
            (_, Some(wanted)) => self.no_ref(&format!("the branch `{wanted}`")),
            (_, None) => nothing("the default branch is not known; name it with `branch=`"),
        }
    }

    fn reference(&self, kind: RefKind) -> Evaluating {
        let (value, latest, wanted) = match kind {
            RefKind::Branch => (self.subject.branch(), false, "a branch"),
            RefKind::Tag => (self.subject.tag(), true, "a tag"),
            RefKind::PullRequest => {
                let number =
                    self.subject.pull_request().map(|rest| rest.strip_suffix("/merge").unwrap_or(rest));
                (number, false, "a pull request")
            }
        };
        match value {
            Some(value) => self.tag(value.to_owned(), latest, self.named_ref()),
            None => self.no_ref(wanted),
        }
    }

    fn sha(&self, long: bool) -> Evaluating {
        let Some(commit) = self.subject.commit.as_ref().filter(|commit| !commit.value.is_empty()) else {
            return nothing("there is no commit");
        };
        let value = if long { commit.value.clone() } else { self.subject.short_commit()? };
        self.tag(value, false, format!("the commit ({})", commit.origin))
    }
}

fn nothing(reason: impl Into<String>) -> Evaluating {
    Ok(Outcome::Nothing(reason.into()))
}

/// For contexts that hold values only.
fn no_functions(_: &template::Call<'_>) -> Result<Value, TemplateError> {
    Ok(Value::Undefined)
}

#[cfg(test)]
mod tests {
    use super::sanitize;

    #[test]
    fn each_run_of_invalid_characters_becomes_one_dash() {
        assert_eq!(sanitize("feature/äö x"), "feature-x");
        assert_eq!(sanitize("ü-x"), "--x");
        assert_eq!(sanitize("a--b_c.d"), "a--b_c.d");
        assert_eq!(sanitize("日本語"), "-");
    }
}
