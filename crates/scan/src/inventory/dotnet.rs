//! .NET: the packages that `NAME.deps.json` beside a program says it was published with.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Found, System};

#[derive(Deserialize)]
struct Dependencies {
    #[serde(default)]
    libraries: BTreeMap<String, Library>,
}

#[derive(Deserialize)]
struct Library {
    #[serde(rename = "type", default)]
    kind: String,
}

/// The packages; what is called `project` is the program's own.
pub(crate) fn parse(content: &[u8]) -> Vec<Found> {
    // The host writes a byte order mark at times.
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let Ok(Dependencies { libraries }) = serde_json::from_slice(content) else { return Vec::new() };
    let packages = libraries.iter().filter(|(_, library)| library.kind == "package");
    let named = packages.filter_map(|(name, _)| name.split_once('/'));
    named
        .filter(|(name, version)| !name.is_empty() && !version.is_empty())
        .map(|(name, version)| Found::new(System::DotNet, name, version))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_listed_and_projects_are_not() {
        let found = parse(
            br#"{"libraries": {"shop/1.0.0": {"type": "project"}, "Newtonsoft.Json/12.0.1": {"type": "package", "sha512": "x"}}}"#,
        );
        let brief: Vec<_> = found.iter().map(|f| (f.name.as_str(), f.version.as_str())).collect();
        assert_eq!(brief, [("Newtonsoft.Json", "12.0.1")]);
        assert!(parse(b"[]").is_empty());
    }
}
