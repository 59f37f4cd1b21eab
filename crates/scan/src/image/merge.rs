//! What layers add up to: which files are still there at the top, and which layer brought what.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::LayerReport;
use crate::findings::{Finding, LayerRef};
use crate::inventory::{Distribution, Found, Inventory, Package, PackageFile};

/// Layers from the lowest to the highest, ready to be asked about paths.
pub(crate) struct Stack<'a> {
    layers: &'a [LayerReport],
    indexed: Vec<Indexed<'a>>,
}

/// The paths of one layer.
struct Indexed<'a> {
    files: HashMap<&'a str, u64>,
    whiteouts: HashSet<&'a str>,
    opaques: HashSet<&'a str>,
    package_files: HashMap<&'a str, &'a PackageFile>,
}

impl<'a> Stack<'a> {
    pub(crate) fn new(layers: &'a [LayerReport]) -> Self {
        let indexed = layers
            .iter()
            .map(|layer| Indexed {
                files: layer.files.iter().map(|file| (file.path.as_str(), file.size)).collect(),
                whiteouts: layer.whiteouts.iter().map(String::as_str).collect(),
                opaques: layer.opaques.iter().map(String::as_str).collect(),
                package_files: layer.package_files.iter().map(|file| (file.path.as_str(), file)).collect(),
            })
            .collect();
        Self { layers, indexed }
    }

    /// The first layer above `layer` that removes or replaces the file at `path`.
    pub(crate) fn removed_in(&self, path: &str, layer: usize) -> Option<usize> {
        (layer + 1..self.layers.len()).find(|&above| self.indexed[above].hides(path))
    }

    /// Whether a layer below has a file of this size at this path.
    pub(crate) fn has_below(&self, path: &str, size: u64, layer: usize) -> bool {
        size > 0 && self.indexed[..layer].iter().any(|below| below.files.get(path) == Some(&size))
    }

    /// What the image consists of.
    pub(crate) fn inventory(&self) -> Inventory {
        let distribution = self.distribution();
        let files = self.package_files();
        let owned = self.owned(&files);
        let mut packages = Vec::new();
        let mut damaged = Vec::new();
        for (path, layer, file) in files {
            if owned.contains(path)
                || owned.contains(path.trim_end_matches("/PKG-INFO").trim_end_matches("/METADATA"))
            {
                continue;
            }
            for found in &file.packages {
                let origin = self.first_with(path, found, layer);
                packages.push(Package::new(found, path, Some(origin), distribution.as_ref()));
            }
            damaged.extend(file.damage.clone().map(|damage| (path.to_owned(), damage)));
        }
        damaged.extend(self.deleted(&packages));
        packages.sort();
        drop_repeated(&mut packages);
        Inventory { distribution, packages, damaged }
    }

    /// Databases of a distribution that a later layer deletes, whose packages are still there, and none of the kind is left that
    /// would speak of them.
    fn deleted(&self, packages: &[Package]) -> BTreeMap<String, String> {
        let is_left = |purl: &str| packages.iter().any(|package| package.purl.starts_with(purl));
        let databases = self.layers.iter().enumerate().flat_map(|(index, layer)| {
            let of_many = layer.package_files.iter().filter(|file| file.packages.len() > 1);
            of_many.map(move |file| (index, file, file.packages[0].system))
        });
        databases
            .filter(|(.., system)| {
                system.is_distribution() && !is_left(&format!("pkg:{}/", system.purl_type()))
            })
            .filter_map(|(index, file, _)| {
                let layer = self.removed_in(&file.path, index)?;
                let damage = format!("layer {layer} deletes it, and leaves what it speaks of");
                Some((file.path.clone(), damage))
            })
            .collect()
    }

    /// What is judged by the distribution, as packages of its own own it. `usr` is merged with the root in most that are newer than
    /// the lists of their packages.
    fn owned(&self, files: &[(&'a str, usize, &'a PackageFile)]) -> HashSet<Cow<'a, str>> {
        let packages = files.iter().flat_map(|(_, _, file)| &file.packages);
        let foreign: HashSet<&str> = packages.filter(|p| p.foreign).map(|p| p.name.as_str()).collect();
        let lists = self.layers.iter().flat_map(|layer| &layer.owned);
        let own = lists.filter(|list| !foreign.contains(list.package.as_str())).flat_map(|list| &list.files);
        let mut owned = HashSet::new();
        for path in own {
            owned.insert(Cow::from(path.as_str()));
            if ["lib/", "lib64/", "bin/", "sbin/"].iter().any(|place| path.starts_with(place)) {
                owned.insert(Cow::from(format!("usr/{path}")));
            }
        }
        owned
    }

    /// The findings of all layers, each with its layer, and said once if a later layer repeats it.
    pub(crate) fn findings(&self, digests: &[wharf_oci::Digest]) -> Vec<Finding> {
        let mut findings = Vec::new();
        for ((index, layer), digest) in self.layers.iter().enumerate().zip(digests) {
            for finding in &layer.findings {
                let removed_in = self.removed_in(&finding.path, index);
                let layer = LayerRef { index, digest: digest.clone(), removed_in };
                findings.push(Finding { layer: Some(layer), ..finding.clone() });
            }
        }
        findings
    }

    /// The files that speak of packages and are still there at the top, with the layer each is from.
    fn package_files(&self) -> Vec<(&'a str, usize, &'a PackageFile)> {
        let mut latest: BTreeMap<&str, (usize, &PackageFile)> = BTreeMap::new();
        for (index, layer) in self.layers.iter().enumerate() {
            latest.extend(layer.package_files.iter().map(|file| (file.path.as_str(), (index, file))));
        }
        latest
            .into_iter()
            .filter(|(path, (index, _))| self.removed_in(path, *index).is_none())
            .map(|(path, (index, file))| (path, index, file))
            .collect()
    }

    /// The lowest layer from which on the file at `path` has spoken of this package in this version: a layer that only changes the
    /// file's owner has it once more.
    fn first_with(&self, path: &str, found: &Found, layer: usize) -> usize {
        let mut first = layer;
        for index in (0..layer).rev() {
            let Some(file) = self.indexed[index].package_files.get(path) else {
                if self.indexed[index].hides(path) {
                    break;
                }
                continue;
            };
            let has =
                file.packages.iter().any(|other| other.name == found.name && other.version == found.version);
            if !has {
                break;
            }
            first = index;
        }
        first
    }

    /// The distribution: `etc/os-release` where it is a file of its own, else what it usually links to. Debian's releases say what
    /// they are in a file of their own as well.
    fn distribution(&self) -> Option<Distribution> {
        let said_in = |wanted: &str| {
            self.layers.iter().enumerate().rev().find_map(|(index, layer)| {
                let (_, os) = layer.os_release.iter().find(|(path, _)| path == wanted)?;
                self.removed_in(wanted, index).is_none().then(|| os.clone())
            })
        };
        let os = said_in("etc/os-release").or_else(|| said_in("usr/lib/os-release"));
        match os {
            Some(os) if os.id != "debian" || !os.version.is_empty() => Some(os),
            os => said_in("etc/debian_version").or(os),
        }
    }
}

/// Of packages that an SBOM in the image and their own metadata both speak of, the latter counts.
fn drop_repeated(packages: &mut Vec<Package>) {
    let said = |package: &Package| (package.ecosystem.clone(), package.name.clone(), package.version.clone());
    let is_sbom = crate::vulnerabilities::is_hearsay;
    let mut known: HashSet<_> = packages.iter().filter(|p| !is_sbom(p)).map(said).collect();
    packages.retain(|package| !is_sbom(package) || known.insert(said(package)));
}

impl Indexed<'_> {
    fn hides(&self, path: &str) -> bool {
        if self.files.contains_key(path) || self.whiteouts.contains(path) {
            return true;
        }
        let mut ancestors = std::iter::successors(parent(path), |p| parent(p));
        ancestors.any(|ancestor| self.whiteouts.contains(ancestor) || self.opaques.contains(ancestor))
            || self.opaques.contains("")
    }
}

fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(parent, _)| parent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::{Kind, Severity};
    use crate::image::FileRecord;
    use crate::inventory::{Owned, System};

    fn found(name: &str, version: &str) -> Found {
        Found {
            system: System::Dpkg,
            name: name.into(),
            version: version.into(),
            source: None,
            architecture: None,
            licences: Vec::new(),
            foreign: false,
        }
    }

    fn layer(status: &[(&str, &str)]) -> LayerReport {
        let packages = status.iter().map(|(name, version)| found(name, version)).collect();
        let path = "var/lib/dpkg/status";
        LayerReport {
            files: vec![FileRecord { path: path.into(), size: 1 }],
            package_files: vec![PackageFile { path: path.into(), packages, damage: None }],
            ..LayerReport::default()
        }
    }

    #[test]
    fn a_package_belongs_to_the_layer_that_brought_its_version() {
        let layers = [
            layer(&[("bash", "1"), ("ssl", "1"), ("gone", "1")]),
            layer(&[("bash", "1"), ("ssl", "2"), ("gone", "1")]),
            layer(&[("bash", "1"), ("ssl", "2"), ("new", "1")]),
        ];
        let inventory = Stack::new(&layers).inventory();
        let brief: Vec<_> = inventory.packages.iter().map(|p| (p.name.as_str(), p.layer.unwrap())).collect();
        assert_eq!(brief, [("bash", 0), ("new", 2), ("ssl", 1)]);
        assert_eq!(inventory.packages[0].ecosystem, "unknown");
    }

    #[test]
    fn removed_metadata_is_gone_and_removed_findings_are_not() {
        let mut lower = layer(&[("bash", "1")]);
        lower.findings.push(Finding::new(Kind::Secret, "key", Severity::High, "root/.env", "x"));
        lower.files.push(FileRecord { path: "root/.env".into(), size: 1 });
        let upper = LayerReport {
            whiteouts: vec!["var/lib/dpkg".into()],
            opaques: vec!["root".into()],
            ..LayerReport::default()
        };
        let layers = [lower, upper];
        let stack = Stack::new(&layers);
        assert!(stack.inventory().packages.is_empty() && stack.inventory().damaged.is_empty());
        let digest = wharf_oci::digest::sha256(b"");
        let findings = stack.findings(&[digest.clone(), digest]);
        assert_eq!(findings[0].layer.as_ref().unwrap().removed_in, Some(1));
    }

    #[test]
    fn metadata_that_the_distribution_owns_is_not_judged_twice() {
        let path = "usr/lib/python3/dist-packages/six.egg-info";
        let python = Found { system: System::Python, ..found("six", "1") };
        let mut metadata = layer(&[]);
        metadata.package_files =
            vec![PackageFile { path: path.into(), packages: vec![python], damage: None }];
        metadata.owned = vec![Owned { package: "python3-six".into(), files: vec![path.into()] }];
        let mut status = layer(&[("python3-six", "1")]);
        let names = |layers: &[LayerReport]| -> Vec<String> {
            Stack::new(layers).inventory().packages.into_iter().map(|package| package.name).collect()
        };
        assert_eq!(names(&[metadata.clone(), status.clone()]), ["python3-six"]);
        status.package_files[0].packages[0].foreign = true;
        assert_eq!(names(&[metadata, status]), ["six", "python3-six"], "nobody else judges it");
    }

    #[test]
    fn a_database_that_is_deleted_alone_is_missed() {
        let lower = layer(&[("bash", "1"), ("ssl", "1")]);
        let upper = LayerReport { whiteouts: vec!["var/lib/dpkg".into()], ..LayerReport::default() };
        let damaged = Stack::new(&[lower.clone(), upper.clone()]).inventory().damaged;
        assert_eq!(damaged[0].1, "layer 1 deletes it, and leaves what it speaks of");
        assert!(Stack::new(&[lower.clone(), upper, lower]).inventory().damaged.is_empty());
    }

    #[test]
    fn a_new_owner_brings_no_package() {
        let mut lower = layer(&[("bash", "1")]);
        let middle = LayerReport { whiteouts: vec!["var/lib/dpkg/status".into()], ..LayerReport::default() };
        let from = |layers: &[LayerReport]| Stack::new(layers).inventory().packages[0].layer;
        assert_eq!(from(&[lower.clone(), lower.clone()]), Some(0));
        assert_eq!(from(&[lower.clone(), middle, lower.clone()]), Some(2), "it was gone in between");
        lower.package_files[0].damage = Some("cut off".into());
        assert_eq!(Stack::new(&[lower]).inventory().damaged[0].1, "cut off");
    }
}
