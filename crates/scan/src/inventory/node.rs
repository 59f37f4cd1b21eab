//! Installed Node packages: the `package.json` at the root of each.

use serde::Deserialize;

use super::{Found, System};

#[derive(Deserialize)]
struct PackageJson {
    name: String,
    version: String,
    #[serde(default)]
    license: serde_json::Value,
    #[serde(default)]
    licenses: serde_json::Value,
}

/// Whether the file is at the root of an installed package: `node_modules/name` or `node_modules/@scope/name`.
pub(crate) fn is_installed(directory: &str) -> bool {
    let mut parts = directory.rsplit('/');
    let (_, parent, above) = (parts.next(), parts.next(), parts.next());
    match (parent, above) {
        (Some("node_modules"), _) => true,
        (Some(scope), Some("node_modules")) => scope.starts_with('@'),
        _ => false,
    }
}

/// The package that the file speaks of.
pub(crate) fn parse(content: &[u8]) -> Option<Found> {
    let PackageJson { name, version, license, licenses } = serde_json::from_slice(content).ok()?;
    if name.is_empty() || version.is_empty() {
        return None;
    }
    let mut found = Found::new(System::Node, name, version);
    // A word, an object with a type, or a list of those.
    let said = [license].into_iter().chain(licenses.as_array().cloned().unwrap_or_default());
    found.licences = said
        .filter_map(|licence| licence.as_str().or_else(|| licence["type"].as_str()).map(str::to_owned))
        .filter(|licence| !licence.is_empty())
        .collect();
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_roots_of_packages_count() {
        assert!(is_installed("app/node_modules/left-pad"));
        assert!(is_installed("app/node_modules/@types/node"));
        assert!(!is_installed("app/node_modules/left-pad/dist"));
        assert!(!is_installed("app"));
        assert_eq!(parse(br#"{"name":"a","version":"1.0.0"}"#).unwrap().version, "1.0.0");
        assert!(parse(br#"{"name":"a"}"#).is_none());
        let old =
            parse(br#"{"name":"a","version":"1","licenses":[{"type":"MIT"},{"type":"GPL-2.0"}]}"#).unwrap();
        assert_eq!(old.licences, ["MIT", "GPL-2.0"]);
    }
}
