//! `--output` as docker takes it: `type=oci,dest=FILE,compression=zstd`, a directory, or `-`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wharf_build::{BuildRequest, ImageOptions, Output, OutputKind};
use wharf_layer::Family;

use super::fields::Fields;
use crate::exit::{Failure, OrFail};

/// Brings every `--output` into the request. `type=image` and `type=registry` say how the image in the store
/// is written; whether it is pushed is given back.
pub(super) fn apply(specs: &[String], request: &mut BuildRequest) -> Result<bool, Failure> {
    let mut push = false;
    for spec in specs {
        let spec = Spec::read(spec)?;
        match spec.kind.as_str() {
            "image" | "registry" => {
                push |= spec.fields.flag("push", spec.kind == "registry")?;
                if let Some(names) = spec.fields.get("name") {
                    for name in names.split(',') {
                        request.tags.push(name.parse().or_usage()?);
                    }
                }
                let annotations = std::mem::take(&mut request.image.annotations);
                request.image = spec.image()?;
                request.image.annotations.extend(annotations);
            }
            _ => {
                let mut image = spec.image()?;
                image.annotations.extend(request.image.annotations.clone());
                request.outputs.push(Output { kind: spec.output()?, image });
            }
        }
    }
    Ok(push)
}

/// One output, taken apart.
struct Spec<'a> {
    fields: Fields<'a>,
    kind: String,
}

impl<'a> Spec<'a> {
    fn read(spec: &'a str) -> Result<Self, Failure> {
        if !spec.contains('=') {
            // A bare path is a directory for the files of the image, and `-` a tar of them.
            let kind = if spec == "-" { "tar" } else { "local" };
            return Ok(Self { fields: Fields::of("--output", spec, &[("dest", spec)]), kind: kind.into() });
        }
        let fields = Fields::read("--output", spec);
        let kind = fields.need("type", "type=oci")?.to_owned();
        Ok(Self { fields, kind })
    }

    fn destination(&self) -> Result<PathBuf, Failure> {
        match self.fields.get("dest") {
            Some("-") => Ok("/dev/stdout".into()),
            Some(path) if !path.is_empty() => Ok(Path::new(path).to_owned()),
            _ if matches!(self.kind.as_str(), "oci" | "docker" | "tar") => Ok("/dev/stdout".into()),
            _ => Err(self.fields.wrong("it names no destination: dest=PATH")),
        }
    }

    fn output(&self) -> Result<OutputKind, Failure> {
        Ok(match self.kind.as_str() {
            "oci" if !self.fields.flag("tar", true)? => OutputKind::OciDirectory(self.destination()?),
            "oci" => OutputKind::Oci(self.destination()?),
            "docker" => OutputKind::Docker(self.destination()?),
            "tar" => OutputKind::Tar(self.destination()?),
            "local" => OutputKind::Local(self.destination()?),
            "cacheonly" => OutputKind::CacheOnly,
            other => {
                return Err(self.fields.wrong(&format!(
                    "`{other}` is none of image, registry, oci, docker, tar, local, cacheonly"
                )));
            }
        })
    }

    fn image(&self) -> Result<ImageOptions, Failure> {
        let oci = self.fields.flag("oci-mediatypes", self.kind != "docker")?;
        Ok(ImageOptions {
            compression: self.fields.compression()?.unwrap_or_default(),
            force_compression: self.fields.flag("force-compression", false)?,
            family: if oci { Family::Oci } else { Family::Docker },
            rewrite_timestamp: self.fields.flag("rewrite-timestamp", false)?,
            annotations: self.annotations(),
        })
    }

    /// `annotation.NAME=VALUE`, also for a named level, of which the manifest's is the one that counts here.
    fn annotations(&self) -> BTreeMap<String, String> {
        let named = |key: &str| {
            key.strip_prefix("annotation.")
                .or_else(|| key.strip_prefix("annotation-manifest."))
                .map(str::to_owned)
        };
        self.fields.all().filter_map(|(key, value)| Some((named(key)?, value.to_owned()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use wharf_build::ContextSource;
    use wharf_layer::Compression;

    use super::*;

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
