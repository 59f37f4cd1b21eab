//! Whether what a document calls a package is a package of the image.

use super::glob;
use crate::inventory::{Package, decode};

/// `wanted` is a package URL, whose version and qualifiers count only where they are given, or the name of a package, its source's
/// name included, maybe with `@version`.
pub(super) fn covers(wanted: &str, package: &Package) -> bool {
    let Some(wanted) = wanted.strip_prefix("pkg:") else { return covers_name(wanted, package) };
    let here = package.purl.strip_prefix("pkg:").unwrap_or(&package.purl);
    let (wanted_base, wanted_version, wanted_qualifiers) = parts(wanted);
    let (base, version, qualifiers) = parts(here);
    let same_base = same_text(wanted_base, base) || is_source(wanted_base, base, package);
    same_base
        && (wanted_version.is_empty()
            || decode(wanted_version) == decode(version)
            || is_source_version(wanted_version, package))
        && wanted_qualifiers
            .split('&')
            .filter(|q| !q.is_empty() && !q.starts_with("repository_url="))
            .all(|wanted| qualifiers.split('&').any(|q| decode(q) == decode(wanted)))
}

fn covers_name(wanted: &str, package: &Package) -> bool {
    let (name, version) =
        wanted.rsplit_once('@').filter(|(name, _)| !name.is_empty()).unwrap_or((wanted, ""));
    let (source, source_version) = package.advised();
    let is = |candidate: &str| glob::segment_matches(&name.to_lowercase(), &candidate.to_lowercase());
    (is(&package.name) || is(source))
        && (version.is_empty() || version == package.version || version == source_version)
}

/// Type, namespace and name; version; qualifiers.
fn parts(purl: &str) -> (&str, &str, &str) {
    let purl = purl.split('#').next().unwrap_or(purl);
    let (path, qualifiers) = purl.split_once('?').unwrap_or((purl, ""));
    let (base, version) = path.rsplit_once('@').filter(|(_, v)| !v.contains('/')).unwrap_or((path, ""));
    (base.trim_matches('/'), version, qualifiers)
}

/// A document of a distribution may name the source package.
fn is_source(wanted: &str, base: &str, package: &Package) -> bool {
    let (Some((wanted_place, name)), Some((place, _)), Some(source)) =
        (wanted.rsplit_once('/'), base.rsplit_once('/'), &package.source)
    else {
        return false;
    };
    wanted_place == place && decode(name) == source.name
}

fn is_source_version(wanted: &str, package: &Package) -> bool {
    package.source.as_ref().is_some_and(|source| source.version == decode(wanted))
}

fn same_text(a: &str, b: &str) -> bool {
    let plain = |text: &str| decode(text).to_lowercase().replace('_', "-");
    plain(a) == plain(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::SourcePackage;

    #[test]
    fn versions_and_qualifiers_count_where_they_are_given() {
        let package = Package {
            ecosystem: "Debian:12".into(),
            name: "libssl3".into(),
            version: "3.0.1+b1".into(),
            source: Some(SourcePackage { name: "openssl".into(), version: "3.0.1".into() }),
            purl: "pkg:deb/debian/libssl3@3.0.1%2Bb1?arch=amd64&distro=debian-12".into(),
            path: String::new(),
            layer: None,
            licences: Vec::new(),
        };
        for (wanted, expected) in [
            ("pkg:deb/debian/libssl3", true),
            ("pkg:deb/debian/libssl3@3.0.1%2Bb1", true),
            ("pkg:deb/debian/libssl3@3.0.1+b1?arch=amd64", true),
            ("pkg:deb/debian/libssl3?arch=arm64", false),
            ("pkg:deb/debian/libssl3@2", false),
            ("pkg:deb/debian/openssl@3.0.1", true),
            ("pkg:deb/ubuntu/libssl3", false),
            ("libssl3", true),
            ("openssl@3.0.1", true),
            ("lib*", true),
            ("ssl", false),
        ] {
            assert_eq!(covers(wanted, &package), expected, "{wanted}");
        }
    }
}
