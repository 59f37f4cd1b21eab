//! Which files speak of packages, and who reads them.

use super::{Distribution, Found, PackageFile, System, dpkg, python};

/// A file that the inventory wants to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    OsRelease,
    DpkgStatus,
    DpkgList,
    PythonMetadata,
}

/// What the files of one layer say.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    pub(crate) files: Vec<PackageFile>,
    pub(crate) os_release: Vec<(String, Distribution)>,
    /// Metadata of language packages that belongs to the distribution.
    pub(crate) owned: Vec<String>,
}

impl Catalog {
    /// Whether the file at `path` (relative, without `./`) is wanted.
    pub(crate) fn wants(path: &str) -> Option<Source> {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = directory.rsplit('/').next().unwrap_or_default();
        match name {
            "os-release" if matches!(directory, "etc" | "usr/lib") => Some(Source::OsRelease),
            "status" if directory.ends_with("var/lib/dpkg") => Some(Source::DpkgStatus),
            "METADATA" if parent.ends_with(".dist-info") => Some(Source::PythonMetadata),
            "PKG-INFO" | "METADATA" if parent.ends_with(".egg-info") || parent == "EGG-INFO" => Some(Source::PythonMetadata),
            _ if name.ends_with(".egg-info") => Some(Source::PythonMetadata),
            _ if directory.ends_with("var/lib/dpkg/status.d") && !name.ends_with(".md5sums") => Some(Source::DpkgStatus),
            _ if directory.ends_with("var/lib/dpkg/info") && name.ends_with(".list") => Some(Source::DpkgList),
            _ => None,
        }
    }

    /// Takes in the wanted file at `path`.
    pub(crate) fn add(&mut self, source: Source, path: &str, content: &[u8]) {
        let text = String::from_utf8_lossy(content);
        let packages: Vec<Found> = match source {
            Source::OsRelease => {
                self.os_release.extend(Distribution::parse(&text).map(|os| (path.to_owned(), os)));
                return;
            }
            Source::DpkgList => return self.owned.extend(dpkg::owned_metadata(&text)),
            Source::DpkgStatus => dpkg::parse(&text),
            Source::PythonMetadata => python::parse(&text).into_iter().collect(),
        };
        self.files.push(PackageFile { path: path.to_owned(), packages });
    }
}

impl PackageFile {
    /// Whether this is a distribution's own database, rather than one package's metadata.
    pub(crate) fn system(&self) -> Option<System> {
        self.packages.first().map(|found| found.system)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_and_metadata_are_wanted_and_neighbours_are_not() {
        for (path, wanted) in [
            ("etc/os-release", Some(Source::OsRelease)),
            ("opt/etc/os-release", None),
            ("var/lib/dpkg/status", Some(Source::DpkgStatus)),
            ("var/lib/dpkg/status-old", None),
            ("var/lib/dpkg/status.d/tzdata", Some(Source::DpkgStatus)),
            ("var/lib/dpkg/status.d/tzdata.md5sums", None),
            ("opt/venv/lib/python3.11/site-packages/numpy-1.26.4.dist-info/METADATA", Some(Source::PythonMetadata)),
            ("opt/venv/lib/python3.11/site-packages/numpy-1.26.4.dist-info/RECORD", None),
            ("usr/lib/python3/dist-packages/six-1.16.0.egg-info", Some(Source::PythonMetadata)),
            ("usr/lib/python3/dist-packages/a.egg-info/PKG-INFO", Some(Source::PythonMetadata)),
        ] {
            assert_eq!(Catalog::wants(path), wanted, "{path}");
        }
    }
}
