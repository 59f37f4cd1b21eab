//! What a manifest is when nobody, or nobody reliable, says so.

use serde::Deserialize;
use wharf_oci::{MediaType, media};

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Outline {
    media_type: Option<MediaType>,
    manifests: Option<serde::de::IgnoredAny>,
}

/// Whether a document is an index: by its type where that is known, else by having `manifests`.
pub(crate) fn is_index(declared: &MediaType, bytes: &[u8]) -> bool {
    match (media::is_index(declared), media::is_manifest(declared)) {
        (false, false) => media::is_index(&of_document(bytes)),
        (index, _) => index,
    }
}

/// The media type of a document by its own word, else by its shape.
pub(crate) fn of_document(bytes: &[u8]) -> MediaType {
    let outline: Outline = serde_json::from_slice(bytes).unwrap_or_default();
    match outline.media_type {
        Some(media_type) => media_type,
        None if outline.manifests.is_some() => MediaType::ImageIndex,
        None => MediaType::ImageManifest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_without_a_type_is_told_by_its_shape() {
        assert_eq!(of_document(br#"{"manifests":[]}"#), MediaType::ImageIndex);
        assert_eq!(of_document(br#"{"config":{}}"#), MediaType::ImageManifest);
        assert_eq!(of_document(b"not json"), MediaType::ImageManifest);
        assert!(is_index(&MediaType::Other("text/plain".into()), br#"{"manifests":[]}"#));
        assert!(!is_index(&MediaType::ImageManifest, br#"{"manifests":[]}"#));
    }
}
