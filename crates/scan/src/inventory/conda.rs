//! conda: one JSON file per package under `conda-meta`.

use serde::Deserialize;

use super::{Found, System};

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    #[serde(default)]
    license: Option<String>,
}

/// The package that the file speaks of.
pub(crate) fn parse(content: &[u8]) -> Option<Found> {
    let package: Package = serde_json::from_slice(content).ok()?;
    let mut found = Found::new(System::Conda, package.name, package.version);
    found.licences = package.license.into_iter().filter(|licence| !licence.is_empty()).collect();
    (!found.name.is_empty() && !found.version.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_has_a_name_and_a_version() {
        let found = parse(
            br#"{"name": "numpy", "version": "1.26.4", "build": "py312_0", "license": "BSD-3-Clause"}"#,
        );
        assert_eq!(found.unwrap().licences, ["BSD-3-Clause"]);
        assert!(parse(br#"{"name": "numpy"}"#).is_none());
    }
}
