//! `--output` as docker takes it: `type=oci,dest=FILE,compression=zstd`, a directory, or `-`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wharf_build::{BuildRequest, ImageOptions, Output, OutputKind};
use wharf_layer::{Compression, Family};

use crate::exit::{Failure, OrFail};

/// Brings every `--output` into the request. `type=image` and `type=registry` say how the image in the store
/// is written; whether it is pushed is given back.
pub(super) fn apply(specs: &[String], request: &mut BuildRequest) -> Result<bool, Failure> {
    let mut push = false;
    for spec in specs {
        let fields = Fields::read(spec)?;
        match fields.kind.as_str() {
            "image" | "registry" => {
                push |= fields.kind == "registry" || fields.flag("push")?;
                if let Some(names) = fields.get("name") {
                    for name in names.split(',') {
                        request.tags.push(name.parse().or_usage()?);
                    }
                }
                let annotations = std::mem::take(&mut request.image.annotations);
                request.image = fields.image()?;
                request.image.annotations.extend(annotations);
            }
            _ => {
                let mut image = fields.image()?;
                image.annotations.extend(request.image.annotations.clone());
                request.outputs.push(Output { kind: fields.output()?, image });
            }
        }
    }
    Ok(push)
}

/// One specification, taken apart.
struct Fields<'a> {
    spec: &'a str,
    kind: String,
    values: BTreeMap<String, String>,
}

impl<'a> Fields<'a> {
    fn read(spec: &'a str) -> Result<Self, Failure> {
        if !spec.contains('=') {
            // A bare path is a directory for the files of the image, and `-` a tar of them.
            let kind = if spec == "-" { "tar" } else { "local" };
            let values = [("dest".to_owned(), spec.to_owned())].into();
            return Ok(Self { spec, kind: kind.into(), values });
        }
        let mut values = BTreeMap::new();
        for part in split(spec) {
            let (name, value) = part.split_once('=').unwrap_or((&part, "true"));
            values.insert(name.trim().to_ascii_lowercase(), value.to_owned());
        }
        let kind = values.remove("type").ok_or_else(|| {
            Failure::usage(format!("--output is `{spec}`: it names no type, such as type=oci"))
        })?;
        Ok(Self { spec, kind, values })
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    fn flag(&self, name: &str) -> Result<bool, Failure> {
        match self.get(name) {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(other) => Err(self.wrong(&format!("`{name}` is `{other}`: expected true or false"))),
        }
    }

    fn destination(&self) -> Result<PathBuf, Failure> {
        match self.get("dest") {
            Some("-") => Ok("/dev/stdout".into()),
            Some(path) if !path.is_empty() => Ok(Path::new(path).to_owned()),
            _ if matches!(self.kind.as_str(), "oci" | "docker" | "tar") => Ok("/dev/stdout".into()),
            _ => Err(self.wrong("it names no destination: dest=PATH")),
        }
    }

    fn output(&self) -> Result<OutputKind, Failure> {
        Ok(match self.kind.as_str() {
            "oci" if self.get("tar") == Some("false") => OutputKind::OciDirectory(self.destination()?),
            "oci" => OutputKind::Oci(self.destination()?),
            "docker" => OutputKind::Docker(self.destination()?),
            "tar" => OutputKind::Tar(self.destination()?),
            "local" => OutputKind::Local(self.destination()?),
            "cacheonly" => OutputKind::CacheOnly,
            other => {
                return Err(self.wrong(&format!(
                    "`{other}` is none of image, registry, oci, docker, tar, local, cacheonly"
                )));
            }
        })
    }

    fn image(&self) -> Result<ImageOptions, Failure> {
        let level = match self.get("compression-level") {
            Some(text) => Some(
                text.parse::<i32>()
                    .map_err(|_| self.wrong(&format!("the level is `{text}`, which is no number")))?,
            ),
            None => None,
        };
        let compression = match self.get("compression") {
            None | Some("gzip") => {
                Compression::Gzip { level: level.and_then(|l| u32::try_from(l).ok()).unwrap_or(6) }
            }
            Some("uncompressed") => Compression::None,
            Some("zstd") => Compression::Zstd { level: level.unwrap_or(3) },
            Some(other) => return Err(self.wrong(&format!("wharf does not write `{other}` layers"))),
        };
        let docker = self.get("oci-mediatypes") == Some("false")
            || (self.kind == "docker" && !self.flag("oci-mediatypes")?);
        Ok(ImageOptions {
            compression,
            force_compression: self.flag("force-compression")?,
            family: if docker { Family::Docker } else { Family::Oci },
            rewrite_timestamp: self.flag("rewrite-timestamp")?,
            annotations: self.annotations(),
        })
    }

    /// `annotation.NAME=VALUE`, also for a named level, of which the manifest's is the one that counts here.
    fn annotations(&self) -> BTreeMap<String, String> {
        let named = |key: &String| {
            key.strip_prefix("annotation.")
                .or_else(|| key.strip_prefix("annotation-manifest."))
                .map(str::to_owned)
        };
        self.values.iter().filter_map(|(key, value)| Some((named(key)?, value.clone()))).collect()
    }

    fn wrong(&self, why: &str) -> Failure {
        Failure::usage(format!("--output is `{}`: {why}", self.spec))
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
    use wharf_build::ContextSource;

    fn request(specs: &[&str]) -> Result<BuildRequest, Failure> {
        let mut request = BuildRequest::new(ContextSource::Empty);
        apply(&specs.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>(), &mut request)?;
        Ok(request)
    }

    #[test]
    fn destinations_and_kinds_are_dockers() {
        let kind = |spec: &str| request(&[spec]).unwrap().outputs[0].kind.clone();
        assert_eq!(kind("type=oci,dest=/tmp/x.tar"), OutputKind::Oci("/tmp/x.tar".into()));
        assert_eq!(kind("type=oci,dest=/tmp/x,tar=false"), OutputKind::OciDirectory("/tmp/x".into()));
        assert_eq!(kind("out"), OutputKind::Local("out".into()));
        assert_eq!(kind("-"), OutputKind::Tar("/dev/stdout".into()));
        assert_eq!(kind("type=docker"), OutputKind::Docker("/dev/stdout".into()));
    }

    #[test]
    fn options_reach_the_image() {
        let output =
            request(&["type=oci,dest=x,compression=zstd,compression-level=9,annotation.a=b"]).unwrap();
        let image = &output.outputs[0].image;
        assert_eq!(image.compression, Compression::Zstd { level: 9 });
        assert_eq!(image.annotations["a"], "b");
        assert_eq!(request(&["type=image,oci-mediatypes=false"]).unwrap().image.family, Family::Docker);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for bad in [
            "dest=x",
            "type=nope,dest=x",
            "type=local",
            "type=oci,compression=lzma",
            "type=oci,force-compression=maybe",
        ] {
            assert!(request(&[bad]).is_err(), "{bad}");
        }
    }
}
