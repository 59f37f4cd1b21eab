//! What `--metadata-file`, `--iidfile` and `--quiet` say of a build, as buildx says it.

use serde_json::{Map, Value, json};
use wharf_build::{BuildRequest, BuildResult};
use wharf_oci::Reference;

/// The image ID: the config's digest of a lone image, else the digest of the index.
pub(crate) fn id(result: &BuildResult) -> String {
    match result.images.as_slice() {
        [only] if only.descriptor.digest == result.image.digest => only.config_digest.to_string(),
        _ => result.image.digest.to_string(),
    }
}

/// The document.
pub(crate) fn document(request: &BuildRequest, result: &BuildResult) -> Value {
    let mut document = Map::new();
    if let Some(provenance) = &result.provenance {
        document.insert("buildx.build.provenance".into(), provenance.clone());
    }
    let reference = uuid::Uuid::new_v4().simple().to_string();
    document.insert("buildx.build.ref".into(), json!(format!("default/default/{}", &reference[..25])));
    if let Some(manifest) = result.caches.iter().find_map(|cache| cache.manifest.as_ref()) {
        document.insert("cache.manifest".into(), json!(manifest));
    }
    if let [only] = result.images.as_slice()
        && only.descriptor.digest == result.image.digest
    {
        document.insert("containerimage.config.digest".into(), json!(only.config_digest));
    }
    let mut descriptor = result.image.clone();
    if let [only] = result.images.as_slice()
        && only.descriptor.digest == descriptor.digest
    {
        descriptor.platform = Some(only.platform.clone());
    }
    document.insert("containerimage.descriptor".into(), json!(descriptor));
    document.insert("containerimage.digest".into(), json!(result.image.digest));
    if !request.tags.is_empty() {
        let full = |name: &Reference| match (name.tag(), name.digest()) {
            (None, None) => format!("{}:latest", name.canonical()),
            _ => name.canonical(),
        };
        let names: Vec<String> = request.tags.iter().map(full).collect();
        document.insert("image.name".into(), json!(names.join(",")));
    }
    Value::Object(document)
}
