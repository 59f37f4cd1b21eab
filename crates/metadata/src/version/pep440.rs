//! Versions of PEP 440, as `@renovate/pep440` reads them.
//!
//! Numbers are JavaScript's, so a segment of twenty digits loses its last ones here too; the crate
//! `pep440_rs` would refuse it.

use std::sync::LazyLock;

use crate::javascript::{Pattern, number_to_string, string_to_number};

/// The grammar of the PEP's appendix. Groups: epoch, release, pre-release letter and number, implicit post
/// number, post letter and number, dev letter and number, local version.
const GRAMMAR: &str = concat!(
    r"/^v?(?:([0-9]+)!)?([0-9]+(?:\.[0-9]+)*)",
    r"(?:[-_.]?(a|b|c|rc|alpha|beta|pre|preview)[-_.]?([0-9]+)?)?",
    r"(?:-([0-9]+)|[-_.]?(post|rev|r)[-_.]?([0-9]+)?)?",
    r"(?:[-_.]?(dev)[-_.]?([0-9]+)?)?",
    r"(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?$/i"
);

static PATTERN: LazyLock<Option<Pattern>> = LazyLock::new(|| Pattern::from_rule(GRAMMAR).ok());

/// A version, its numbers as JavaScript prints them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pep440 {
    epoch: f64,
    release: Vec<f64>,
    pre: Option<(&'static str, f64)>,
    post: Option<f64>,
    dev: Option<f64>,
    /// The parts behind `+`.
    local: Vec<String>,
}

impl Pep440 {
    /// Reads `text`, which may start with `v`; none where it is not a version.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let groups = PATTERN.as_ref()?.matches(text)?;
        let group = |at: usize| groups.get(at).cloned().flatten();
        let number = |at: usize| group(at).and_then(|digits| string_to_number(&digits)).unwrap_or(0.0);
        let release = group(2)?;
        Some(Self {
            epoch: number(1),
            release: release.split('.').filter_map(string_to_number).collect(),
            pre: group(3).map(|letter| (pre_letter(&letter), number(4))),
            post: if group(5).is_some() { Some(number(5)) } else { group(6).map(|_| number(7)) },
            dev: group(8).map(|_| number(9)),
            local: group(10)
                .map(|local| local.split(['-', '_', '.']).map(local_part).collect())
                .unwrap_or_default(),
        })
    }

    /// Whether it is a plain release: not pre, post or dev.
    pub(crate) fn is_final(&self) -> bool {
        self.pre.is_none() && self.post.is_none() && self.dev.is_none()
    }

    /// A number of the release, zero where it has fewer.
    pub(crate) fn segment(&self, at: usize) -> f64 {
        self.release.get(at).copied().unwrap_or(0.0)
    }

    /// The normal form. Local parts are joined by commas, as the original prints a list.
    pub(crate) fn normal(&self) -> String {
        let mut text = String::new();
        if self.epoch != 0.0 {
            text += &format!("{}!", number_to_string(self.epoch));
        }
        text += &self.release.iter().map(|&number| number_to_string(number)).collect::<Vec<_>>().join(".");
        if let Some((letter, number)) = self.pre {
            text += &format!("{letter}{}", number_to_string(number));
        }
        if let Some(number) = self.post {
            text += &format!(".post{}", number_to_string(number));
        }
        if let Some(number) = self.dev {
            text += &format!(".dev{}", number_to_string(number));
        }
        if !self.local.is_empty() {
            text += &format!("+{}", self.local.join(","));
        }
        text
    }
}

fn pre_letter(written: &str) -> &'static str {
    match written.to_ascii_lowercase().as_str() {
        "a" | "alpha" => "a",
        "b" | "beta" => "b",
        _ => "rc",
    }
}

/// Parts that are numbers lose leading zeros, the others their case.
fn local_part(part: &str) -> String {
    string_to_number(part).map_or_else(|| part.to_ascii_lowercase(), number_to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_normalised() {
        let cases = [
            ("1.2.3", "1.2.3"),
            ("v1.2.3-rc.2", "1.2.3rc2"),
            ("1.2.3-1", "1.2.3.post1"),
            ("1.0dev4", "1.0.dev4"),
            ("2024.08.05", "2024.8.5"),
            ("1.0ALPHA", "1.0a0"),
            ("1.0.preview_3", "1.0rc3"),
            ("1!2.0+Ubuntu.01", "1!2.0+ubuntu,1"),
            ("1.0.post1.dev2", "1.0.post1.dev2"),
            ("1.0rev", "1.0.post0"),
            ("20240506070809123", "20240506070809124"),
        ];
        for (text, normal) in cases {
            assert_eq!(Pep440::parse(text).unwrap().normal(), normal, "{text}");
        }
        for text in ["", "x", " 1.0", "1.0-", "1..0", "1.0+", "1.0 ", "1.0-x", "1.0+a..b"] {
            assert!(Pep440::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn only_plain_releases_are_final() {
        assert!(Pep440::parse("1.0+local").unwrap().is_final());
        for text in ["1.0rc1", "1.0.post1", "1.0.dev1"] {
            assert!(!Pep440::parse(text).unwrap().is_final(), "{text}");
        }
    }
}
