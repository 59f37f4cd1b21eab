//! Options that are written as a line of `name=value`, separated by commas: `type=oci,dest=FILE`.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use wharf_layer::Compression;

use crate::exit::Failure;

/// One specification, taken apart.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    flag: &'static str,
    spec: &'a str,
    values: BTreeMap<String, String>,
}

impl<'a> Fields<'a> {
    /// Reads what was given to `flag`.
    pub(super) fn read(flag: &'static str, spec: &'a str) -> Result<Self, Failure> {
        let mut values = BTreeMap::new();
        for part in split(spec).iter().filter(|part| !part.is_empty()) {
            let Some((name, value)) = part.split_once('=') else {
                return Err(Failure::usage(format!(
                    "{flag} is `{spec}`: `{part}` lacks its value, as in {part}=…"
                )));
            };
            // The names of annotations are the caller's own.
            let name = match name.trim() {
                name if name.starts_with("annotation") => name.to_owned(),
                name => name.to_ascii_lowercase(),
            };
            values.insert(name, value.to_owned());
        }
        Ok(Self { flag, spec, values })
    }

    /// A specification that consists of `values`, whatever was typed.
    pub(super) fn of(flag: &'static str, spec: &'a str, values: &[(&str, &str)]) -> Self {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self { flag, spec, values: values.collect() }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The options as a builder elsewhere takes them, which knows more of them; `kind` is said apart.
    pub(super) fn entry(&self, kind: &str) -> wharf_buildkit::Entry {
        let options = self.values.iter().filter(|(name, _)| *name != "type");
        let options = options.map(|(name, value)| (name.clone(), value.clone())).collect();
        wharf_buildkit::Entry { kind: kind.to_owned(), options }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A value that must be there and not empty; `example` says what it looks like.
    pub(super) fn need(&self, name: &str, example: &str) -> Result<&str, Failure> {
        let value = self.get(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| self.wrong(&format!("it names no `{name}`, such as {example}")))
    }

    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, Failure> {
        match self.get(name) {
            None => Ok(default),
            Some("false" | "0") => Ok(false),
            Some("true" | "1" | "") => Ok(true),
            Some(other) => Err(self.wrong(&format!("`{name}` is `{other}`: expected true or false"))),
        }
    }

    /// A value that is written as a `T`.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, Failure> {
        let parse =
            |text: &str| text.parse().map_err(|error| self.wrong(&format!("`{name}` is `{text}`: {error}")));
        self.get(name).map(parse).transpose()
    }

    /// `compression` and `compression-level`; `None` where neither is given.
    pub(super) fn compression(&self) -> Result<Option<Compression>, Failure> {
        let level = self.parsed::<i32>("compression-level")?;
        let within = |lowest: i32, highest: i32, default: i32| match level {
            None => Ok(default),
            Some(level) if (lowest..=highest).contains(&level) => Ok(level),
            Some(level) => Err(self.wrong(&format!(
                "`compression-level` is {level}: expected {lowest} to {highest} for this compression"
            ))),
        };
        Ok(Some(match self.get("compression") {
            None if level.is_none() => return Ok(None),
            None | Some("gzip") => {
                // BuildKit takes up to 22 for all compressions; beyond what gzip knows is its best.
                let level = within(0, 22, 6)?.min(9);
                Compression::Gzip { level: u32::try_from(level).unwrap_or(6) }
            }
            Some("uncompressed") => Compression::None,
            Some("zstd") => Compression::Zstd { level: within(0, 22, 3)?.max(1) },
            Some("estargz") => {
                return Err(self
                    .wrong("wharf does not write estargz layers: they are for lazy pulling by a snapshotter")
                    .hint("compression=gzip is read wherever estargz is; compression=zstd is smaller"));
            }
            Some(other) => {
                return Err(
                    self.wrong(&format!("`compression` is `{other}`: expected gzip, zstd or uncompressed"))
                );
            }
        }))
    }

    /// Those that are none of `known`, for a warning.
    pub(super) fn unknown(&self, known: &[&str]) -> Option<String> {
        let unknown: Vec<&str> =
            self.values.keys().map(String::as_str).filter(|name| !known.contains(name)).collect();
        match unknown.as_slice() {
            [] => None,
            names => Some(format!("{} `{}`: wharf knows no `{}`", self.flag, self.spec, names.join("`, `"))),
        }
    }

    pub(super) fn wrong(&self, why: &str) -> Failure {
        Failure::usage(format!("{} is `{}`: {why}", self.flag, self.spec))
    }
}

/// Splits at commas, but for those in double quotes, as a line of CSV.
fn split(spec: &str) -> Vec<String> {
    let (mut parts, mut part, mut quoted) = (Vec::new(), String::new(), false);
    for c in spec.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => parts.push(std::mem::take(&mut part)),
            c => part.push(c),
        }
    }
    parts.push(part);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_keep_commas_together() {
        assert_eq!(split(r#"type=image,"name=a,b",push=true"#), ["type=image", "name=a,b", "push=true"]);
        let fields = Fields::read("--output", r#"type=image,"name=a,b",push=1"#).unwrap();
        assert_eq!(fields.get("name"), Some("a,b"));
        assert!(fields.flag("push", false).unwrap());
        assert!(Fields::read("--output", "type=oci,dest").is_err());
    }

    #[test]
    fn levels_are_those_of_the_compression() {
        let read = |spec: &str| Fields::read("--output", spec)?.compression();
        assert_eq!(read("type=oci").unwrap(), None);
        assert_eq!(
            read("compression=zstd,compression-level=19").unwrap(),
            Some(Compression::Zstd { level: 19 })
        );
        assert_eq!(read("compression-level=1").unwrap(), Some(Compression::Gzip { level: 1 }));
        assert_eq!(
            read("compression=gzip,compression-level=20").unwrap(),
            Some(Compression::Gzip { level: 9 })
        );
        for bad in
            ["compression=lzma", "compression=estargz", "compression-level=high", "compression-level=23"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
