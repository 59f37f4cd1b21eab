//! Annotations as docker takes them: `[LEVEL[[PLATFORM]][,…]:]NAME=VALUE`.

use wharf_build::{Annotation, AnnotationLevel};
use wharf_oci::Platform;

use crate::exit::Failure;

const LEVELS: [(&str, AnnotationLevel); 4] = [
    ("manifest", AnnotationLevel::Manifest),
    ("manifest-descriptor", AnnotationLevel::ManifestDescriptor),
    ("index", AnnotationLevel::Index),
    ("index-descriptor", AnnotationLevel::IndexDescriptor),
];

/// What one `--annotation` asks for: several levels give several.
pub(super) fn of_flag(spec: &str) -> Result<Vec<Annotation>, Failure> {
    let wrong = |why: &str| Failure::usage(format!("--annotation is `{spec}`: {why}"));
    let (left, value) = spec
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| wrong("expected NAME=VALUE"))?;
    let (places, name) = left.split_once(':').map_or((None, left), |(places, name)| (Some(places), name));
    if name.is_empty() {
        return Err(wrong("it has no name"));
    }
    let places: Vec<&str> = places.map_or_else(|| vec!["manifest"], |places| places.split(',').collect());
    places
        .into_iter()
        .map(|place| {
            let (level, platform) = read_place(place.trim()).map_err(|why| wrong(&why))?;
            Ok(Annotation { level, platform, name: name.to_owned(), value: value.to_owned() })
        })
        .collect()
}

/// What `annotation-index.NAME=VALUE` among the options of an output asks for; `None` for another option.
pub(super) fn of_option(key: &str, value: &str) -> Result<Option<Annotation>, Failure> {
    let Some(rest) = key.strip_prefix("annotation") else { return Ok(None) };
    let end = rest.find(']').map_or(0, |end| end + 1);
    let Some(dot) = rest[end..].find('.').map(|dot| end + dot) else { return Ok(None) };
    let (place, name) = (&rest[..dot], &rest[dot + 1..]);
    let place = place.strip_prefix('-').map_or_else(|| format!("manifest{place}"), str::to_owned);
    let (level, platform) =
        read_place(&place).map_err(|why| Failure::usage(format!("--output has `{key}`: {why}")))?;
    Ok(Some(Annotation { level, platform, name: name.to_owned(), value: value.to_owned() }))
}

/// `index` or `manifest[linux/amd64]`.
fn read_place(place: &str) -> Result<(AnnotationLevel, Option<Platform>), String> {
    let (name, platform) = match place.split_once('[') {
        Some((name, rest)) => {
            let text = rest.strip_suffix(']').ok_or_else(|| format!("`{place}` lacks its `]`"))?;
            (name, Some(text.parse::<Platform>().map_err(|error| error.to_string())?))
        }
        None => (place, None),
    };
    let level = LEVELS.iter().find(|(known, _)| *known == name).map(|(_, level)| *level);
    let unknown = || format!("`{name}` is none of manifest, manifest-descriptor, index, index-descriptor");
    Ok((level.ok_or_else(unknown)?, platform))
}

/// All that the flags ask for.
pub(super) fn of_flags(specs: &[String]) -> Result<Vec<Annotation>, Failure> {
    let annotations: Vec<Vec<Annotation>> =
        specs.iter().map(|spec| of_flag(spec)).collect::<Result<_, _>>()?;
    Ok(annotations.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(annotations: &[Annotation]) -> Vec<String> {
        annotations
            .iter()
            .map(|a| {
                let platform = a.platform.as_ref().map(|p| format!("[{p}]")).unwrap_or_default();
                format!("{:?}{platform} {}={}", a.level, a.name, a.value)
            })
            .collect()
    }

    #[test]
    fn levels_and_platforms_stand_before_the_name() {
        assert_eq!(shown(&of_flag("a.b=c=d").unwrap()), ["Manifest a.b=c=d"]);
        assert_eq!(
            shown(&of_flag("index,manifest[linux/arm64]:a=b:c").unwrap()),
            ["Index a=b:c", "Manifest[linux/arm64] a=b:c"]
        );
        for bad in ["a", "=b", "nope:a=b", "index:=b", "manifest[linux/arm64:a=b", "manifest[]:a=b"] {
            assert!(of_flag(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn outputs_name_the_level_in_the_option() {
        let read = |key: &str| of_option(key, "v").unwrap().map(|a| shown(&[a]).remove(0));
        assert_eq!(read("annotation.Org.x").as_deref(), Some("Manifest Org.x=v"));
        assert_eq!(read("annotation-index.a").as_deref(), Some("Index a=v"));
        assert_eq!(
            read("annotation-manifest-descriptor[linux/amd64].a").as_deref(),
            Some("ManifestDescriptor[linux/amd64] a=v")
        );
        assert_eq!(read("annotation[linux/amd64].a.b").as_deref(), Some("Manifest[linux/amd64] a.b=v"));
        assert_eq!(read("compression"), None);
        assert!(of_option("annotation-nope.a", "v").is_err());
    }
}
