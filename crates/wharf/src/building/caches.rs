//! `--cache-from` and `--cache-to` as docker takes them.

use std::path::PathBuf;

use wharf_build::{BuildRequest, CachePlace, CacheSource, CacheTarget};
use wharf_buildkit::Entry;
use wharf_oci::Reference;

use super::fields::Fields;
use crate::exit::{Failure, OrFail};

const TYPES: [&str; 6] = ["registry", "local", "inline", "gha", "s3", "azblob"];

/// The flags.
#[derive(Debug, clap::Args)]
pub(crate) struct CacheFlags {
    /// Find steps in this cache: a name at a registry, `type=registry,ref=NAME` or `type=local,src=DIR`
    #[arg(long, value_name = "SPEC")]
    cache_from: Vec<String>,
    /// Write a cache: `type=registry,ref=NAME[,mode=max]`, `type=local,dest=DIR` or `type=inline`
    #[arg(long, value_name = "SPEC")]
    cache_to: Vec<String>,
}

impl CacheFlags {
    /// Brings the caches into the request. What is not possible here is a warning, as the build does not need it.
    pub(super) fn apply(
        &self,
        request: &mut BuildRequest,
        warnings: &mut Vec<String>,
    ) -> Result<(), Failure> {
        for spec in self.cache_from.iter().filter(|spec| !spec.is_empty()) {
            let fields = read("--cache-from", spec)?;
            request.cache_from.extend(source(&fields, warnings)?);
        }
        for spec in self.cache_to.iter().filter(|spec| !spec.is_empty()) {
            let fields = read("--cache-to", spec)?;
            request.cache_to.extend(target(&fields, warnings)?);
        }
        Ok(())
    }
}

impl CacheFlags {
    /// The caches as a builder elsewhere is told of them: it knows services that wharf does not speak to.
    pub(super) fn verbatim(&self) -> Result<(Vec<Entry>, Vec<Entry>), Failure> {
        let entries = |flag: &'static str, specs: &[String]| {
            let given = specs.iter().filter(|spec| !spec.is_empty());
            let entry = |spec: &String| {
                let fields = read(flag, spec)?;
                Ok::<_, Failure>(fields.entry(kind(&fields)?))
            };
            given.map(entry).collect::<Result<Vec<_>, _>>()
        };
        Ok((entries("--cache-from", &self.cache_from)?, entries("--cache-to", &self.cache_to)?))
    }
}

/// A bare name is a cache at a registry.
fn read<'a>(flag: &'static str, spec: &'a str) -> Result<Fields<'a>, Failure> {
    match spec.contains('=') {
        true => Fields::read(flag, spec),
        false => Ok(Fields::of(flag, spec, &[("type", "registry"), ("ref", spec)])),
    }
}

fn source(fields: &Fields<'_>, warnings: &mut Vec<String>) -> Result<Option<CacheSource>, Failure> {
    let source = match kind(fields)? {
        // An inline cache is read from the image that it is in.
        "registry" | "inline" => CacheSource::Registry(reference(fields)?),
        "local" => CacheSource::Local {
            path: PathBuf::from(fields.need("src", "src=DIR")?),
            tag: fields.get("tag").unwrap_or("latest").to_owned(),
            digest: fields.parsed("digest")?,
        },
        service => {
            warnings.push(no_service(service));
            return Ok(None);
        }
    };
    let known = ["type", "ref", "src", "tag", "digest", "mode", "registry.insecure"];
    warnings.extend(fields.unknown(&known));
    Ok(Some(source))
}

fn target(fields: &Fields<'_>, warnings: &mut Vec<String>) -> Result<Option<CacheTarget>, Failure> {
    let place = match kind(fields)? {
        "registry" => CachePlace::Registry(reference(fields)?),
        "local" => CachePlace::Local {
            path: PathBuf::from(fields.need("dest", "dest=DIR")?),
            tag: fields.get("tag").unwrap_or("latest").to_owned(),
        },
        "inline" => CachePlace::Inline,
        service => {
            warnings.push(no_service(service));
            return Ok(None);
        }
    };
    let all_stages = match fields.get("mode") {
        None | Some("min" | "") => false,
        Some("max") => true,
        Some(other) => return Err(fields.wrong(&format!("`mode` is `{other}`: expected min or max"))),
    };
    if all_stages && place == CachePlace::Inline {
        warnings.push("an inline cache holds the layers of its image only: mode=min it is".into());
    }
    let oci_media_types = fields.flag("oci-mediatypes", true)?;
    let image_manifest = fields.flag("image-manifest", oci_media_types)?;
    if image_manifest && !oci_media_types {
        return Err(fields.wrong("image-manifest=true needs oci-mediatypes=true"));
    }
    // Taken, and without effect: a cache that cannot be written never fails a build.
    fields.flag("ignore-error", false)?;
    let known = [
        "type",
        "ref",
        "dest",
        "tag",
        "mode",
        "image-manifest",
        "oci-mediatypes",
        "compression",
        "compression-level",
        "force-compression",
        "ignore-error",
        "registry.insecure",
    ];
    warnings.extend(fields.unknown(&known));
    Ok(Some(CacheTarget {
        place,
        all_stages,
        image_manifest,
        oci_media_types,
        compression: fields.compression()?,
        force_compression: fields.flag("force-compression", false)?,
    }))
}

fn kind<'a>(fields: &'a Fields<'_>) -> Result<&'a str, Failure> {
    let kind = fields.need("type", "type=registry")?;
    if TYPES.contains(&kind) {
        return Ok(kind);
    }
    let failure = fields.wrong(&format!("`{kind}` is none of {}", TYPES.join(", ")));
    let similarity = |name: &&&str| (strsim::jaro_winkler(name, kind) * 1000.0) as u32;
    Err(match TYPES.iter().max_by_key(similarity).filter(|name| similarity(name) > 700) {
        Some(nearest) => failure.hint(format!("did you mean `type={nearest}`?")),
        None => failure,
    })
}

fn reference(fields: &Fields<'_>) -> Result<Reference, Failure> {
    fields.need("ref", "ref=registry.example/app:cache")?.parse().or_usage()
}

fn no_service(kind: &str) -> String {
    let service = match kind {
        "gha" => "GitHub's cache service",
        "s3" => "S3",
        _ => "Azure's blob storage",
    };
    format!(
        "the cache type={kind} is passed over: wharf does not speak to {service}; type=registry with a ref works everywhere"
    )
}

#[cfg(test)]
mod tests {
    use wharf_build::ContextSource;
    use wharf_layer::Compression;

    use super::*;

    fn apply(from: &[&str], to: &[&str]) -> Result<(BuildRequest, Vec<String>), Failure> {
        let owned = |specs: &[&str]| specs.iter().map(|spec| (*spec).to_owned()).collect();
        let flags = CacheFlags { cache_from: owned(from), cache_to: owned(to) };
        let (mut request, mut warnings) = (BuildRequest::new(ContextSource::Empty), Vec::new());
        flags.apply(&mut request, &mut warnings)?;
        Ok((request, warnings))
    }

    #[test]
    fn a_bare_name_is_a_registry() {
        let (request, warnings) =
            apply(&["user/app:cache", "type=local,src=c"], &["user/app:cache"]).unwrap();
        assert_eq!(warnings, [""; 0]);
        assert_eq!(request.cache_from[0], CacheSource::Registry("user/app:cache".parse().unwrap()));
        assert_eq!(
            request.cache_from[1],
            CacheSource::Local { path: "c".into(), tag: "latest".into(), digest: None }
        );
        let target = &request.cache_to[0];
        assert!(target.image_manifest && target.oci_media_types && !target.all_stages);
        assert_eq!(target.compression, None);
    }

    #[test]
    fn options_are_buildkits() {
        let spec = "type=registry,ref=a/b:c,mode=max,oci-mediatypes=false,compression=zstd,force-compression=true,ignore-error=true";
        let (request, warnings) = apply(&[], &[spec]).unwrap();
        assert_eq!(warnings, [""; 0]);
        let target = &request.cache_to[0];
        assert!(target.all_stages && target.force_compression);
        assert!(!target.image_manifest && !target.oci_media_types);
        assert_eq!(target.compression, Some(Compression::Zstd { level: 3 }));
    }

    #[test]
    fn what_cannot_be_is_said() {
        let (request, warnings) =
            apply(&["type=gha,scope=x"], &["type=gha,mode=max", "type=inline,mode=max"]).unwrap();
        assert_eq!((request.cache_from.len(), request.cache_to.len()), (0, 1));
        assert!(warnings[0].contains("GitHub"), "{warnings:?}");
        assert_eq!(warnings.len(), 3);
        for bad in [
            "type=registry",
            "type=local",
            "type=regsitry,ref=a",
            "ref=a",
            "type=registry,ref=a,mode=all",
            "type=registry,ref=A B",
            "type=registry,ref=a,image-manifest=true,oci-mediatypes=false",
            "type=registry,ref=a,compression=lzma",
        ] {
            assert!(apply(&[], &[bad]).is_err(), "{bad}");
        }
    }
}
