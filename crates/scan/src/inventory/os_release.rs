//! Which distribution an image says it is (`os-release(5)`), and what OSV calls it.

use serde::{Deserialize, Serialize};

/// A distribution, as the image says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    /// `ID`: `debian`.
    pub id: String,
    /// `VERSION_ID`: `12`; empty for rolling ones.
    pub version: String,
    /// `PRETTY_NAME`.
    pub name: String,
}

impl Distribution {
    /// Reads an os-release file; `None` where it has no `ID`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let value = |key: &str| {
            text.lines()
                .filter_map(|line| line.trim().split_once('='))
                .find(|(name, _)| *name == key)
                .map(|(_, value)| value.trim().trim_matches(['"', '\'']).to_owned())
        };
        Some(Self {
            id: value("ID").filter(|id| !id.is_empty())?,
            version: value("VERSION_ID").unwrap_or_default(),
            name: value("PRETTY_NAME").unwrap_or_default(),
        })
    }

    /// Reads Debian's own file, `12.5`; `None` where it names a release to come, `trixie/sid`.
    pub(crate) fn of_debian(text: &str) -> Option<Self> {
        let version = text.trim();
        let is_release = version.starts_with(|c: char| c.is_ascii_digit()) && version.len() < 16;
        is_release.then(|| Self {
            id: "debian".into(),
            version: version.into(),
            name: format!("Debian {version}"),
        })
    }

    /// What OSV calls it, `Debian:12`; `None` for one that OSV has no data about, or of which the release is
    /// unknown (Debian's testing and unstable have no version).
    pub fn ecosystem(&self) -> Option<String> {
        let parts: Vec<&str> = self.version.split('.').collect();
        let major = parts.first().copied().filter(|part| !part.is_empty());
        match self.id.as_str() {
            "debian" => major.map(|m| format!("Debian:{m}")),
            "ubuntu" => major.map(|year| {
                let long_term = parts.get(1) == Some(&"04") && year.parse::<u32>().is_ok_and(|y| y % 2 == 0);
                format!("Ubuntu:{}{}", self.version, if long_term { ":LTS" } else { "" })
            }),
            // `edge` calls itself by the release that it is to become.
            "alpine" if self.version.contains('_') => None,
            "alpine" => Some(format!("Alpine:v{}.{}", major?, parts.get(1)?)),
            "wolfi" => Some("Wolfi".into()),
            "chainguard" => Some("Chainguard".into()),
            "almalinux" => major.map(|m| format!("AlmaLinux:{m}")),
            "rocky" => major.map(|m| format!("Rocky Linux:{m}")),
            "rhel" => major.map(|m| format!("Red Hat:enterprise_linux:{m}")),
            "mageia" => major.map(|m| format!("Mageia:{m}")),
            "opensuse-leap" => Some(format!("openSUSE:Leap {}", self.version)),
            "opensuse-tumbleweed" => Some("openSUSE:Tumbleweed".into()),
            "azurelinux" => major.map(|m| format!("Azure Linux:{m}")),
            "mariner" => major.map(|m| format!("Azure Linux:{m}")),
            "photon" => Some(format!("Photon OS:{}", self.version)),
            "minimos" => Some("MinimOS".into()),
            "echo" => Some("Echo".into()),
            "alpaquita" => major.map(|m| format!("Alpaquita:{m}")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ecosystem(text: &str) -> Option<String> {
        Distribution::parse(text).and_then(|d| d.ecosystem())
    }

    #[test]
    fn releases_get_the_names_that_osv_uses() {
        assert_eq!(ecosystem("ID=debian\nVERSION_ID=\"12\"\n").as_deref(), Some("Debian:12"));
        assert_eq!(ecosystem("ID=alpine\nVERSION_ID=3.18.4").as_deref(), Some("Alpine:v3.18"));
        assert_eq!(ecosystem("ID=\"almalinux\"\nVERSION_ID=\"9.3\"").as_deref(), Some("AlmaLinux:9"));
        assert_eq!(ecosystem("ID=ubuntu\nVERSION_ID=\"22.04\"").as_deref(), Some("Ubuntu:22.04:LTS"));
        assert_eq!(ecosystem("ID=ubuntu\nVERSION_ID=\"23.10\"").as_deref(), Some("Ubuntu:23.10"));
        assert_eq!(ecosystem("ID=debian\nPRETTY_NAME=\"Debian GNU/Linux trixie/sid\""), None);
        assert_eq!(ecosystem("NAME=x"), None);
        let debian = |text: &str| Distribution::of_debian(text).and_then(|os| os.ecosystem());
        assert_eq!((debian("11.9\n").as_deref(), debian("trixie/sid\n")), (Some("Debian:11"), None));
        assert_eq!(ecosystem("ID=alpine\nVERSION_ID=3.21.0_alpha20240807"), None);
        assert_eq!(
            ecosystem("ID=\"rhel\"\nVERSION_ID=\"9.4\"").as_deref(),
            Some("Red Hat:enterprise_linux:9")
        );
        assert_eq!(
            ecosystem("ID=\"opensuse-tumbleweed\"\nVERSION_ID=\"20260101\"").as_deref(),
            Some("openSUSE:Tumbleweed")
        );
    }
}
