//! Which of two versions is newer: every ecosystem has rules of its own.

mod apk;
mod dpkg;
mod gem;
mod maven;
mod nuget;
mod pep440;
mod rpm;
mod semver;

use std::cmp::Ordering;

/// The rules that an ecosystem orders versions by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Apk,
    Dpkg,
    Gem,
    Maven,
    NuGet,
    Pep440,
    Rpm,
    SemVer,
}

impl Scheme {
    /// The rules of an ecosystem by OSV's name of it, whose part after a colon is a release.
    pub(crate) fn of(ecosystem: &str) -> Option<Self> {
        Some(match ecosystem.split(':').next()? {
            "PyPI" => Self::Pep440,
            "Debian" | "Ubuntu" | "Echo" => Self::Dpkg,
            "Alpine" | "Wolfi" | "Chainguard" | "Alpaquita" | "MinimOS" => Self::Apk,
            "AlmaLinux" | "Rocky Linux" | "Red Hat" | "SUSE" | "openSUSE" | "Mageia" | "openEuler"
            | "Azure Linux" | "Photon OS" => Self::Rpm,
            "CPython" => Self::Pep440,
            "npm" | "Go" | "crates.io" | "Bitnami" | "Hex" | "Pub" | "SwiftURL" => Self::SemVer,
            "Maven" => Self::Maven,
            "RubyGems" => Self::Gem,
            "NuGet" => Self::NuGet,
            _ => return None,
        })
    }

    /// How the installed version stands to the bound of an advisory; `None` where one of them is no version
    /// under these rules.
    pub(crate) fn compare(self, installed: &str, bound: &str) -> Option<Ordering> {
        match self {
            Self::Apk => apk::compare(installed, bound),
            Self::Dpkg => dpkg::compare(installed, bound),
            Self::Gem => gem::compare(installed, bound),
            Self::Maven => Some(maven::compare(installed, bound)),
            Self::NuGet => nuget::compare(installed, bound),
            Self::Pep440 => pep440::compare(installed, bound),
            Self::Rpm => Some(rpm::compare(installed, bound)),
            Self::SemVer => semver::compare(installed, bound),
        }
    }

    /// The name as this ecosystem compares names.
    pub(crate) fn normalize_name(self, name: &str) -> String {
        match self {
            Self::Pep440 => crate::inventory::normalize_python_name(name),
            Self::NuGet => name.to_lowercase(),
            _ => name.to_owned(),
        }
    }
}

/// Compares runs of digits of any length as numbers.
fn compare_digits(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SCHEMES: [(&str, Scheme); 8] = [
        ("Alpine:v3.18", Scheme::Apk),
        ("Debian:12", Scheme::Dpkg),
        ("RubyGems", Scheme::Gem),
        ("Maven", Scheme::Maven),
        ("NuGet", Scheme::NuGet),
        ("PyPI", Scheme::Pep440),
        ("AlmaLinux:9", Scheme::Rpm),
        ("Go", Scheme::SemVer),
    ];

    #[test]
    fn ecosystems_know_their_rules() {
        for (ecosystem, scheme) in SCHEMES {
            assert_eq!(Scheme::of(ecosystem), Some(scheme));
        }
        assert_eq!(Scheme::of("x-unknown"), None);
    }

    #[test]
    fn tools_of_the_ecosystems_say_the_same() {
        let mut others = Vec::new();
        for line in include_str!("version/vectors.txt").lines().filter(|line| !line.starts_with('#')) {
            let [scheme, a, sign, b] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let scheme = match scheme {
                "dpkg" => Scheme::Dpkg,
                "rpm" => Scheme::Rpm,
                "gem" => Scheme::Gem,
                "npm" => Scheme::SemVer,
                "maven" => Scheme::Maven,
                "pypi" => Scheme::Pep440,
                _ => panic!("{line}"),
            };
            let expected = match sign {
                "<" => Ordering::Less,
                ">" => Ordering::Greater,
                _ => Ordering::Equal,
            };
            let said = scheme.compare(a, b);
            if said != Some(expected) {
                others.push(format!("{line}: {said:?}"));
            }
        }
        assert!(others.is_empty(), "{others:#?}");
    }

    proptest! {
        #[test]
        fn orders_are_antisymmetric_and_never_panic(a in "[0-9a-z.:_~^+!v-]{0,14}", b in "[0-9a-z.:_~^+!v-]{0,14}") {
            for (_, scheme) in SCHEMES {
                // PEP 440 treats the installed version and the bound differently when only one has a local label.
                if scheme == Scheme::Pep440 && a.contains('+') != b.contains('+') {
                    let _ = scheme.compare(&a, &b);
                    continue;
                }
                prop_assert_eq!(scheme.compare(&a, &b), scheme.compare(&b, &a).map(Ordering::reverse));
            }
        }
    }
}
