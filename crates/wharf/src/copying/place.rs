//! Where images are, in the words of skopeo and podman: `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]`,
//! `docker-archive:FILE[:NAME]`, `docker://NAME`, or a plain name for a registry.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use wharf_oci::Reference;

/// A place that an image is copied from or to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A repository of a registry, and which image of it.
    Registry(Reference),
    /// An OCI layout in a directory.
    Layout { path: PathBuf, name: Option<String> },
    /// An archive, and who is to read it.
    Archive { format: Format, path: PathBuf, name: Option<String> },
}

/// The two formats of archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// What `docker load` reads: images for one platform each.
    #[value(name = "docker-archive")]
    Docker,
    /// An OCI layout in a tar: whole indexes, too.
    #[value(name = "oci-archive")]
    Oci,
}

impl Place {
    /// Whether it names one image, and not a place for several.
    pub(crate) fn is_one_image(&self) -> bool {
        match self {
            Self::Registry(reference) => reference.tag().is_some() || reference.digest().is_some(),
            Self::Layout { name, .. } | Self::Archive { name, .. } => name.is_some(),
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let split = |rest: &str| {
            let (path, name) = match rest.split_once(':') {
                Some((path, name)) => (path, Some(name.to_owned())),
                None => (rest, None),
            };
            match (path, name.as_deref()) {
                ("", _) => Err(format!("`{text}` names no path")),
                (_, Some("")) => Err(format!("`{text}` ends in a colon, and no name follows")),
                _ => Ok((PathBuf::from(path), name)),
            }
        };
        let archive = |format, rest: &str| {
            let (path, name) = split(rest)?;
            Ok(Self::Archive { format, path, name })
        };
        match text.split_once(':') {
            Some(("oci", rest)) => {
                let (path, name) = split(rest)?;
                Ok(Self::Layout { path, name })
            }
            Some(("oci-archive", rest)) => archive(Format::Oci, rest),
            Some(("docker-archive", rest)) => archive(Format::Docker, rest),
            Some(("dir" | "docker-daemon" | "containers-storage" | "ostree" | "sif", _)) => Err(format!(
                "`{text}` is a place that wharf does not know: it copies from and to registries, `oci:DIR`, \
                 `oci-archive:FILE` and `docker-archive:FILE`"
            )),
            _ => {
                let name = text.strip_prefix("docker://").unwrap_or(text);
                name.parse().map(Self::Registry).map_err(|error: wharf_oci::ReferenceError| error.to_string())
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, path, name) = match self {
            Self::Registry(reference) => return write!(f, "{reference}"),
            Self::Layout { path, name } => ("oci", path, name),
            Self::Archive { format: Format::Oci, path, name } => ("oci-archive", path, name),
            Self::Archive { format: Format::Docker, path, name } => ("docker-archive", path, name),
        };
        write!(f, "{word}:{}", path.display())?;
        name.iter().try_for_each(|name| write!(f, ":{name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn places_are_read_as_skopeo_reads_them() {
        for text in [
            "oci:dir",
            "oci:/tmp/dir:v1",
            "oci-archive:/tmp/x.tar",
            "docker-archive:x.tar:library/app:v1",
            "ghcr.io/org/app:v1",
            "localhost:5000/app:latest",
        ] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        assert_eq!("docker://python:3".parse::<Place>(), "python:3".parse::<Place>());
        // A repository may be called like a format.
        assert!(matches!("oci/app:v1".parse(), Ok(Place::Registry(_))));
        for bad in ["oci:", "oci:dir:", "docker-daemon:app:v1", "docker://", "UPPER", "oci-archive::v1"] {
            assert!(bad.parse::<Place>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_place_is_too_odd(text in "(oci|oci-archive|docker-archive|docker|:|/|\\PC){0,8}") {
            let _ = text.parse::<Place>();
        }
    }
}
