//! An entry as OCI documents: an index whose manifests are the record and what the record speaks of.
//!
//! One PUT of the index publishes the entry; the registry checks that the release exists; and a tagged
//! index keeps its children from the registry's garbage collector.

use wharf_oci::{Descriptor, Digest, Index, Manifest, MediaType};

use crate::canonical::canonical_json;
use crate::record::{FORMAT, Record};

/// The artifact type of an entry's index.
pub const ENTRY_TYPE: &str = "application/vnd.wharf.ledger.entry.v1+json";
/// The media type of the record's layer.
pub const RECORD_TYPE: &str = "application/vnd.wharf.ledger.record.v1+json";
/// The content of an empty config (OCI image-spec 1.1, "guidance for an empty descriptor").
const EMPTY_JSON: &[u8] = b"{}";

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
    /// The entry of `record` about `release`, which must be the descriptor of the record's release.
    ///
    /// # Errors
    ///
    /// When the record does not serialise.
    pub fn new(record: Record, release: &Descriptor) -> Result<Self, EntryError> {
        let document = |what| move |source| EntryError::Document { what, source };
        let record_bytes = canonical_json(&record).map_err(document("record"))?;
        let config = Descriptor::of(MediaType::EmptyJSON, EMPTY_JSON);
        let layer = Descriptor::of(RECORD_TYPE, &record_bytes);

        let mut manifest = Manifest::new(config.clone(), vec![layer.clone()]);
        manifest.artifact_type = Some(RECORD_TYPE.into());
        let manifest_bytes = serde_json::to_vec(&manifest).map_err(document("record manifest"))?;
        let mut manifest_descriptor = Descriptor::of(MediaType::ImageManifest, &manifest_bytes);
        manifest_descriptor.artifact_type = Some(RECORD_TYPE.into());

        let mut index = Index::new(vec![manifest_descriptor.clone(), release.clone()]);
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

    /// The manifest of the record inside an entry's index.
    ///
    /// # Errors
    ///
    /// When the document is not the index of an entry.
    pub fn record_manifest(digest: &Digest, index: &[u8]) -> Result<Descriptor, EntryError> {
        let index: Index =
            serde_json::from_slice(index).map_err(|source| EntryError::Document { what: "index", source })?;
        let is_record = |d: &&Descriptor| d.artifact_type == Some(RECORD_TYPE.into());
        match index.manifests.iter().find(is_record) {
            Some(descriptor) if index.artifact_type == Some(ENTRY_TYPE.into()) => Ok(descriptor.clone()),
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::record::{Actor, Commit, Gate, Kind, LogName, Release, Verdict};
    use wharf_oci::digest;

    pub(crate) fn record(seq: u64, parent: Option<Digest>, op_id: &str) -> Record {
        Record {
            v: FORMAT,
            log: LogName::ship(),
            seq,
            parent,
            op_id: op_id.into(),
            kind: Kind::Ship,
            release: Release {
                name: "localhost:5000/myorg/churn".into(),
                version: "1.4.2".into(),
                digest: digest::sha256(b"release"),
                tags: vec!["1.4.2".into()],
            },
            commit: Some(Commit { sha: "a".repeat(40), git_ref: None, dirty: false, source: None }),
            model: None,
            gates: vec![Gate {
                name: "smoke".into(),
                verdict: Verdict::Passed,
                detail: "200 in 1.2s".into(),
            }],
            actor: Actor { name: "robin".into(), run: None },
            time: "2026-01-02T03:04:05Z".into(),
            other: Default::default(),
        }
    }

    #[test]
    fn an_entry_reads_back_step_by_step() {
        let release = Descriptor::of(MediaType::ImageManifest, b"release");
        let entry = Entry::new(record(1, None, "op"), &release).unwrap();
        let manifest = Entry::record_manifest(&entry.index.0.digest, &entry.index.1).unwrap();
        assert_eq!(manifest.digest, entry.manifest.0.digest);
        let blob = Entry::record_blob(&manifest.digest, &entry.manifest.1).unwrap();
        assert_eq!(blob.digest, entry.blobs[1].0.digest);
        assert_eq!(Entry::read_record(&entry.blobs[1].1).unwrap(), entry.record);
    }

    #[test]
    fn an_image_is_not_an_entry_and_a_newer_record_is_not_guessed_at() {
        let index = serde_json::to_vec(&Index::new(vec![])).unwrap();
        assert!(matches!(Entry::record_manifest(&digest::empty(), &index), Err(EntryError::NotAnEntry(_))));
        let mut newer = record(1, None, "op");
        newer.v = FORMAT + 1;
        let bytes = canonical_json(&newer).unwrap();
        assert!(matches!(Entry::read_record(&bytes), Err(EntryError::Newer(_))));
    }
}
