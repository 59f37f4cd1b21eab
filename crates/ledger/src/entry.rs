//! An entry as OCI documents: an index whose manifests are the record and what the record speaks of.
//!
//! One PUT of the index publishes the entry; the registry checks that the images exist; and a tagged index
//! keeps its children from the registry's garbage collector. The record travels inside the index too (the
//! `data` of image-spec descriptors), so that one GET reads an entry.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use wharf_oci::{Descriptor, Digest, Index, Manifest, MediaType, digest};

use crate::canonical::canonical_json;
use crate::record::{FORMAT, Record};

/// The artifact type of an entry's index.
pub const ENTRY_TYPE: &str = "application/vnd.wharf.ledger.entry.v1+json";
/// The media type of the record's layer.
pub const RECORD_TYPE: &str = "application/vnd.wharf.ledger.record.v1+json";
/// The content of an empty config (OCI image-spec 1.1, "guidance for an empty descriptor").
const EMPTY_JSON: &[u8] = b"{}";
/// How an artifact's file is called (OCI image-spec 1.1, "pre-defined annotation keys").
const TITLE: &str = "org.opencontainers.image.title";

/// Everything that publishing an entry writes, in that order: blobs, the record's manifest, the index.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The record.
    pub record: Record,
    /// The blobs: the empty config and the record.
    pub blobs: Vec<(Descriptor, Vec<u8>)>,
    /// The record's manifest.
    pub manifest: (Descriptor, Vec<u8>),
    /// The entry itself.
    pub index: (Descriptor, Vec<u8>),
}

/// Why something is not an entry.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// A document is not JSON of the right shape.
    #[error("the {what} of a ledger entry does not read")]
    Document {
        /// Which document.
        what: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The index is something else.
    #[error("{0} is not a ledger entry: its artifact type is not {ENTRY_TYPE}")]
    NotAnEntry(Digest),
    /// The record's format is newer than this wharf.
    #[error("the ledger record has format {0}, and this wharf reads up to format {FORMAT}")]
    Newer(u32),
}

impl Entry {
    /// The entry of `record` with the images that it names: the release, then the rollback target.
    ///
    /// # Errors
    ///
    /// When the record does not serialise.
    pub fn new(record: Record, images: &[Descriptor]) -> Result<Self, EntryError> {
        let document = |what| move |source| EntryError::Document { what, source };
        let record_bytes = canonical_json(&record).map_err(document("record"))?;
        let config = Descriptor::of(MediaType::EmptyJSON, EMPTY_JSON);
        let mut layer = Descriptor::of(RECORD_TYPE, &record_bytes);
        layer.annotations.insert(TITLE.into(), "record.json".into());
        layer.data = Some(BASE64.encode(&record_bytes));

        let mut manifest = Manifest::new(config.clone(), vec![layer.clone()]);
        manifest.artifact_type = Some(RECORD_TYPE.into());
        let manifest_bytes = serde_json::to_vec(&manifest).map_err(document("record manifest"))?;
        let mut manifest_descriptor = Descriptor::of(MediaType::ImageManifest, &manifest_bytes);
        manifest_descriptor.artifact_type = Some(RECORD_TYPE.into());
        let mut first = manifest_descriptor.clone();
        first.data = Some(BASE64.encode(&manifest_bytes));

        let mut children = vec![first];
        for image in images {
            if !children.iter().any(|child| child.digest == image.digest) {
                children.push(image.clone());
            }
        }
        let mut index = Index::new(children);
        index.artifact_type = Some(ENTRY_TYPE.into());
        let index_bytes = serde_json::to_vec(&index).map_err(document("index"))?;
        let index_descriptor = Descriptor::of(MediaType::ImageIndex, &index_bytes);

        Ok(Self {
            record,
            blobs: vec![(config, EMPTY_JSON.to_vec()), (layer, record_bytes)],
            manifest: (manifest_descriptor, manifest_bytes),
            index: (index_descriptor, index_bytes),
        })
    }

    /// What an entry's index names: the record's manifest, and the images.
    ///
    /// # Errors
    ///
    /// When the document is not the index of an entry.
    pub fn parts(digest: &Digest, index: &[u8]) -> Result<(Descriptor, Vec<Descriptor>), EntryError> {
        let index: Index =
            serde_json::from_slice(index).map_err(|source| EntryError::Document { what: "index", source })?;
        let is_entry = index.artifact_type == Some(ENTRY_TYPE.into());
        let (records, images): (Vec<_>, Vec<_>) =
            index.manifests.into_iter().partition(|child| child.artifact_type == Some(RECORD_TYPE.into()));
        match records.into_iter().next() {
            Some(record) if is_entry => Ok((record, images)),
            _ => Err(EntryError::NotAnEntry(digest.clone())),
        }
    }

    /// The record's blob, from the record's manifest.
    ///
    /// # Errors
    ///
    /// When the document is not the manifest of a record.
    pub fn record_blob(digest: &Digest, manifest: &[u8]) -> Result<Descriptor, EntryError> {
        let manifest: Manifest = serde_json::from_slice(manifest)
            .map_err(|source| EntryError::Document { what: "record manifest", source })?;
        let is_record = |d: &Descriptor| d.media_type == RECORD_TYPE.into();
        manifest.layers.into_iter().find(is_record).ok_or_else(|| EntryError::NotAnEntry(digest.clone()))
    }

    /// The record from its blob.
    ///
    /// # Errors
    ///
    /// When it does not read, or is of a newer format.
    pub fn read_record(bytes: &[u8]) -> Result<Record, EntryError> {
        let record: Record = serde_json::from_slice(bytes)
            .map_err(|source| EntryError::Document { what: "record", source })?;
        if record.v > FORMAT { Err(EntryError::Newer(record.v)) } else { Ok(record) }
    }
}

/// The content of `descriptor` where it is embedded and is what it should be.
pub(crate) fn embedded(descriptor: &Descriptor) -> Option<Vec<u8>> {
    let bytes = BASE64.decode(descriptor.data.as_ref()?).ok()?;
    (bytes.len() as u64 == descriptor.size && digest::matches(&descriptor.digest, &bytes)).then_some(bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::name::LogName;
    use crate::record::{Actor, Commit, Gate, Kind, Release, Verdict};

    pub(crate) fn record(seq: u64, parent: Option<Digest>, op_id: &str) -> Record {
        let actor = Actor { name: "robin".into(), run: None };
        let mut record = Record::new(LogName::ship(), Kind::Ship, op_id, actor, "2026-01-02T03:04:05Z");
        record.seq = seq;
        record.parent = parent;
        record.release = Some(Release {
            name: "localhost:5000/myorg/churn".into(),
            version: "1.4.2".into(),
            digest: digest::sha256(b"release"),
            tags: vec!["1.4.2".into()],
        });
        record.commit = Some(Commit { sha: "a".repeat(40), git_ref: None, dirty: false, source: None });
        record.gates =
            vec![Gate { name: "smoke".into(), verdict: Verdict::Passed, detail: "200 in 1.2s".into() }];
        record
    }

    #[test]
    fn an_entry_reads_back_step_by_step() {
        let release = Descriptor::of(MediaType::ImageManifest, b"release");
        let entry = Entry::new(record(1, None, "op"), &[release]).unwrap();
        let manifest = Entry::parts(&entry.index.0.digest, &entry.index.1).unwrap().0;
        assert_eq!(manifest.digest, entry.manifest.0.digest);
        assert_eq!(embedded(&manifest).unwrap(), entry.manifest.1, "the index holds the record's manifest");
        let blob = Entry::record_blob(&manifest.digest, &entry.manifest.1).unwrap();
        assert_eq!(blob.digest, entry.blobs[1].0.digest);
        assert_eq!(embedded(&blob).unwrap(), entry.blobs[1].1);
        let spoilt = Descriptor { data: Some(BASE64.encode(b"something else")), ..blob };
        assert_eq!(embedded(&spoilt), None, "what is embedded counts only if it is what it should be");
        assert_eq!(Entry::read_record(&entry.blobs[1].1).unwrap(), entry.record);
    }

    #[test]
    fn an_image_is_not_an_entry_and_a_newer_record_is_not_guessed_at() {
        let index = serde_json::to_vec(&Index::new(vec![])).unwrap();
        assert!(matches!(Entry::parts(&digest::empty(), &index), Err(EntryError::NotAnEntry(_))));
        let mut newer = record(1, None, "op");
        newer.v = FORMAT + 1;
        let bytes = canonical_json(&newer).unwrap();
        assert!(matches!(Entry::read_record(&bytes), Err(EntryError::Newer(_))));
    }
}
