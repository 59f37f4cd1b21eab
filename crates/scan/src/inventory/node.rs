//! Installed Node packages: the `package.json` at the root of each.

use serde::Deserialize;

use super::{Found, System};

#[derive(Deserialize)]
struct PackageJson {
    name: String,
    version: String,
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
    let PackageJson { name, version } = serde_json::from_slice(content).ok()?;
    (!name.is_empty() && !version.is_empty()).then_some(Found {
        system: System::Node,
        name,
        version,
        source: None,
        architecture: None,
    })
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
    }
}
