//! The rules: `rules.toml`, and those of a project beside them. Of the many expressions those alone are compiled whose keywords
//! turn up, as compiling takes longer than most scans.

use std::sync::{Arc, LazyLock, OnceLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use regex::Regex;
use serde::Deserialize;

use sha2::{Digest as _, Sha256};

use super::{entropy, is_placeholder, looks_random};
use crate::findings::Severity;

/// A kind of credential.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) id: String,
    pub(super) description: String,
    pub(super) severity: Severity,
    /// The first group, or the whole match, is the credential.
    pub(super) pattern: Pattern,
    /// Only in files whose path matches.
    path: Option<Pattern>,
    /// A match that looks like this is none.
    unless: Option<Pattern>,
    /// The least entropy of a real one.
    entropy: f64,
    /// Its form alone says that it is one, wherever it stands.
    pub(super) certain: bool,
    /// Only the name beside it says that it is one.
    pub(super) generic: bool,
}

/// An expression that is compiled when it is first needed.
#[derive(Debug)]
pub(super) struct Pattern {
    text: String,
    compiled: OnceLock<Regex>,
}

impl Pattern {
    fn new(text: String) -> Self {
        Self { text, compiled: OnceLock::new() }
    }

    pub(super) fn regex(&self) -> &Regex {
        self.compiled.get_or_init(|| match Regex::new(&self.text) {
            Ok(regex) => regex,
            // A project's are tried when they are read, the built-in ones by a test.
            Err(error) => unreachable!("{}: {error}", self.text),
        })
    }
}

impl Rule {
    /// Whether it is for files at this path.
    pub(super) fn applies_to(&self, path: &str) -> bool {
        self.path.as_ref().is_none_or(|pattern| pattern.regex().is_match(path))
    }

    /// Whether the credential that the pattern found in `whole` is more than a stand-in.
    pub(super) fn accepts(&self, whole: &str, secret: &str) -> bool {
        let excepted = self.unless.as_ref().is_some_and(|pattern| pattern.regex().is_match(whole));
        !excepted
            && !is_placeholder(secret)
            && entropy(secret) >= self.entropy
            && (!self.generic || looks_random(secret))
    }
}

/// All rules, and where to look for which.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) rules: Vec<Rule>,
    pub(super) keywords: AhoCorasick,
    /// For each keyword, the rules that it may begin.
    pub(super) by_keyword: Vec<Vec<usize>>,
}

/// What credentials look like: what everybody's do, and what a project adds.
#[derive(Debug, Clone, Default)]
pub struct SecretRules {
    /// `None` for the built-in ones alone.
    own: Option<Arc<Rules>>,
    /// By which results under other rules are told apart.
    key: String,
}

impl SecretRules {
    /// The built-in rules and those of these documents, of the form of `rules.toml`. One of the same `id` goes before the built-in
    /// one, and all are tried in the files of libraries, too.
    ///
    /// # Errors
    /// What is wrong with which document, by its place in the list.
    pub fn with(documents: &[String]) -> Result<Self, (usize, String)> {
        if documents.is_empty() {
            return Ok(Self::default());
        }
        let mut written = read(include_str!("rules.toml"), false).map_err(|error| (0, error))?;
        let mut key = Sha256::new();
        for (number, document) in documents.iter().enumerate() {
            let own = read(document, true).map_err(|error| (number, error))?;
            own.iter().try_for_each(check).map_err(|error| (number, error))?;
            written.retain(|rule| own.iter().all(|other| other.id != rule.id));
            written.extend(own);
            key.update(document);
        }
        let rules = compile(written).map_err(|error| (documents.len() - 1, error))?;
        Ok(Self { own: Some(Arc::new(rules)), key: hex::encode(key.finalize()) })
    }

    pub(super) fn get(&self) -> &Rules {
        self.own.as_deref().unwrap_or(&RULES)
    }

    /// Empty for the built-in rules alone.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    rule: Vec<Written>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: String,
    description: String,
    severity: Severity,
    keywords: Vec<String>,
    regex: String,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    unless: Option<String>,
    #[serde(default)]
    entropy: f64,
    certain: Option<bool>,
    #[serde(default)]
    generic: bool,
}

/// The built-in rules. They are part of the program, so a mistake in them is one of ours and shows in every test.
pub(super) static RULES: LazyLock<Rules> =
    LazyLock::new(|| match read(include_str!("rules.toml"), false).and_then(compile) {
        Ok(rules) => rules,
        Err(error) => unreachable!("rules.toml: {error}"),
    });

/// The rules of a document; those that do not say so are `certain` or not.
fn read(text: &str, certain: bool) -> Result<Vec<Written>, String> {
    let document: Document = toml::from_str(text).map_err(|error| error.to_string())?;
    let mut rules = document.rule;
    for rule in &mut rules {
        rule.certain.get_or_insert(certain);
    }
    Ok(rules)
}

/// What is wrong with a rule.
fn check(rule: &Written) -> Result<(), String> {
    if rule.keywords.is_empty() || rule.keywords.iter().any(String::is_empty) {
        return Err(format!("the rule `{}` has no keyword, or an empty one", rule.id));
    }
    for pattern in [Some(&rule.regex), rule.path.as_ref(), rule.unless.as_ref()].into_iter().flatten() {
        Regex::new(pattern).map_err(|error| format!("the rule `{}`: {error}", rule.id))?;
    }
    Ok(())
}

fn compile(written: Vec<Written>) -> Result<Rules, String> {
    let mut keywords: Vec<String> = Vec::new();
    let mut by_keyword: Vec<Vec<usize>> = Vec::new();
    let mut rules = Vec::new();
    for written in written {
        for keyword in written.keywords {
            let place = keywords.iter().position(|known| *known == keyword).unwrap_or_else(|| {
                keywords.push(keyword);
                by_keyword.push(Vec::new());
                keywords.len() - 1
            });
            by_keyword[place].push(rules.len());
        }
        rules.push(Rule {
            id: written.id,
            description: written.description,
            severity: written.severity,
            pattern: Pattern::new(written.regex),
            path: written.path.map(Pattern::new),
            unless: written.unless.map(Pattern::new),
            entropy: written.entropy,
            certain: written.certain.unwrap_or_default(),
            generic: written.generic,
        });
    }
    // Every text of a layer passes through this, so the table that is fastest is worth its room.
    let mut builder = AhoCorasick::builder();
    builder.ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA));
    let keywords = builder.build(keywords).map_err(|error| error.to_string())?;
    Ok(Rules { rules, keywords, by_keyword })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_rules_are_in_order() {
        let rules = read(include_str!("rules.toml"), false).unwrap();
        assert!(rules.len() > 30);
        rules.iter().for_each(|rule| check(rule).unwrap());
    }
}
