//! What `--metadata-file`, `--iidfile` and `--quiet` say of a build, as buildx says it.

use serde_json::{Map, Value, json};
use wharf_build::{BuildRequest, BuildResult, OutputKind};
use wharf_oci::{Descriptor, Reference, media};

/// The image ID: the config's digest of a lone image, else the digest of the index.
pub(crate) fn id(result: &BuildResult) -> String {
    match result.images.as_slice() {
        [only] if only.descriptor.digest == result.image.digest => only.config_digest.to_string(),
        _ => result.image.digest.to_string(),
    }
}

/// The image that the first output with one has, which may be written in another way than that of the store.
fn described<'a>(request: &BuildRequest, result: &'a BuildResult) -> &'a Descriptor {
    let has_image = |kind: &OutputKind| {
        matches!(
            kind,
            OutputKind::Image | OutputKind::Oci(_) | OutputKind::OciDirectory(_) | OutputKind::Docker(_)
        )
    };
    let place = request.outputs.iter().position(|output| has_image(&output.kind));
    place.and_then(|place| result.outputs.get(place)).unwrap_or(&result.image)
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
    let mut image = described(request, result).clone();
    if let [only] = result.images.as_slice()
        && !media::is_index(&image.media_type)
    {
        document.insert("containerimage.config.digest".into(), json!(only.config_digest));
        image.platform = Some(only.platform.clone());
    }
    document.insert("containerimage.descriptor".into(), json!(image));
    document.insert("containerimage.digest".into(), json!(image.digest));
    let mut named: Vec<&Reference> = request.tags.iter().collect();
    if named.is_empty() {
        named = request.outputs.iter().flat_map(|output| &output.names).collect();
    }
    if !named.is_empty() {
        let full = |name: &Reference| match (name.tag(), name.digest()) {
            (None, None) => format!("{}:latest", name.canonical()),
            _ => name.canonical(),
        };
        let names: Vec<String> = named.into_iter().map(full).collect();
        document.insert("image.name".into(), json!(names.join(",")));
    }
    Value::Object(document)
}
