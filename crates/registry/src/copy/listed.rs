//! Images as the index of a layout or an archive lists them.

use std::collections::HashMap;

use wharf_oci::{Descriptor, Index, Reference};

use crate::layout::REF_NAME;

/// Where containerd and docker keep the full name of an image in an index.
pub(crate) const IMAGE_NAME: &str = "io.containerd.image.name";

/// An image or index, and what it is called where it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The image or index.
    pub descriptor: Descriptor,
    /// Its names: full references, or mere tags.
    pub names: Vec<String>,
}

impl Listed {
    /// What `index` lists, in its order; entries for one digest are one image.
    pub fn in_index(index: &Index) -> Vec<Self> {
        let mut images: Vec<Self> = Vec::new();
        let mut positions = HashMap::new();
        for entry in &index.manifests {
            let annotation = |name: &str| entry.annotations.get(name).cloned();
            let name = annotation(IMAGE_NAME).or_else(|| annotation(REF_NAME));
            let position = *positions.entry(entry.digest.to_string()).or_insert_with(|| {
                let mut descriptor = entry.clone();
                descriptor.annotations.retain(|key, _| key != IMAGE_NAME && key != REF_NAME);
                images.push(Self { descriptor, names: Vec::new() });
                images.len() - 1
            });
            images[position].names.extend(name);
        }
        images
    }

    /// The names that are references; a mere tag is none.
    pub fn references(&self) -> Vec<Reference> {
        let full = self.names.iter().filter(|name| name.contains(':'));
        full.filter_map(|name| name.parse().ok()).collect()
    }

    /// The tags that its names end in.
    pub fn tags(&self) -> Vec<String> {
        let tag = |name: &String| match name.parse::<Reference>() {
            Ok(reference) if name.contains(':') => reference.tag().map(str::to_owned),
            _ => Some(name.clone()),
        };
        self.names.iter().filter_map(tag).collect()
    }

    /// Whether `wanted` is one of its names, in full or as its tag.
    pub fn is_called(&self, wanted: &str) -> bool {
        let reference = wanted.parse::<Reference>().ok();
        self.names.iter().any(|name| {
            name == wanted
                || (name.contains(':') && reference.is_some() && name.parse::<Reference>().ok() == reference)
        }) || self.tags().iter().any(|tag| tag == wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_oci::MediaType;

    #[test]
    fn an_image_has_all_its_names_once() {
        let entry = |name: Option<(&str, &str)>| {
            let mut entry = Descriptor::of(MediaType::ImageManifest, b"x");
            entry.annotations.extend(name.map(|(key, value)| (key.to_owned(), value.to_owned())));
            entry
        };
        let index = Index::new(vec![
            entry(Some((REF_NAME, "v1"))),
            entry(Some((IMAGE_NAME, "docker.io/library/app:v2"))),
            entry(None),
        ]);
        let images = Listed::in_index(&index);
        assert_eq!(images.len(), 1);
        assert_eq!(images[0].names, ["v1", "docker.io/library/app:v2"]);
        assert_eq!(images[0].tags(), ["v1", "v2"]);
        for wanted in ["v1", "v2", "app:v2"] {
            assert!(images[0].is_called(wanted), "{wanted}");
        }
        assert!(!images[0].is_called("v3"));
    }
}
