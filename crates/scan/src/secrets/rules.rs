//! The rules: `rules.toml`, compiled once.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use regex::Regex;
use serde::Deserialize;

use super::{entropy, is_placeholder, looks_random};
use crate::findings::Severity;

/// A kind of credential.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) id: String,
    pub(super) description: String,
    pub(super) severity: Severity,
    /// The first group, or the whole match, is the credential.
    pub(super) pattern: Regex,
    /// Only in files whose path matches.
    path: Option<Regex>,
    /// A match that looks like this is none.
    unless: Option<Regex>,
    /// The least entropy of a real one.
    entropy: f64,
    /// Its form alone says that it is one, wherever it stands.
    pub(super) certain: bool,
    /// Only the name beside it says that it is one.
    pub(super) generic: bool,
}

impl Rule {
    /// Whether it is for files at this path.
    pub(super) fn applies_to(&self, path: &str) -> bool {
        self.path.as_ref().is_none_or(|pattern| pattern.is_match(path))
    }

    /// Whether the credential that the pattern found in `whole` is more than a stand-in.
    pub(super) fn accepts(&self, whole: &str, secret: &str) -> bool {
        let excepted = self.unless.as_ref().is_some_and(|pattern| pattern.is_match(whole));
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
    #[serde(default)]
    certain: bool,
    #[serde(default)]
    generic: bool,
}

/// The built-in rules. They are part of the program, so a mistake in them is one of ours and shows in every test.
pub(super) static RULES: LazyLock<Rules> = LazyLock::new(|| match parse(include_str!("rules.toml")) {
    Ok(rules) => rules,
    Err(error) => unreachable!("rules.toml: {error}"),
});

fn parse(text: &str) -> Result<Rules, Box<dyn std::error::Error>> {
    let document: Document = toml::from_str(text)?;
    let mut keywords: Vec<String> = Vec::new();
    let mut by_keyword: Vec<Vec<usize>> = Vec::new();
    let mut rules = Vec::new();
    for written in document.rule {
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
            pattern: Regex::new(&written.regex)?,
            path: written.path.as_deref().map(Regex::new).transpose()?,
            unless: written.unless.as_deref().map(Regex::new).transpose()?,
            entropy: written.entropy,
            certain: written.certain,
            generic: written.generic,
        });
    }
    // Every text of a layer passes through this, so the table that is fastest is worth its room.
    let mut builder = AhoCorasick::builder();
    builder.ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA));
    let keywords = builder.build(keywords)?;
    Ok(Rules { rules, keywords, by_keyword })
}
