//! Python distributions: `*.dist-info/METADATA`, and the forms that `egg-info` comes in.

use super::{Found, System};

/// The distribution that a core-metadata file speaks of (core metadata specification: an e-mail header).
pub(crate) fn parse(text: &str) -> Option<Found> {
    let mut name = None;
    let mut version = None;
    for line in text.lines().take_while(|line| !line.trim().is_empty()) {
        match line.split_once(':') {
            Some(("Name", value)) => name = Some(value.trim()),
            Some(("Version", value)) => version = Some(value.trim()),
            _ => {}
        }
    }
    let (name, version) = (name?, version?);
    if name.is_empty() || version.is_empty() {
        return None;
    }
    Some(Found {
        system: System::Python,
        name: normalize(name),
        version: version.to_owned(),
        source: None,
        architecture: None,
    })
}

/// The name as PEP 503 normalises it: lower case, runs of `-`, `_` and `.` as one `-`.
pub(crate) fn normalize(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            _ => normal.extend(c.to_lowercase()),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_counts_and_the_description_does_not() {
        let found =
            parse("Metadata-Version: 2.1\nName: Flask_SQL.alchemy\nVersion: 3.0\n\nName: other\n").unwrap();
        assert_eq!((found.name.as_str(), found.version.as_str()), ("flask-sql-alchemy", "3.0"));
        assert!(parse("Name: x\n\nVersion: 1\n").is_none());
    }
}
