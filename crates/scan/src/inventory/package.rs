//! A package: as a file speaks of it, and as part of an image.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::Distribution;

/// What manages a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum System {
    /// dpkg: Debian, Ubuntu and their kin.
    Dpkg,
    /// apk: Alpine, Wolfi, Chainguard.
    Apk,
    /// rpm: Red Hat, its rebuilds, SUSE.
    Rpm,
    /// Python distributions.
    Python,
    /// Node packages.
    Node,
    /// Go modules in a binary.
    Go,
    /// Crates in a binary.
    Rust,
    /// Maven artifacts in a jar.
    Java,
    /// Ruby gems.
    Ruby,
    /// conda packages.
    Conda,
    /// CPython, where it is no package.
    CPython,
    /// What Bitnami's images say they consist of.
    Bitnami,
    /// NuGet packages of a .NET program.
    DotNet,
}

impl System {
    /// OSV's name of the ecosystem, where it does not depend on the distribution.
    fn ecosystem(self) -> Option<&'static str> {
        match self {
            Self::Dpkg | Self::Apk | Self::Rpm => None,
            Self::Python => Some("PyPI"),
            Self::Node => Some("npm"),
            Self::Go => Some("Go"),
            Self::Rust => Some("crates.io"),
            Self::Java => Some("Maven"),
            Self::Ruby => Some("RubyGems"),
            Self::Conda => Some("conda"),
            Self::CPython => Some("CPython"),
            Self::Bitnami => Some("Bitnami"),
            Self::DotNet => Some("NuGet"),
        }
    }

    /// The type of a package URL.
    pub(crate) fn purl_type(self) -> &'static str {
        match self {
            Self::Dpkg => "deb",
            Self::Apk => "apk",
            Self::Rpm => "rpm",
            Self::Python => "pypi",
            Self::Node => "npm",
            Self::Go => "golang",
            Self::Rust => "cargo",
            Self::Java => "maven",
            Self::Ruby => "gem",
            Self::Conda => "conda",
            Self::CPython => "generic",
            Self::Bitnami => "bitnami",
            Self::DotNet => "nuget",
        }
    }

    /// Whether a distribution, and not a language, manages it.
    pub fn is_distribution(self) -> bool {
        self.ecosystem().is_none()
    }
}

/// The source that a distribution built a package from: what its advisories are about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SourcePackage {
    /// Its name.
    pub name: String,
    /// Its version, which may differ from that of the package (binary rebuilds, epochs).
    pub version: String,
}

/// A package as one file speaks of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Found {
    /// What manages it.
    pub system: System,
    /// Its name, as the system normalises it.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it was built from, where that differs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<SourcePackage>,
    /// The architecture, where the system says it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub architecture: Option<String>,
    /// Its licences, in the words of whoever packed it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub licences: Vec<String>,
    /// A distribution's package manager has it from somebody else than the distribution, whose advisories are not about it.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub foreign: bool,
}

impl Found {
    /// A package of which only name and version are known.
    pub(super) fn new(system: System, name: impl Into<String>, version: impl Into<String>) -> Self {
        let (name, version) = (name.into(), version.into());
        Self { system, name, version, source: None, architecture: None, licences: Vec::new(), foreign: false }
    }
}

/// A file of a layer that speaks of packages. A later layer that has it too replaces all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageFile {
    /// Where it is.
    pub path: String,
    /// What it says.
    pub packages: Vec<Found>,
    /// What is wrong with it, where not all of it could be read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub damage: Option<String>,
}

/// What a distribution's package has put into the image, of which others might think that it is theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned {
    /// The package; empty where the distribution's own list does not say it by the package.
    pub package: String,
    /// The paths, relative to the root.
    pub files: Vec<String>,
}

/// The ecosystem of packages that do not come from the distribution whose package manager installed them.
pub(crate) const FOREIGN: &str = "third-party";

/// A package of an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Package {
    /// OSV's name of where it comes from, `Debian:12`, `PyPI`; `unknown` for a distribution that is none of OSV's, and [`FOREIGN`]
    /// for what a distribution's package manager has from somebody else.
    pub ecosystem: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it was built from, where that differs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<SourcePackage>,
    /// Its package URL.
    pub purl: String,
    /// The file that speaks of it.
    pub path: String,
    /// The layer that brought this version, 0 is the lowest.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub layer: Option<usize>,
    /// Its licences, in the words of whoever packed it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub licences: Vec<String>,
}

impl Package {
    /// `found`, spoken of by the file at `path`, in an image of this distribution.
    pub(crate) fn new(found: &Found, path: &str, layer: Option<usize>, os: Option<&Distribution>) -> Self {
        let ecosystem = match found.system.ecosystem() {
            Some(name) => name.to_owned(),
            None if found.foreign => FOREIGN.to_owned(),
            None => os.and_then(Distribution::ecosystem).unwrap_or_else(|| "unknown".to_owned()),
        };
        Self {
            ecosystem,
            name: found.name.clone(),
            version: found.version.clone(),
            source: found.source.clone(),
            purl: purl(found, os),
            path: path.to_owned(),
            layer,
            licences: found.licences.clone(),
        }
    }

    /// The name and version that advisories speak of.
    pub(crate) fn advised(&self) -> (&str, &str) {
        // Of those who build from rpm, Rocky alone speaks of sources.
        let by_name = self.purl.starts_with("pkg:rpm/") && !self.ecosystem.starts_with("Rocky Linux");
        match &self.source {
            _ if by_name => (&self.name, &self.version),
            Some(source) => (&source.name, &source.version),
            None => (&self.name, &self.version),
        }
    }
}

/// The package URL (package-url/purl-spec). Go modules and scoped node packages keep their slashes.
fn purl(found: &Found, os: Option<&Distribution>) -> String {
    let mut text = format!("pkg:{}/", found.system.purl_type());
    if found.system.is_distribution()
        && let Some(os) = os
    {
        let _ = write!(text, "{}/", encode(&os.id));
    }
    let name = found.name.replace(':', "/");
    let segments: Vec<String> = name.split('/').map(encode).collect();
    // rpm's epoch is a qualifier, dpkg's is part of the version.
    let (epoch, version) = match found.version.split_once(':') {
        Some((epoch, version)) if found.system == System::Rpm => (Some(epoch), version),
        _ => (None, found.version.as_str()),
    };
    let _ = write!(text, "{}@{}", segments.join("/"), encode(version));
    let mut separator = '?';
    if let Some(architecture) = &found.architecture {
        let _ = write!(text, "{separator}arch={}", encode(architecture));
        separator = '&';
    }
    if found.system.is_distribution()
        && let Some(os) = os
        && !os.version.is_empty()
    {
        let _ = write!(text, "{separator}distro={}-{}", encode(&os.id), encode(&os.version));
        separator = '&';
    }
    if let Some(epoch) = epoch {
        let _ = write!(text, "{separator}epoch={}", encode(epoch));
    }
    text
}

/// Percent-encoding of all but the unreserved characters and the colon.
fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' | b':' => {
                out.push(char::from(byte))
            }
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

/// Percent-decoding; what is no encoding stays.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| bytes[at] == b'%') {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_urls_name_the_distribution_and_escape_the_rest() {
        let os = Distribution { id: "debian".into(), version: "12".into(), name: String::new() };
        let found = |system, name: &str, version: &str, architecture: Option<&str>| Found {
            system,
            name: name.into(),
            version: version.into(),
            source: None,
            architecture: architecture.map(Into::into),
            licences: Vec::new(),
            foreign: false,
        };
        let url = |found: &Found| purl(found, Some(&os));
        assert_eq!(
            url(&found(System::Dpkg, "libstdc++6", "12.2.0-14+deb12u1", Some("amd64"))),
            "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12"
        );
        assert_eq!(
            url(&found(System::Dpkg, "bind9", "1:9.18.1-1", None)),
            "pkg:deb/debian/bind9@1:9.18.1-1?distro=debian-12"
        );
        assert_eq!(
            url(&found(System::Rpm, "bind", "32:9.18.1-1", Some("x86_64"))),
            "pkg:rpm/debian/bind@9.18.1-1?arch=x86_64&distro=debian-12&epoch=32"
        );
        assert_eq!(url(&found(System::Node, "@types/node", "1.0.0", None)), "pkg:npm/%40types/node@1.0.0");
        assert_eq!(url(&found(System::Java, "org.a:b", "1", None)), "pkg:maven/org.a/b@1");
    }
}
