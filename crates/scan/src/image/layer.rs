//! What one layer holds.

use serde::{Deserialize, Serialize};

use crate::findings::{Finding, Kind};
use crate::inventory::{Distribution, Owned, PackageFile};
use crate::scan::Checks;

/// What one layer holds: all that a scan needs to know of it, so that a caller who keeps this by the layer's
/// digest need not read the layer again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerReport {
    /// [`LayerReport::VERSION`] when it was made; a report of another version is made anew.
    pub version: u32,
    /// What it was looked at for.
    pub looked_for: Checks,
    /// Every regular file and link; a symbolic link has no size.
    pub files: Vec<FileRecord>,
    /// Directories near the root, whose owner and mode decide who may enter.
    pub directories: Vec<DirectoryRecord>,
    /// Paths that it removes from the layers below.
    pub whiteouts: Vec<String>,
    /// Directories that it empties of what the layers below have.
    pub opaques: Vec<String>,
    /// Files that speak of packages.
    pub package_files: Vec<PackageFile>,
    /// os-release files, by path.
    pub os_release: Vec<(String, Distribution)>,
    /// What speaks of packages and belongs to a package of the distribution.
    pub owned: Vec<Owned>,
    /// Model files and secrets.
    pub findings: Vec<Finding>,
}

impl LayerReport {
    /// The version of this structure and of the rules that fill it.
    pub const VERSION: u32 = 7;

    /// Adds what another part of the same files holds.
    pub(crate) fn append(&mut self, other: Self) {
        self.files.extend(other.files);
        self.directories.extend(other.directories);
        self.whiteouts.extend(other.whiteouts);
        self.opaques.extend(other.opaques);
        self.package_files.extend(other.package_files);
        self.os_release.extend(other.os_release);
        self.owned.extend(other.owned);
        self.findings.extend(other.findings);
    }

    /// The same as far as these checks ask.
    #[must_use]
    pub(crate) fn only(mut self, checks: Checks) -> Self {
        self.findings.retain(|finding| match finding.kind {
            Kind::Model => checks.models,
            Kind::Secret => checks.secrets,
            _ => true,
        });
        self
    }
}

/// A directory of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryRecord {
    /// Relative to the root of the image.
    pub path: String,
    /// The permission bits.
    pub mode: u32,
    /// Who owns it.
    pub uid: u32,
}

/// A file of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Relative to the root of the image.
    pub path: String,
    /// Bytes.
    pub size: u64,
}
