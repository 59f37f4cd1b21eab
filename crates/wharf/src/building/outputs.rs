//! `--output` as docker takes it: `type=oci,dest=FILE,compression=zstd`, a directory, or `-`.

use std::path::{Path, PathBuf};

use wharf_build::{Annotation, BuildRequest, FileOptions, ImageOptions, Output, OutputKind};
use wharf_layer::Family;
use wharf_oci::Reference;

use super::annotations;
use super::fields::Fields;
use crate::exit::{Failure, OrFail};

const KINDS: [&str; 7] = ["image", "registry", "oci", "docker", "tar", "local", "cacheonly"];
/// Options that are taken and that change nothing here: there is one store, and images in it are complete.
const WITHOUT_EFFECT: [&str; 4] = ["unpack", "store", "name-canonical", "dangling-name-prefix"];

/// An image that is to be pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Push {
    /// The output that it is; `None` for the image of the build itself.
    pub(crate) output: Option<usize>,
    /// Its names.
    pub(crate) names: Vec<Reference>,
    /// It gets no tag.
    pub(crate) by_digest: bool,
}

/// Brings every `--output` into the request, and gives what is to be pushed. The first image says how the
/// image in the store is written.
pub(super) fn apply(
    specs: &[String],
    push: bool,
    given: &[Annotation],
    request: &mut BuildRequest,
    warnings: &mut Vec<String>,
) -> Result<Vec<Push>, Failure> {
    let specs = specs.iter().map(|spec| Spec::read(spec)).collect::<Result<Vec<_>, _>>()?;
    let mut pushes = Vec::new();
    let mut first: Option<ImageOptions> = None;
    for (place, spec) in specs.iter().enumerate() {
        let mut image = spec.image()?;
        image.annotations.extend(given.iter().cloned());
        let kind = spec.output()?;
        if kind == OutputKind::Image {
            let names = spec.names()?;
            let by_digest = spec.fields.flag("push-by-digest", false)?;
            let pushed = spec.fields.flag("push", spec.kind == "registry")? || push || by_digest;
            if !by_digest {
                request.tags.extend(
                    names.iter().filter(|name| !request.tags.contains(name)).cloned().collect::<Vec<_>>(),
                );
            }
            if pushed {
                pushes.push(Push { output: Some(place), names, by_digest });
            }
        }
        if first.is_none() && !matches!(kind, OutputKind::CacheOnly) {
            first = Some(image.clone());
        }
        warnings.extend(spec.unknown());
        request.outputs.push(Output { kind, image, files: spec.files()?, names: spec.names()? });
    }
    let is_image = |output: &&Output| output.kind == OutputKind::Image;
    request.image = match request.outputs.iter().find(is_image) {
        Some(output) => output.image.clone(),
        // New layers are best written at once as they are wanted.
        None => ImageOptions {
            compression: first.map(|image| image.compression).unwrap_or_default(),
            annotations: given.to_vec(),
            ..ImageOptions::default()
        },
    };
    if push && pushes.is_empty() {
        pushes.push(Push { output: None, names: Vec::new(), by_digest: false });
    }
    for push in &mut pushes {
        if !push.by_digest {
            push.names.clone_from(&request.tags);
        }
        if push.names.is_empty() {
            return Err(Failure::usage("a push needs a name to push to")
                .hint("say --tag registry.example/org/model:1.2"));
        }
    }
    Ok(pushes)
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
        let fields = Fields::read("--output", spec)?;
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
        let as_tar = self.fields.flag("tar", true)?;
        Ok(match self.kind.as_str() {
            "oci" if !as_tar => match self.fields.get("dest") {
                None | Some("-" | "") => {
                    return Err(self.fields.wrong("tar=false needs a directory: dest=DIR"));
                }
                Some(_) => OutputKind::OciDirectory(self.destination()?),
            },
            "docker" if !as_tar => {
                return Err(self.fields.wrong("tar=false is for type=oci; docker reads archives only"));
            }
            "oci" => OutputKind::Oci(self.destination()?),
            "docker" => OutputKind::Docker(self.destination()?),
            "tar" => OutputKind::Tar(self.destination()?),
            "local" => OutputKind::Local(self.destination()?),
            "cacheonly" => OutputKind::CacheOnly,
            "image" | "registry" => OutputKind::Image,
            other => return Err(self.no_kind(other)),
        })
    }

    fn no_kind(&self, kind: &str) -> Failure {
        let failure = self.fields.wrong(&format!("`{kind}` is none of {}", KINDS.join(", ")));
        let similarity = |name: &&&str| (strsim::jaro_winkler(name, kind) * 1000.0) as u32;
        match KINDS.iter().max_by_key(similarity).filter(|name| similarity(name) > 700) {
            Some(nearest) => failure.hint(format!("did you mean `type={nearest}`?")),
            None => failure,
        }
    }

    fn names(&self) -> Result<Vec<Reference>, Failure> {
        let names = self.fields.get("name").unwrap_or_default().split(',').filter(|name| !name.is_empty());
        names.map(|name| name.parse().or_usage()).collect()
    }

    fn image(&self) -> Result<ImageOptions, Failure> {
        let oci = self.fields.flag("oci-mediatypes", self.kind != "docker")?;
        let annotations = self.fields.all().map(|(key, value)| annotations::of_option(key, value));
        let annotations: Vec<Option<Annotation>> = annotations.collect::<Result<_, _>>()?;
        Ok(ImageOptions {
            compression: self.fields.compression()?.unwrap_or_default(),
            force_compression: self.fields.flag("force-compression", false)?,
            family: if oci { Family::Oci } else { Family::Docker },
            rewrite_timestamp: self.fields.flag("rewrite-timestamp", false)?,
            annotations: annotations.into_iter().flatten().collect(),
        })
    }

    fn files(&self) -> Result<FileOptions, Failure> {
        let split = self.fields.get("platform-split").map(|_| self.fields.flag("platform-split", true));
        Ok(FileOptions {
            platform_split: split.transpose()?,
            attestation_prefix: self.fields.get("attestation-prefix").unwrap_or_default().to_owned(),
        })
    }

    fn unknown(&self) -> Option<String> {
        let mut known = vec![
            "type",
            "dest",
            "name",
            "push",
            "push-by-digest",
            "tar",
            "compression",
            "compression-level",
            "force-compression",
            "rewrite-timestamp",
            "oci-mediatypes",
            "platform-split",
            "attestation-prefix",
        ];
        known.extend(WITHOUT_EFFECT);
        known.extend(self.fields.all().map(|(key, _)| key).filter(|key| key.starts_with("annotation")));
        self.fields.unknown(&known)
    }
}

#[cfg(test)]
mod tests {
    use wharf_build::ContextSource;
    use wharf_layer::Compression;

    use super::*;

    fn request(specs: &[&str]) -> Result<BuildRequest, Failure> {
        let mut request = BuildRequest::new(ContextSource::Empty);
        let specs: Vec<String> = specs.iter().map(|s| (*s).to_owned()).collect();
        apply(&specs, false, &[], &mut request, &mut Vec::new())?;
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
        assert_eq!((image.annotations[0].name.as_str(), image.annotations[0].value.as_str()), ("a", "b"));
        assert_eq!(request(&["type=image,oci-mediatypes=false"]).unwrap().image.family, Family::Docker);
    }

    #[test]
    fn images_are_pushed_under_their_names() {
        let pushes = |specs: &[&str], tags: &[&str], push: bool| {
            let mut request = BuildRequest::new(ContextSource::Empty);
            request.tags = tags.iter().map(|tag| tag.parse().unwrap()).collect();
            let specs: Vec<String> = specs.iter().map(|s| (*s).to_owned()).collect();
            apply(&specs, push, &[], &mut request, &mut Vec::new()).unwrap()
        };
        let one = pushes(&["type=registry"], &["a/b:1"], false);
        assert_eq!((one.len(), one[0].names.len(), one[0].output), (1, 1, Some(0)));
        assert_eq!(pushes(&["type=image,name=a/b:1"], &[], false), []);
        let digest = pushes(&["type=image,name=a/b,push-by-digest=true"], &["c"], false);
        assert!(digest[0].by_digest && digest[0].names == ["a/b".parse().unwrap()]);
        assert_eq!(pushes(&["type=oci,dest=x"], &["a"], true)[0].output, None);
        assert_eq!(pushes(&["type=image", "type=image,compression=zstd"], &["a"], true).len(), 2);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for bad in [
            "dest=x",
            "type=nope,dest=x",
            "type=local",
            "type=oci,compression=lzma",
            "type=oci,force-compression=maybe",
            "type=registry",
            "type=oci,tar=false",
            "type=oci,dest",
            "type=docker,tar=false,dest=x",
            "type=image,name=A B",
        ] {
            assert!(request(&[bad]).is_err(), "{bad}");
        }
    }
}
