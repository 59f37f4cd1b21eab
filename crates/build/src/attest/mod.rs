//! Attestations: what is said of an image, beside it in its index, as BuildKit attaches them.
//!
//! Each image has an attestation manifest of the platform `unknown/unknown`, whose layers are in-toto
//! statements about the image's digest. Secrets and the values of variables that hold credentials are in none
//! of them.

mod definition;
mod provenance;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use wharf_oci::{Descriptor, Digest, MediaType, Platform, Reference};
use wharf_registry::Layout;

use crate::error::StepError;
use crate::result::Image;

pub(crate) use provenance::{Facts, predicate};

/// The media type of a statement.
const STATEMENT: &str = "application/vnd.in-toto+json";
/// The annotation of a statement's descriptor with what it says.
const PREDICATE_TYPE: &str = "in-toto.io/predicate-type";
const SPDX: &str = "https://spdx.dev/Document";

/// What is to be attested.
#[derive(Debug, Clone, Default)]
pub struct Attestations {
    /// How the image was built.
    pub provenance: Option<ProvenanceOptions>,
    /// What is in it.
    pub inventory: Option<Inventory>,
}

impl Attestations {
    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.provenance.is_none() && self.inventory.is_none()
    }
}

/// How much is said of a build, and in which words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenanceOptions {
    /// Arguments, the Dockerfile and the layers of each step, too.
    pub max: bool,
    /// In the words of SLSA 0.2, not 1.
    pub v02: bool,
    /// Who says it.
    pub builder_id: String,
    /// The caller says that the build gives the same image again.
    pub reproducible: bool,
}

/// Makes an SPDX document of an image whose layers are in the store.
#[derive(Clone)]
pub struct Inventory(pub Arc<MakeInventory>);

/// The document of an image, as JSON.
pub type MakeInventory = dyn Fn(&Image) -> Result<Value, String> + Send + Sync;

impl std::fmt::Debug for Inventory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inventory(…)")
    }
}

/// Something that is said of an image.
pub(crate) struct Statement {
    version: &'static str,
    predicate_type: &'static str,
    predicate: Value,
}

impl Statement {
    pub(crate) fn inventory(document: Value) -> Self {
        Self { version: "v0.1", predicate_type: SPDX, predicate: document }
    }

    pub(crate) fn provenance(predicate: Value, options: &ProvenanceOptions) -> Self {
        match options.v02 {
            true => Self { version: "v0.1", predicate_type: "https://slsa.dev/provenance/v0.2", predicate },
            false => Self { version: "v1", predicate_type: "https://slsa.dev/provenance/v1", predicate },
        }
    }

    /// The name of a file of its own, and what comes after the last dot of that.
    pub(crate) fn file_name(&self) -> (&'static str, &'static str) {
        match self.predicate_type {
            SPDX => ("sbom.spdx", "json"),
            _ => ("provenance", "json"),
        }
    }

    /// The statement about `subjects`.
    pub(crate) fn document(&self, subjects: &[Value]) -> Value {
        json!({
            "_type": format!("https://in-toto.io/Statement/{}", self.version),
            "predicateType": self.predicate_type,
            "subject": subjects,
            "predicate": self.predicate,
        })
    }
}

/// Writes the attestation manifest of `image` into the store; the descriptor is for the image's index.
pub(crate) fn write(
    statements: &[Statement],
    image: &Descriptor,
    platform: &Platform,
    names: &[Reference],
    store: &Layout,
) -> Result<Descriptor, StepError> {
    let mut layers = Vec::new();
    let subjects = subjects(&image.digest, platform, names);
    for statement in statements {
        let document = statement.document(&subjects);
        let content = store.put(document.to_string().as_bytes())?;
        let mut layer = content.descriptor(MediaType::from(STATEMENT));
        layer.annotations = [(PREDICATE_TYPE.to_owned(), statement.predicate_type.to_owned())].into();
        layers.push(layer);
    }
    let diff_ids: Vec<&Digest> = layers.iter().map(|layer| &layer.digest).collect();
    let config = json!({
        "architecture": "unknown", "os": "unknown", "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let config = store.put(config.to_string().as_bytes())?.descriptor(MediaType::ImageConfig);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MediaType::ImageManifest, "config": config, "layers": layers,
    });
    let mut descriptor = store.put(manifest.to_string().as_bytes())?.descriptor(MediaType::ImageManifest);
    descriptor.platform = Some(Platform::new("unknown", "unknown", None));
    descriptor.annotations = BTreeMap::from([
        ("vnd.docker.reference.digest".to_owned(), image.digest.to_string()),
        ("vnd.docker.reference.type".to_owned(), "attestation-manifest".to_owned()),
    ]);
    Ok(descriptor)
}

/// The image under each of its names, as package URLs.
fn subjects(digest: &Digest, platform: &Platform, names: &[Reference]) -> Vec<Value> {
    let digests = json!({ digest.algorithm().to_string(): digest.digest() });
    let subject = |name: String| json!({"name": name, "digest": digests});
    match names {
        [] => vec![subject("_".into())],
        names => names.iter().map(|name| subject(package_url(name, None, platform))).collect(),
    }
}

/// `pkg:docker/python@3.11-slim?platform=linux%2Famd64`.
pub(crate) fn package_url(name: &Reference, digest: Option<&Digest>, platform: &Platform) -> String {
    let version = name.tag_or_latest().map(|tag| format!("@{tag}")).unwrap_or_default();
    let digest = digest.map(|digest| format!("digest={digest}&")).unwrap_or_default();
    let platform = platform.to_string().replace('/', "%2F");
    format!("pkg:docker/{}{version}?{digest}platform={platform}", name.familiar_name())
}
