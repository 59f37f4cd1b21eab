//! Python distributions: `*.dist-info/METADATA`, and the forms that `egg-info` comes in.

use super::{Found, System};

/// The distribution that a core-metadata file speaks of (core metadata specification: an e-mail header).
pub(crate) fn parse(text: &str) -> Option<Found> {
    let mut name = None;
    let mut version = None;
    let mut licences = Licences::default();
    for line in text.lines().take_while(|line| !line.trim().is_empty()) {
        match line.split_once(':') {
            Some(("Name", value)) => name = Some(value.trim()),
            Some(("Version", value)) => version = Some(value.trim()),
            Some((field, value)) => licences.take(field, value.trim()),
            _ => {}
        }
    }
    let (name, version) = (name?, version?);
    if name.is_empty() || version.is_empty() {
        return None;
    }
    let mut found = Found::new(System::Python, normalize(name), version);
    found.licences = licences.best();
    Some(found)
}

/// The three ways in which metadata has named licences over the years, the newest first.
#[derive(Default)]
struct Licences<'a> {
    expression: Option<&'a str>,
    classifiers: Vec<&'a str>,
    word: Option<&'a str>,
}

impl<'a> Licences<'a> {
    fn take(&mut self, field: &str, value: &'a str) {
        match field {
            "License-Expression" => self.expression = Some(value),
            "Classifier" => self.classifiers.extend(
                value.strip_prefix("License ::").and_then(|rest| rest.rsplit("::").next()).map(str::trim),
            ),
            // Some write the whole text here.
            "License" if !value.is_empty() && value.len() < 100 => self.word = Some(value),
            _ => {}
        }
    }

    fn best(self) -> Vec<String> {
        let said = match (self.expression, self.classifiers, self.word) {
            (Some(expression), ..) => vec![expression],
            (None, classifiers, _) if classifiers.iter().any(|c| *c != "OSI Approved") => classifiers,
            (None, _, word) => word.into_iter().collect(),
        };
        said.into_iter()
            .filter(|text| *text != "UNKNOWN" && *text != "OSI Approved")
            .map(str::to_owned)
            .collect()
    }
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
        let licences = |text: &str| parse(&format!("Name: x\nVersion: 1\n{text}")).unwrap().licences;
        assert_eq!(
            licences("License: BSD\nClassifier: License :: OSI Approved :: MIT License\n"),
            ["MIT License"]
        );
        assert_eq!(licences("License: BSD\nLicense-Expression: MIT OR Apache-2.0\n"), ["MIT OR Apache-2.0"]);
        assert_eq!(licences("License: BSD\n"), ["BSD"]);
    }
}
