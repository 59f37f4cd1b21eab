//! SBOMs that others left in the image: CycloneDX and SPDX, JSON. What they say of language packages counts, unless the
//! package's own metadata says it too.

use serde_json::Value;

use super::{Found, System};

/// Whether a file of this name is one.
pub(crate) fn is_sbom(directory: &str, name: &str) -> bool {
    let named = [".cdx.json", ".spdx.json", ".cyclonedx.json"].iter().any(|suffix| name.ends_with(suffix));
    // Bitnami's, and PEP 770's.
    named
        || (name.starts_with(".spdx-") && name.ends_with(".spdx"))
        || matches!(name, "bom.json" | "sbom.json")
        || (directory.ends_with(".dist-info/sboms") && name.ends_with(".json"))
}

/// The packages that it lists by package URL.
pub(crate) fn parse(content: &[u8]) -> Vec<Found> {
    let Ok(document) = serde_json::from_slice::<Value>(content) else { return Vec::new() };
    let mut purls = Vec::new();
    if document["bomFormat"] == "CycloneDX" {
        components(&document["components"], 0, &mut purls);
    } else if document["spdxVersion"].is_string() {
        let packages = document["packages"].as_array().map_or(&[][..], Vec::as_slice);
        let references =
            packages.iter().flat_map(|package| package["externalRefs"].as_array().into_iter().flatten());
        purls.extend(
            references
                .filter(|reference| reference["referenceType"] == "purl")
                .filter_map(|reference| reference["referenceLocator"].as_str()),
        );
    }
    let mut found: Vec<Found> = purls.into_iter().filter_map(read).collect();
    found.sort();
    found.dedup();
    found
}

fn components<'a>(list: &'a Value, depth: usize, purls: &mut Vec<&'a str>) {
    for component in list.as_array().into_iter().flatten() {
        purls.extend(component["purl"].as_str());
        if depth < 16 {
            components(&component["components"], depth + 1, purls);
        }
    }
}

/// A package of a language. Those of distributions are read from their databases.
fn read(purl: &str) -> Option<Found> {
    let rest = purl.strip_prefix("pkg:")?.split(['?', '#']).next()?;
    let (path, version) = rest.rsplit_once('@')?;
    let (kind, name) = path.split_once('/')?;
    let (name, version) = (super::decode(name), super::decode(version));
    let (system, name) = match kind {
        "pypi" => (System::Python, super::normalize_python_name(&name)),
        "npm" => (System::Node, name),
        "golang" => (System::Go, name),
        "cargo" => (System::Rust, name),
        "gem" => (System::Ruby, name),
        "maven" => (System::Java, name.replacen('/', ":", 1)),
        "bitnami" => (System::Bitnami, name),
        "nuget" => (System::DotNet, name),
        _ => return None,
    };
    (!name.is_empty() && !version.is_empty()).then(|| Found::new(system, name, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_are_read() {
        let cdx = br#"{"bomFormat": "CycloneDX", "components": [{"purl": "pkg:npm/%40a/b@1.0?x=y", "components": [{"purl": "pkg:maven/org.a/b@2"}]}, {"purl": "pkg:deb/debian/x@1"}]}"#;
        let names = |content: &[u8]| {
            parse(content).into_iter().map(|f| format!("{}@{}", f.name, f.version)).collect::<Vec<_>>()
        };
        assert_eq!(names(cdx), ["@a/b@1.0", "org.a:b@2"]);
        let spdx = br#"{"spdxVersion": "SPDX-2.3", "packages": [{"externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:bitnami/redis@7.0.1-2"}]}]}"#;
        assert_eq!(names(spdx), ["redis@7.0.1-2"]);
        assert!(parse(b"[]").is_empty());
    }
}
