//! Which files speak of packages, and who reads them.

use std::collections::HashSet;

use super::{
    Distribution, Found, Owned, PackageFile, System, apk, binary, conda, cpython, dotnet, dpkg, embedded,
    jar, node, python, rpm,
};
use crate::blob::Blob;

/// A file that the inventory wants to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    OsRelease,
    DebianVersion,
    DpkgStatus,
    DpkgList,
    ApkInstalled,
    PythonMetadata,
    PackageJson,
    Gemspec,
    Jar,
    Binary,
    Rpm,
    Conda,
    CPython,
    Sbom,
    DotNet,
}

/// The longest text that is read: the package database of a very large image.
const MAX_TEXT: usize = 64 << 20;
/// Smaller programs are neither Go's nor Rust's.
const MIN_BINARY: u64 = 100 << 10;

/// What the files of one layer say.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    pub(crate) files: Vec<PackageFile>,
    pub(crate) os_release: Vec<(String, Distribution)>,
    /// What belongs to the distribution's packages.
    owned: Vec<Owned>,
}

impl Catalog {
    /// Whether the file at `path` (relative, without `./`), of this size and beginning like this, is wanted.
    pub(crate) fn wants(path: &str, size: u64, head: &[u8]) -> Option<Source> {
        Self::wants_name(path).or_else(|| {
            let program = may_be_program(path, size) && head.starts_with(b"\x7fELF");
            program.then_some(Source::Binary)
        })
    }

    /// Whether it may be wanted, for all that its name and size say.
    pub(crate) fn may_want(path: &str, size: u64) -> bool {
        may_be_program(path, size) || Self::wants_name(path).is_some()
    }

    fn wants_name(path: &str) -> Option<Source> {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = directory.rsplit('/').next().unwrap_or_default();
        match name {
            "os-release" if matches!(directory, "etc" | "usr/lib") => Some(Source::OsRelease),
            "debian_version" if directory == "etc" => Some(Source::DebianVersion),
            "status" if directory.ends_with("var/lib/dpkg") => Some(Source::DpkgStatus),
            "installed" if directory.ends_with("lib/apk/db") => Some(Source::ApkInstalled),
            "package.json" if node::is_installed(directory) => Some(Source::PackageJson),
            _ if name.ends_with(".gemspec") && is_gem_directory(directory) => Some(Source::Gemspec),
            _ if jar::is_archive(name) => Some(Source::Jar),
            "METADATA" if parent.ends_with(".dist-info") => Some(Source::PythonMetadata),
            "PKG-INFO" | "METADATA" if parent.ends_with(".egg-info") || parent == "EGG-INFO" => {
                Some(Source::PythonMetadata)
            }
            _ if name.ends_with(".egg-info") => Some(Source::PythonMetadata),
            _ if directory.ends_with("var/lib/dpkg/status.d") => match name.ends_with(".md5sums") {
                true => Some(Source::DpkgList),
                false => Some(Source::DpkgStatus),
            },
            _ if directory.ends_with("var/lib/dpkg/info") && name.ends_with(".list") => {
                Some(Source::DpkgList)
            }
            "Packages" | "Packages.db" | "rpmdb.sqlite"
                if parent == "rpm"
                    && ["var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm"]
                        .iter()
                        .any(|place| directory.ends_with(place)) =>
            {
                Some(Source::Rpm)
            }
            _ if parent == "conda-meta" && name.ends_with(".json") => Some(Source::Conda),
            _ if cpython::is_header(directory, name) => Some(Source::CPython),
            _ if embedded::is_sbom(directory, name) => Some(Source::Sbom),
            _ if name.ends_with(".deps.json") => Some(Source::DotNet),
            _ => None,
        }
    }

    /// Takes in the wanted file at `path`.
    pub(crate) fn add(&mut self, source: Source, path: &str, blob: &Blob) {
        let content = match source {
            Source::Jar | Source::Binary | Source::Rpm => Vec::new(),
            _ => blob.bytes(0, MAX_TEXT).unwrap_or_default(),
        };
        let text = String::from_utf8_lossy(&content);
        let mut damage = None;
        let packages: Vec<Found> = match source {
            Source::OsRelease => {
                self.os_release.extend(Distribution::parse(&text).map(|os| (path.to_owned(), os)));
                return;
            }
            Source::DebianVersion => {
                self.os_release.extend(Distribution::of_debian(&text).map(|os| (path.to_owned(), os)));
                return;
            }
            Source::DpkgList => {
                let files = dpkg::files(&text).map(str::to_owned).collect();
                self.owned.push(Owned { package: dpkg::listed(path).to_owned(), files });
                return;
            }
            Source::DpkgStatus => {
                let found;
                (found, damage) = dpkg::parse(&text);
                found
            }
            Source::ApkInstalled => {
                self.owned.push(Owned { package: String::new(), files: apk::files(&text).collect() });
                let found;
                (found, damage) = apk::parse(&text);
                found
            }
            Source::Rpm => {
                let installed = rpm::parse(blob);
                self.owned.push(Owned { package: String::new(), files: installed.files });
                damage = installed.damage;
                installed.packages
            }
            Source::DotNet => dotnet::parse(&content),
            Source::Conda => conda::parse(&content).into_iter().collect(),
            Source::CPython => cpython::parse(&text).into_iter().collect(),
            Source::Sbom => embedded::parse(&content),
            Source::PythonMetadata => python::parse(path, &text).into_iter().collect(),
            Source::PackageJson => node::parse(&content).into_iter().collect(),
            Source::Gemspec => gem(path).into_iter().collect(),
            Source::Jar => jar::parse(path, blob),
            Source::Binary => binary::parse(blob),
        };
        if packages.is_empty() && matches!(source, Source::Binary | Source::Sbom | Source::DotNet) {
            return;
        }
        let is_database = matches!(source, Source::DpkgStatus | Source::ApkInstalled | Source::Rpm);
        if is_database && content.len() < blob.len() as usize && source != Source::Rpm {
            damage = Some(format!("of {} bytes, {MAX_TEXT} are the most that is read", blob.len()));
        }
        self.files.push(PackageFile { path: path.to_owned(), packages, damage });
    }

    /// Another name of a file that this one was read under, if anybody wanted it under that.
    pub(crate) fn add_link(&mut self, path: &str, target: &str) {
        let Some(source) = Self::wants_name(path) else { return };
        let known = self.files.iter().rev().find(|file| file.path == target).cloned();
        let named = || {
            let packages: Vec<Found> = match source {
                Source::PythonMetadata => python::parse(path, "").into_iter().collect(),
                Source::Gemspec => gem(path).into_iter().collect(),
                _ => return None,
            };
            Some(PackageFile { path: path.to_owned(), packages, damage: None })
        };
        self.files.extend(known.or_else(named).map(|file| PackageFile { path: path.to_owned(), ..file }));
    }

    /// The files that speak of packages, the releases, and of what the distribution owns that which somebody might ask about:
    /// what speaks of packages here, or would elsewhere.
    pub(crate) fn finish(self) -> (Vec<PackageFile>, Vec<(String, Distribution)>, Vec<Owned>) {
        let speaking: HashSet<&str> = self.files.iter().map(|file| file.path.as_str()).collect();
        let mut owned = self.owned;
        for one in &mut owned {
            one.files.retain(|path| {
                is_judged(path)
                    || speaking.contains(path.as_str())
                    || speaking.contains(format!("usr/{path}").as_str())
            });
        }
        owned.retain(|one| !one.files.is_empty());
        (self.files, self.os_release, owned)
    }
}

fn may_be_program(path: &str, size: u64) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    size >= MIN_BINARY && !name.contains(".so")
}

/// Whether the inventory would read a file of this name, so that it matters whose it is: metadata of a language's package, or a
/// program.
fn is_judged(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    Catalog::wants_name(path).is_some_and(|source| {
        !matches!(
            source,
            Source::OsRelease
                | Source::DebianVersion
                | Source::DpkgStatus
                | Source::DpkgList
                | Source::ApkInstalled
                | Source::Rpm
        )
    }) || (["bin/", "libexec/", "lib/go"].iter().any(|place| path.contains(place)) && !name.contains('.'))
}

/// Where gems are installed, and those that Ruby itself brings.
fn is_gem_directory(directory: &str) -> bool {
    directory.strip_suffix("/default").unwrap_or(directory).ends_with("specifications")
}

/// An installed gem, whose specification is named after it: `name-1.2.3.gemspec`, with a platform behind at times.
fn gem(path: &str) -> Option<Found> {
    let stem = path.rsplit('/').next()?.strip_suffix(".gemspec")?;
    let (at, _) =
        stem.match_indices('-').find(|(at, _)| stem[at + 1..].starts_with(|c: char| c.is_ascii_digit()))?;
    let version = stem[at + 1..].split('-').next()?;
    Some(Found::new(System::Ruby, &stem[..at], version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gems_are_named_by_their_specification() {
        let brief = |name: &str| gem(&format!("x/specifications/{name}")).map(|g| (g.name, g.version));
        assert_eq!(brief("net-http-0.4.1.gemspec"), Some(("net-http".into(), "0.4.1".into())));
        assert_eq!(brief("nokogiri-1.16.0-x86_64-linux.gemspec"), Some(("nokogiri".into(), "1.16.0".into())));
        assert_eq!(brief("x.gemspec"), None);
    }

    #[test]
    fn databases_and_metadata_are_wanted_and_neighbours_are_not() {
        for (path, wanted) in [
            ("etc/os-release", Some(Source::OsRelease)),
            ("opt/etc/os-release", None),
            ("var/lib/dpkg/status", Some(Source::DpkgStatus)),
            ("var/lib/dpkg/status-old", None),
            ("var/lib/dpkg/status.d/tzdata", Some(Source::DpkgStatus)),
            ("var/lib/dpkg/status.d/tzdata.md5sums", Some(Source::DpkgList)),
            (
                "opt/venv/lib/python3.11/site-packages/numpy-1.26.4.dist-info/METADATA",
                Some(Source::PythonMetadata),
            ),
            ("opt/venv/lib/python3.11/site-packages/numpy-1.26.4.dist-info/RECORD", None),
            ("usr/lib/python3/dist-packages/six-1.16.0.egg-info", Some(Source::PythonMetadata)),
            ("usr/lib/python3/dist-packages/a.egg-info/PKG-INFO", Some(Source::PythonMetadata)),
            ("lib/apk/db/installed", Some(Source::ApkInstalled)),
            ("app/node_modules/a/package.json", Some(Source::PackageJson)),
            ("app/package.json", None),
            ("usr/lib/ruby/gems/3.1.0/specifications/rake-13.0.6.gemspec", Some(Source::Gemspec)),
            ("usr/lib/ruby/gems/3.1.0/specifications/default/json-2.6.1.gemspec", Some(Source::Gemspec)),
            ("app/default/own.gemspec", None),
            ("app/shop.ear", Some(Source::Jar)),
            ("var/lib/rpm/rpmdb.sqlite", Some(Source::Rpm)),
            ("opt/conda/conda-meta/numpy-1.26.4-py312_0.json", Some(Source::Conda)),
            ("usr/local/include/python3.9/patchlevel.h", Some(Source::CPython)),
            ("opt/bitnami/redis/.spdx-redis.spdx", Some(Source::Sbom)),
            ("app/service.deps.json", Some(Source::DotNet)),
        ] {
            assert_eq!(Catalog::wants(path, 1, b""), wanted, "{path}");
        }
    }
}
