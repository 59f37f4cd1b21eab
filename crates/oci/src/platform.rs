//! Platforms as docker writes them: `os/architecture[/variant]`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What an image runs on. Normalised as containerd does: `x86_64` is `amd64`, `aarch64` is `arm64`,
/// `arm64/v8` is `arm64`, and `arm` alone is `arm/v7`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Platform {
    /// CPU architecture by Go's name, such as `amd64`.
    pub architecture: String,
    /// Operating system by Go's name, such as `linux`.
    pub os: String,
    /// The operating system's version (Windows images).
    #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// CPU variant, such as `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// A platform that does not parse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a platform: expected `os/architecture` or `os/architecture/variant`, such as `linux/arm64`"
)]
pub struct PlatformError(String);

impl Platform {
    /// A normalised platform.
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let (architecture, variant) = normalise(architecture, variant);
        Self { architecture, os: os.to_ascii_lowercase(), os_version: None, variant }
    }

    /// The platform this binary runs on; wharf builds on Linux only.
    pub fn host() -> Self {
        Self::new("linux", std::env::consts::ARCH, None)
    }

    /// How well an image for `offered` suits `self`: `None` when it does not run, else higher is better.
    pub fn affinity(&self, offered: &Platform) -> Option<u8> {
        let offered = Platform::new(&offered.os, &offered.architecture, offered.variant.as_deref());
        if offered.os != self.os || offered.architecture != self.architecture {
            return None;
        }
        let (wanted, offered) = (level(self.variant.as_deref()), level(offered.variant.as_deref()));
        (offered <= wanted).then(|| u8::MAX - (wanted - offered))
    }
}

/// The number in a variant such as `v7`; no variant counts as the lowest.
fn level(variant: Option<&str>) -> u8 {
    variant.and_then(|v| v.trim_start_matches('v').parse().ok()).unwrap_or(0)
}

fn normalise(architecture: &str, variant: Option<&str>) -> (String, Option<String>) {
    let architecture = architecture.to_ascii_lowercase();
    let variant = variant.map(str::to_ascii_lowercase).filter(|v| !v.is_empty());
    match (architecture.as_str(), variant.as_deref()) {
        ("x86_64" | "x86-64" | "amd64", v) => ("amd64".into(), v.filter(|v| *v != "v1").map(Into::into)),
        ("i386" | "i686" | "x86", _) => ("386".into(), None),
        ("aarch64" | "arm64", None | Some("8" | "v8")) => ("arm64".into(), None),
        ("aarch64", v) => ("arm64".into(), v.map(Into::into)),
        ("armhf", _) => ("arm".into(), Some("v7".into())),
        ("armel", _) => ("arm".into(), Some("v6".into())),
        ("arm", None) => ("arm".into(), Some("v7".into())),
        ("arm", Some(v)) if v.len() == 1 => ("arm".into(), Some(format!("v{v}"))),
        _ => (architecture, variant),
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    /// Also takes an architecture alone (`arm64`) or `linux` alone, as docker does.
    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<&str> = text.split('/').collect();
        let word =
            |s: &&str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
        if !parts.iter().all(word) {
            return Err(PlatformError(text.into()));
        }
        match parts.as_slice() {
            [os @ ("linux" | "windows" | "darwin" | "freebsd")] => {
                Ok(Self::new(os, std::env::consts::ARCH, None))
            }
            [architecture] => Ok(Self::new("linux", architecture, None)),
            [os, architecture] => Ok(Self::new(os, architecture, None)),
            [os, architecture, variant] => Ok(Self::new(os, architecture, Some(variant))),
            _ => Err(PlatformError(text.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_platform_are_one() {
        for (given, printed) in [
            ("linux/x86_64", "linux/amd64"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("arm64", "linux/arm64"),
            ("linux/armel", "linux/arm/v6"),
        ] {
            assert_eq!(given.parse::<Platform>().unwrap().to_string(), printed, "{given}");
        }
    }

    #[test]
    fn what_is_no_platform_says_so() {
        for bad in ["", "linux/", "a/b/c/d", "linux/am d64"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad:?}");
        }
    }
}
