//! Licences: which packages come under terms that the project does not want.

use serde::{Deserialize, Serialize};

use crate::findings::{Finding, Kind, Severity};
use crate::inventory::{Inventory, Package};
use crate::suppress::segment_matches;

/// What the project thinks of licences: SPDX identifiers, `*` for any part of one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicenceRules {
    /// These must not be.
    pub deny: Vec<String>,
    /// Where it is not empty, nothing else may be.
    pub allow: Vec<String>,
}

/// Terms that reach those who only use the service: worth knowing where the project says nothing.
const NETWORK: [&str; 3] = ["AGPL-*", "SSPL-*", "OSL-*"];

/// The packages whose licence is not wanted.
pub(crate) fn find(inventory: &Inventory, rules: &LicenceRules) -> Vec<Finding> {
    let silent = rules.deny.is_empty() && rules.allow.is_empty();
    inventory
        .packages
        .iter()
        .filter(|package| !package.licences.is_empty())
        .filter_map(|package| {
            let terms = package.licences.join(" AND ");
            if silent {
                let network = |id: &str| NETWORK.iter().any(|pattern| matches(pattern, id));
                return binds(&package.licences, &network).then(|| {
                    finding(
                        package,
                        "licence-network",
                        Severity::Medium,
                        &terms,
                        "which binds whoever offers it as a service",
                    )
                });
            }
            let denied = |id: &str| rules.deny.iter().any(|pattern| matches(pattern, id));
            if binds(&package.licences, &denied) {
                return Some(finding(
                    package,
                    "licence-denied",
                    Severity::High,
                    &terms,
                    "which the project denies",
                ));
            }
            let foreign = |id: &str| !rules.allow.iter().any(|pattern| matches(pattern, id));
            (!rules.allow.is_empty() && binds(&package.licences, &foreign)).then(|| {
                finding(
                    package,
                    "licence-not-allowed",
                    Severity::High,
                    &terms,
                    "which the project does not allow",
                )
            })
        })
        .collect()
}

fn finding(package: &Package, rule: &str, severity: Severity, terms: &str, why: &str) -> Finding {
    let title = format!("{} {} is under {terms}, {why}", package.name, package.version);
    let mut finding = Finding::new(Kind::Licence, rule, severity, &package.path, title);
    finding.package = Some(package.clone());
    finding.sealed()
}

/// Whether terms that `bad` is true of cannot be avoided: of alternatives one may choose, of the rest all hold.
fn binds(licences: &[String], bad: &dyn Fn(&str) -> bool) -> bool {
    licences.iter().any(|text| {
        let text = text.replace(['(', ')'], " ");
        text.split(" AND ").any(|part| part.split(" OR ").all(|choice| bad(&identifier(choice))))
    })
}

fn matches(pattern: &str, id: &str) -> bool {
    segment_matches(&pattern.to_lowercase(), &id.to_lowercase())
}

/// The SPDX identifier of one licence; of the words that packages use for it, the common ones.
fn identifier(text: &str) -> String {
    const WORDS: [(&str, &str); 22] = [
        ("affero general public license v3 or later", "AGPL-3.0-or-later"),
        ("affero general public license v3", "AGPL-3.0-only"),
        ("affero", "AGPL-3.0-only"),
        ("lesser general public license v3 or later", "LGPL-3.0-or-later"),
        ("lesser general public license v3", "LGPL-3.0-only"),
        ("lesser general public license v2 or later", "LGPL-2.0-or-later"),
        ("lesser general public license v2", "LGPL-2.0-only"),
        ("lesser general public license", "LGPL-2.1-only"),
        ("general public license v3 or later", "GPL-3.0-or-later"),
        ("general public license v3", "GPL-3.0-only"),
        ("general public license v2 or later", "GPL-2.0-or-later"),
        ("general public license v2", "GPL-2.0-only"),
        ("general public license", "GPL-1.0-or-later"),
        ("apache", "Apache-2.0"),
        ("mozilla public license 2.0", "MPL-2.0"),
        ("mozilla public license 1.1", "MPL-1.1"),
        ("mit license", "MIT"),
        ("bsd 3-clause", "BSD-3-Clause"),
        ("bsd 2-clause", "BSD-2-Clause"),
        ("bsd license", "BSD-3-Clause"),
        ("isc license", "ISC"),
        ("python software foundation license", "PSF-2.0"),
    ];
    let text = text.split(" WITH ").next().unwrap_or(text).trim();
    let lower = text.to_lowercase();
    let known = WORDS.iter().find(|(words, _)| lower.contains(words)).map(|(_, id)| *id);
    // What has no space is an identifier already, if of an older list at times.
    match known.filter(|_| text.contains(' ')) {
        Some(id) => id.to_owned(),
        None => match text.strip_suffix('+') {
            Some(id) => format!("{id}-or-later"),
            None => text.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(licence: &str, deny: &str) -> bool {
        binds(&[licence.to_owned()], &|id| matches(deny, id))
    }

    #[test]
    fn alternatives_are_a_choice() {
        assert!(bound("GPL-3.0-only", "GPL-*"));
        assert!(!bound("GPL-3.0-only OR MIT", "GPL-*"));
        assert!(bound("MIT AND (GPL-2.0-only OR GPL-3.0-only)", "GPL-*"));
        assert!(!bound("LGPL-3.0-only", "GPL-*"));
    }

    #[test]
    fn words_are_understood() {
        assert!(bound("GNU Affero General Public License v3 or later (AGPLv3+)", "AGPL-3.0*"));
        assert!(bound("GNU General Public License v3 (GPLv3)", "GPL-3.0*"));
        assert!(!bound("GNU Lesser General Public License v3 (LGPLv3)", "GPL-3.0*"));
        assert_eq!(identifier("MIT License"), "MIT");
        assert_eq!(identifier("GPL-2.0+"), "GPL-2.0-or-later");
    }
}
