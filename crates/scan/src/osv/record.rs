//! An OSV record (schema 1.7), as far as it matters here. Fields that are not known are passed over, as the
//! schema asks of its readers.

use serde::{Deserialize, Serialize};

use crate::version::Scheme;

/// Times before this are none, such as Go's zero, the first day of the first year.
const NEVER: &str = "1970";

/// An OSV record.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Record {
    /// Its identifier; a document without one is no record.
    #[serde(default)]
    pub id: String,
    /// When it last changed, RFC 3339.
    #[serde(default)]
    pub modified: String,
    /// When it was first published, RFC 3339.
    #[serde(default, skip_serializing)]
    pub published: Option<String>,
    /// When it was taken back, if it was; it is then not to be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<String>,
    /// Other identifiers of the same problem.
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Identifiers of the problem that a distribution's record is about.
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    pub upstream: Vec<String>,
    /// One line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// The whole story.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
    /// How bad it is.
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    pub severity: Vec<Score>,
    /// What it is about.
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    pub affected: Vec<Affected>,
    /// Where it is spoken of.
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<ReferenceLink>,
    /// What its database adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_specific: Option<serde_json::Value>,
}

/// A rating under some system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// `CVSS_V2`, `CVSS_V3`, `CVSS_V4`, `Ubuntu`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The vector, or the word.
    #[serde(default)]
    pub score: String,
}

/// A package and its affected versions.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Affected {
    /// Which package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<AffectedPackage>,
    /// A rating for this package.
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    pub severity: Vec<Score>,
    /// Ranges of affected versions.
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<Range>,
    /// Affected versions one by one.
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
    /// What the ecosystem adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ecosystem_specific: Option<serde_json::Value>,
    /// What the database adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_specific: Option<serde_json::Value>,
}

/// A package by its ecosystem.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct AffectedPackage {
    /// `PyPI`, `Debian:12`.
    #[serde(default)]
    pub ecosystem: String,
    /// Its name there.
    #[serde(default)]
    pub name: String,
}

/// A range of versions, as events along the order of versions.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Range {
    /// `ECOSYSTEM`, `SEMVER` or `GIT`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The repository, where it is a range of commits.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub repo: String,
    /// The events, in any order.
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
}

/// What happens at a version. One member is set; the schema's objects have one key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// From here on it is affected; `0` is before all versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introduced: Option<String>,
    /// From here on it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<String>,
    /// After this it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_affected: Option<String>,
    /// Nothing is said of versions from here on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
}

/// A page about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceLink {
    /// `ADVISORY`, `WEB`, `FIX`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Where.
    #[serde(default)]
    pub url: String,
}

impl Affected {
    /// The ecosystem and the normalised name, where there is a package and its ecosystem is known.
    pub(super) fn key(&self) -> Option<(String, String)> {
        // Python's own advisories name the repository and the releases; Bitnami's name a package.
        let of_cpython =
            |range: &Range| range.repo.trim_end_matches('/').ends_with("github.com/python/cpython");
        let is_cpython = match &self.package {
            None => self.ranges.iter().any(of_cpython),
            Some(package) => package.ecosystem == "Bitnami" && package.name == "python",
        };
        if is_cpython {
            return Some(("CPython".into(), "cpython".into()));
        }
        let package = self.package.as_ref()?;
        let scheme = Scheme::of(&package.ecosystem)?;
        Some((release(&package.ecosystem), scheme.normalize_name(&package.name)))
    }
}

/// The release that an ecosystem speaks of. Red Hat's name a product's repositories, of which an image says nothing:
/// `Red Hat:enterprise_linux:9::appstream`.
fn release(ecosystem: &str) -> String {
    let Some(rest) = ecosystem.strip_prefix("Red Hat:enterprise_linux:") else { return ecosystem.to_owned() };
    let major = rest.split([':', '.']).next().unwrap_or(rest);
    format!("Red Hat:enterprise_linux:{major}")
}

impl Record {
    /// The same, changed last when it was published where it does not know better: Go's own repository leaves it to
    /// the export to say.
    pub(super) fn dated(mut self) -> Self {
        if let Some(published) = self.published.take().filter(|_| self.modified.as_str() < NEVER) {
            self.modified = published;
        }
        self
    }

    /// Drops what no report says: the end of long texts, all pages but the one people are sent to, and ranges of commits.
    pub(super) fn shorten(&mut self) {
        const LONGEST: usize = 1500;
        if let Some(details) = &mut self.details
            && let Some((end, _)) = details.char_indices().nth(LONGEST)
        {
            details.truncate(end);
        }
        let url = self.url().map(str::to_owned);
        self.references.retain(|reference| Some(reference.url.as_str()) == url.as_deref());
        self.references.truncate(1);
        for affected in &mut self.affected {
            // Without a package, the repository says what it is about.
            let named = affected.package.is_some();
            affected.ranges.retain(|range| range.kind != "GIT" || !named);
            affected
                .ranges
                .iter_mut()
                .filter(|range| range.kind == "GIT")
                .for_each(|range| range.events.clear());
        }
    }

    /// Its own identifier and all that it names as the same problem.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let upstream = if self.is_bundle() { &[][..] } else { &self.upstream };
        std::iter::once(self.id.as_str()).chain(self.aliases.iter().chain(upstream).map(String::as_str))
    }

    /// Whether it is a distribution's announcement of fixes for several problems, and so none of them.
    pub(crate) fn is_bundle(&self) -> bool {
        self.problems().nth(1).is_some()
    }

    /// The problems that it says it is about.
    pub(crate) fn problems(&self) -> impl Iterator<Item = &str> {
        self.upstream.iter().map(String::as_str).filter(|name| name.starts_with("CVE-"))
    }

    /// The page to send people to: an advisory before anything else.
    pub(crate) fn url(&self) -> Option<&str> {
        let of = |kind: &str| self.references.iter().find(|r| r.kind == kind).map(|r| r.url.as_str());
        of("ADVISORY").or_else(|| of("WEB")).or_else(|| self.references.first().map(|r| r.url.as_str()))
    }

    /// One line on what it is, cut from the details where there is no summary.
    pub(crate) fn title(&self) -> String {
        let summary = self.summary.as_deref().filter(|s| !s.trim().is_empty());
        let text = summary.or(self.details.as_deref()).unwrap_or_default();
        let line =
            text.split("\n\n").next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(160) {
            Some((end, _)) => format!("{}…", line[..end].trim_end()),
            None => line,
        }
    }
}

fn null_is_empty<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
