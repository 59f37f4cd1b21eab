//! Which of two versions is newer.

use std::cmp::Ordering;
use std::str::FromStr;

use super::semver::Semver;

/// The numbers of a full version.
const FULL: usize = 3;

/// A version that can be compared: semantic, or else of PEP 440 (which takes `1.2`, `2024.8` and `1.2.3rc1`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    text: String,
    semantic: Option<semver::Version>,
    pep440: Option<pep440_rs::Version>,
}

impl Version {
    /// Reads a version, with or without a leading `v`; none where `text` is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let semantic = Semver::parse(text).and_then(|version| {
            let plain = version.without_build();
            semver::Version::parse(&plain).ok()
        });
        let pep440 = pep440_rs::Version::from_str(text).ok();
        (semantic.is_some() || pep440.is_some()).then(|| Self { text: text.to_owned(), semantic, pep440 })
    }

    /// Reads the version that `text` is or ends in: `app-1.2.3` holds `1.2.3`. Behind a name, one number alone is
    /// no version: neither `pr-7` nor `sha-1234567` holds one.
    pub fn within(text: &str) -> Option<Self> {
        Self::parse(text).or_else(|| {
            let start = text.find(|c: char| c.is_ascii_digit())?;
            let name = text[..start].strip_suffix('v').unwrap_or(&text[..start]);
            let version = Self::parse(&text[start..]).filter(|version| version.segments() > 1)?;
            name.ends_with(['-', '_', '.', '/']).then_some(version)
        })
    }

    /// Whether all its numbers are there, so that it names one release: `1.2.3`, not `1.2`.
    pub fn is_full(&self) -> bool {
        self.segments() >= FULL
    }

    /// Whether it is less than a release: a candidate, a preview, a development state.
    pub fn is_prerelease(&self) -> bool {
        match (&self.semantic, &self.pep440) {
            (Some(version), _) => !version.pre.is_empty(),
            (None, Some(version)) => version.any_prerelease(),
            (None, None) => false,
        }
    }

    /// How many numbers the release has: three for a full version, fewer for `1.2`.
    pub fn segments(&self) -> usize {
        match (&self.semantic, &self.pep440) {
            (Some(_), _) => 3,
            (None, Some(version)) => version.release().len(),
            (None, None) => 0,
        }
    }

    /// The order of two versions of the same kind; none where they cannot be compared.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (&self.semantic, &other.semantic, &self.pep440, &other.pep440) {
            (Some(a), Some(b), _, _) => Some(a.cmp_precedence(b)),
            (_, _, Some(a), Some(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(a: &str, b: &str) -> Option<Ordering> {
        Version::parse(a)?.compare(&Version::parse(b)?)
    }

    #[test]
    fn newer_is_greater() {
        let rising = ["1.2.3-rc.1", "1.2.3", "v1.2.9", "1.3.0", "1.10.0", "v2.0.0"];
        for pair in rising.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Some(Ordering::Less), "{pair:?}");
        }
        assert_eq!(compare("1.2.3+a", "1.2.3+b"), Some(Ordering::Equal));
        assert_eq!(compare("2024.8", "2024.10"), Some(Ordering::Less));
        assert_eq!(compare("1.2.3rc1", "1.2.3"), Some(Ordering::Less));
        assert_eq!(compare("main", "1.2.3"), None);
    }

    #[test]
    fn a_version_may_have_a_name_before_it() {
        let within = |text: &str| Version::within(text).map(|version| version.as_str().to_owned());
        assert_eq!(within("app-1.2.3").as_deref(), Some("1.2.3"));
        assert_eq!(within("v1.2.3-rc.1").as_deref(), Some("v1.2.3-rc.1"));
        for text in
            ["main", "pr-7", "sha-1234567", "build-20240601-120000", "wharf.ship.0000000001", "abc1.2"]
        {
            assert_eq!(within(text), None, "{text}");
        }
    }
}
