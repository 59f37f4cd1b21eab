//! One result of a gate, whatever kind of gate it was.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use wharf_oci::Digest;

use super::Severity;
use crate::inventory::Package;

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A package with a published advisory.
    Vulnerability,
    /// A model file that does more than hold a model.
    Model,
    /// A credential.
    Secret,
    /// A licence that is not wanted.
    Licence,
    /// How the image is put together.
    Config,
}

impl Kind {
    /// As `--only` and settings write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vulnerability => "vuln",
            Self::Model => "pickle",
            Self::Secret => "secret",
            Self::Licence => "licence",
            Self::Config => "config",
        }
    }
}

/// One result of a gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What it is about.
    pub kind: Kind,
    /// The rule that found it: `CVE-2024-1234`, `pickle-import`.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub title: String,
    /// What more is known, and what to do about it; Markdown.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub help: String,
    /// The file, relative to the root of what was scanned; never empty.
    pub path: String,
    /// Where inside the file: members of nested archives joined by `!`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub member: Option<String>,
    /// The name that a model file imports, where allowing it is an answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// The layer that brought it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub layer: Option<LayerRef>,
    /// The instruction that made that layer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub location: Option<Location>,
    /// The package, where it is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub package: Option<Package>,
    /// The advisory, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub advisory: Option<Advisory>,
    /// Who found it, where several engines were asked.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub engines: Vec<String>,
    /// Who has answered for it, where somebody has: it is then counted, and neither listed nor judged.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub suppressed: Option<Suppression>,
    /// The same for the same problem in the next build: made of rule, package name and path, without versions.
    pub fingerprint: String,
}

/// What the advisory database says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Advisory {
    /// Every identifier of the problem, those of the records that match first.
    pub ids: Vec<String>,
    /// The first version without the problem, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fixed: Option<String>,
    /// The CVSS base score, where the records carry one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub score: Option<f64>,
    /// Where the severity comes from: `CVSS:3.1`, `debian urgency`; `none` where no record has one.
    pub severity_source: String,
    /// A page about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub url: Option<String>,
}

/// A layer of the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerRef {
    /// Its place, 0 is the lowest.
    pub index: usize,
    /// The digest of its blob.
    pub digest: Digest,
    /// The layer that removes or replaces the file again, where one does. The file can still be pulled.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub removed_in: Option<usize>,
}

/// Somebody's word that a finding need not be acted on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Suppression {
    /// Where it stands: a file, and the line or statement in it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// The last day on which it holds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub until: Option<String>,
}

/// A place in the Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Location {
    /// The Dockerfile, as the caller names it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The instruction's text, without the credentials in it.
    pub instruction: String,
}

impl Location {
    /// The place of an instruction.
    pub(crate) fn new(file: &str, line: u32, instruction: &str) -> Self {
        Self { file: file.to_owned(), line, instruction: crate::secrets::without_secrets(instruction) }
    }
}

impl Finding {
    /// A finding without layer, location, package or advisory.
    pub fn new(kind: Kind, rule: &str, severity: Severity, path: &str, title: impl Into<String>) -> Self {
        let mut finding = Self {
            kind,
            rule: rule.to_owned(),
            severity,
            title: title.into(),
            help: String::new(),
            path: path.to_owned(),
            member: None,
            name: None,
            layer: None,
            location: None,
            package: None,
            advisory: None,
            engines: Vec::new(),
            suppressed: None,
            fingerprint: String::new(),
        };
        finding.fingerprint = finding.compute_fingerprint();
        finding
    }

    /// Works the fingerprint out again, after the path, the member or the package was set.
    pub fn sealed(mut self) -> Self {
        self.fingerprint = self.compute_fingerprint();
        self
    }

    /// Whether there is a version to go to.
    pub fn is_fixable(&self) -> bool {
        self.advisory.as_ref().is_none_or(|advisory| advisory.fixed.is_some())
    }

    fn compute_fingerprint(&self) -> String {
        let package =
            self.package.as_ref().map(|p| format!("{}/{}", p.ecosystem, p.name)).unwrap_or_default();
        let mut hasher = Sha256::new();
        for part in
            [&self.rule, &package, &without_versions(&self.path), self.member.as_deref().unwrap_or("")]
        {
            hasher.update(part.as_bytes());
            hasher.update([0]);
        }
        hex::encode(&hasher.finalize()[..16])
    }
}

/// `lib/python3.11/site-packages/numpy-1.26.4.dist-info` as `lib/python#/site-packages/numpy-#.dist-info`: runs of
/// digits and dots become one mark, so that an upgrade does not look like another place.
fn without_versions(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    let mut chars = path.chars().peekable();
    while let Some(c) = chars.next() {
        if !c.is_ascii_digit() {
            text.push(c);
            continue;
        }
        text.push('#');
        while let Some(&next) = chars.peek() {
            let dot_in_number = next == '.' && chars.clone().nth(1).is_some_and(|c| c.is_ascii_digit());
            if !next.is_ascii_digit() && !dot_in_number {
                break;
            }
            chars.next();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_do_not_count_in_a_path() {
        assert_eq!(
            without_versions("usr/lib/python3.11/site-packages/numpy-1.26.4.dist-info/METADATA"),
            "usr/lib/python#/site-packages/numpy-#.dist-info/METADATA"
        );
        assert_eq!(without_versions("a/b.c"), "a/b.c");
    }

    #[test]
    fn fingerprints_tell_places_apart_and_builds_not() {
        let at = |path: &str| Finding::new(Kind::Secret, "aws-key", Severity::High, path, "x").fingerprint;
        assert_eq!(at("opt/app-1.2/.env"), at("opt/app-1.3/.env"));
        assert_ne!(at("opt/app/.env"), at("opt/other/.env"));
    }
}
