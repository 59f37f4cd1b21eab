//! Python distributions: `*.dist-info/METADATA`, and the forms that `egg-info` comes in.

use super::{Found, System};

/// The distribution that a core-metadata file speaks of (core metadata specification: an e-mail header). Where it is damaged, its
/// directory is named after both.
pub(crate) fn parse(path: &str, text: &str) -> Option<Found> {
    of_header(text).or_else(|| of_directory(path))
}

fn of_directory(path: &str) -> Option<Found> {
    let directory = path.rsplit('/').nth(1)?.strip_suffix(".dist-info")?;
    let (name, version) = directory.split_once('-')?;
    let is_version = version.starts_with(|c: char| c.is_ascii_digit());
    is_version.then(|| Found::new(System::Python, normalize(name), version))
}

fn of_header(text: &str) -> Option<Found> {
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
            of_header("Metadata-Version: 2.1\nName: Flask_SQL.alchemy\nVersion: 3.0\n\nName: other\n")
                .unwrap();
        assert_eq!((found.name.as_str(), found.version.as_str()), ("flask-sql-alchemy", "3.0"));
        assert!(of_header("Name: x\n\nVersion: 1\n").is_none());
        let cut = parse("site/Py_YAML-6.0.dist-info/METADATA", "").unwrap();
        assert_eq!((cut.name.as_str(), cut.version.as_str()), ("py-yaml", "6.0"));
        assert!(parse("site/x.egg-info", "").is_none());
        let licences = |text: &str| of_header(&format!("Name: x\nVersion: 1\n{text}")).unwrap().licences;
        assert_eq!(
            licences("License: BSD\nClassifier: License :: OSI Approved :: MIT License\n"),
            ["MIT License"]
        );
        assert_eq!(licences("License: BSD\nLicense-Expression: MIT OR Apache-2.0\n"), ["MIT OR Apache-2.0"]);
        assert_eq!(licences("License: BSD\n"), ["BSD"]);
    }
}
