//! Semantic versions as node-semver reads them: blanks around and one leading `v` are allowed.

use std::rc::Rc;

use crate::javascript::trim;
use crate::template::{Object, Value};

/// The longest text that may be a version, in UTF-16 units.
const MAX_LENGTH: usize = 256;
/// The largest integer that JavaScript counts to.
const MAX_NUMBER: u64 = (1 << 53) - 1;

/// A semantic version, with the text that it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Semver {
    raw: String,
    version: semver::Version,
}

impl Semver {
    /// Reads `text`; none where it is not a version.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.encode_utf16().count() > MAX_LENGTH {
            return None;
        }
        let plain = trim(text);
        let version = semver::Version::parse(plain.strip_prefix('v').unwrap_or(plain)).ok()?;
        let counts = [version.major, version.minor, version.patch].iter().all(|&number| number <= MAX_NUMBER);
        counts.then(|| Self { raw: text.to_owned(), version })
    }

    pub(crate) fn is_prerelease(&self) -> bool {
        !self.version.pre.is_empty()
    }

    /// The version without build metadata: `1.2.3-rc.1`.
    pub(crate) fn without_build(&self) -> String {
        semver::Version { build: semver::BuildMetadata::EMPTY, ..self.version.clone() }.to_string()
    }

    /// The fields that patterns may use.
    pub(crate) fn to_value(&self) -> Value {
        let version = &self.version;
        let number = |number: u64| Value::Number(number as f64);
        let parts = |text: &str| {
            let parts = text.split('.').filter(|part| !part.is_empty());
            Value::List(Rc::new(parts.map(Value::text).collect()))
        };
        let fields = vec![
            ("options", Value::object(vec![("loose", Value::Bool(true))])),
            ("loose", Value::Bool(true)),
            ("includePrerelease", Value::Bool(false)),
            ("raw", Value::text(&self.raw)),
            ("major", number(version.major)),
            ("minor", number(version.minor)),
            ("patch", number(version.patch)),
            ("prerelease", parts(version.pre.as_str())),
            ("build", parts(version.build.as_str())),
            ("version", Value::text(&self.without_build())),
        ];
        Value::Object(Rc::new(Object { fields, text: Some(self.without_build()) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_node_semver_reads_is_read_and_nothing_else() {
        for text in
            ["1.2.3", "v1.2.3", " v1.2.3 ", "1.2.3-rc.1+build.5", "0.0.0", "1.2.3--", "9007199254740991.0.0"]
        {
            assert!(Semver::parse(text).is_some(), "{text:?}");
        }
        let too_long = format!("1.2.3-{}", "a".repeat(260));
        for text in [
            "",
            "1",
            "1.2",
            "01.2.3",
            "=1.2.3",
            "vv1.2.3",
            "V1.2.3",
            "1.2.3.4",
            "1.2.3-01",
            "1.2.3-",
            "v 1.2.3",
            "9007199254740992.0.0",
            "1.2.3+",
            &too_long,
        ] {
            assert!(Semver::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn build_metadata_is_no_part_of_the_version() {
        let version = Semver::parse("v1.2.3-rc.1+b7").unwrap();
        assert_eq!(version.without_build(), "1.2.3-rc.1");
        assert!(version.is_prerelease());
    }
}
