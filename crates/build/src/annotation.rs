//! Annotations and what they are written on.

use std::collections::BTreeMap;

use wharf_oci::Platform;

/// What an annotation is written on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AnnotationLevel {
    /// The manifest of an image.
    Manifest,
    /// What an index says of an image in it.
    ManifestDescriptor,
    /// The index.
    Index,
    /// What an OCI layout says of the index in it.
    IndexDescriptor,
}

/// One annotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// What it is written on.
    pub level: AnnotationLevel,
    /// Only for the image of this platform.
    pub platform: Option<Platform>,
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Annotation {
    /// Annotations of the manifests of all images.
    pub fn of_manifests(map: &BTreeMap<String, String>) -> Vec<Self> {
        let annotation = |(name, value): (&String, &String)| Self {
            level: AnnotationLevel::Manifest,
            platform: None,
            name: name.clone(),
            value: value.clone(),
        };
        map.iter().map(annotation).collect()
    }

    /// Those of `level`, and of the image of `platform` where one is asked about. A later one counts.
    pub fn at(
        annotations: &[Self],
        level: AnnotationLevel,
        platform: Option<&Platform>,
    ) -> BTreeMap<String, String> {
        let concerned = annotations.iter().filter(|annotation| {
            annotation.level == level
                && (annotation.platform.is_none() || annotation.platform.as_ref() == platform)
        });
        concerned.map(|annotation| (annotation.name.clone(), annotation.value.clone())).collect()
    }
}
