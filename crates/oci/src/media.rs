//! Media types beyond the OCI ones, and the questions asked of them.

use oci_spec::image::MediaType;

/// Docker's image manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's manifest list, the ancestor of the OCI index.
pub const DOCKER_MANIFEST_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Docker's image config.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// Docker's uncompressed layer.
pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
/// Docker's gzip layer.
pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// Docker's zstd layer.
pub const DOCKER_LAYER_ZSTD: &str = "application/vnd.docker.image.rootfs.diff.tar.zstd";

/// Every manifest media type that wharf asks registries for, in order of preference.
pub const MANIFESTS: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    DOCKER_MANIFEST_LIST,
    DOCKER_MANIFEST,
];

/// Whether this names a list of manifests rather than one image.
pub fn is_index(media_type: &MediaType) -> bool {
    *media_type == MediaType::ImageIndex || media_type.as_ref() == DOCKER_MANIFEST_LIST
}

/// Whether this names the manifest of one image (or artifact).
pub fn is_manifest(media_type: &MediaType) -> bool {
    *media_type == MediaType::ImageManifest || media_type.as_ref() == DOCKER_MANIFEST
}

/// Whether this names a file-system layer, of either family and any compression.
pub fn is_layer(media_type: &MediaType) -> bool {
    let text = media_type.as_ref();
    text.starts_with("application/vnd.oci.image.layer.")
        || text.starts_with("application/vnd.docker.image.rootfs.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_are_recognised() {
        assert!(is_index(&MediaType::from(DOCKER_MANIFEST_LIST)) && is_index(&MediaType::ImageIndex));
        assert!(is_manifest(&MediaType::from(DOCKER_MANIFEST)) && !is_manifest(&MediaType::ImageIndex));
        assert!(is_layer(&MediaType::ImageLayerZstd) && is_layer(&MediaType::from(DOCKER_LAYER_GZIP)));
        assert!(!is_layer(&MediaType::ImageConfig));
    }
}
