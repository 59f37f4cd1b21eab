//! What a registry knows of a release: its manifest, and from the log of ships, or else from its labels, which
//! version, commit and model it is.

use std::collections::BTreeMap;

use anyhow::anyhow;
use wharf_ledger::{Commit, Gate, Latest, LogName, Model, Release};
use wharf_oci::{Descriptor, Digest, ImageConfig, Platform, digest};
use wharf_registry::{Document, Name, Parsed, Store};

use super::failure::unreadable;
use super::place::{Place, Wanted};
use crate::commands::registry_failure;
use crate::exit::{Exit, Failure};

/// How far back the log of ships is read for a release.
const SHIPS: usize = 200;
/// A config larger than this is none.
const CONFIG_MAX: u64 = 8 << 20;

/// A release, as far as its registry knows it.
pub(crate) struct Described {
    /// Name, version, digest, tags.
    pub(crate) release: Release,
    /// Its manifest or index, as stored.
    pub(crate) document: Document,
    /// What it was built from.
    pub(crate) commit: Option<Commit>,
    /// The model inside.
    pub(crate) model: Option<Model>,
    /// What was checked when it was shipped.
    pub(crate) gates: Vec<Gate>,
    /// When it was shipped.
    pub(crate) shipped: Option<String>,
}

impl Described {
    pub(crate) fn descriptor(&self) -> Descriptor {
        self.document.descriptor.clone()
    }
}

/// The newest entries of the log of ships, newest first.
pub(crate) async fn ships(store: &dyn Store) -> Result<Vec<Latest>, Failure> {
    let log = LogName::ship();
    match wharf_ledger::latest(store, &log).await.map_err(unreadable)? {
        Some(newest) => wharf_ledger::history(store, &log, &newest, SHIPS).await.map_err(unreadable),
        None => Ok(Vec::new()),
    }
}

/// The release that was asked for; an error where the registry has none.
pub(crate) async fn describe(place: &Place, wanted: &Wanted) -> Result<Described, Failure> {
    let store = place.store.as_ref();
    let ships = ships(store).await?;
    let Some((document, tag)) = find(store, wanted, &ships).await? else {
        return Err(Failure::new(Exit::Usage, anyhow!("{} has no release `{wanted}`", place.name())).hint(
            format!("what was shipped there: wharf log {}; what is there: a list of its tags", place.name()),
        ));
    };
    from_document(place, document, tag, &ships).await
}

async fn find(
    store: &dyn Store,
    wanted: &Wanted,
    ships: &[Latest],
) -> Result<Option<(Document, Option<String>)>, Failure> {
    let name = match wanted {
        Wanted::Digest(digest) => {
            return Ok(by_digest(store, digest).await?.map(|document| (document, None)));
        }
        Wanted::Name(name) => name,
    };
    let other = name.strip_prefix('v').map_or_else(|| format!("v{name}"), str::to_owned);
    for tag in [name, &other] {
        if !wharf_oci::is_valid_tag(tag) {
            continue;
        }
        if let Some(document) = store.manifest(Name::Tag(tag)).await.map_err(registry_failure)? {
            return Ok(Some((document, Some(tag.clone()))));
        }
    }
    let shipped = ships.iter().filter_map(|ship| ship.record.release.as_ref()).find(|release| {
        release.version == *name
            || release.version == other
            || (name.len() >= 6 && release.digest.digest().starts_with(name.as_str()))
    });
    match shipped {
        Some(release) => Ok(by_digest(store, &release.digest).await?.map(|document| (document, None))),
        None => Ok(None),
    }
}

async fn by_digest(store: &dyn Store, digest: &Digest) -> Result<Option<Document>, Failure> {
    store.manifest(Name::Digest(digest)).await.map_err(registry_failure)
}

async fn from_document(
    place: &Place,
    document: Document,
    tag: Option<String>,
    ships: &[Latest],
) -> Result<Described, Failure> {
    let digest = document.descriptor.digest.clone();
    let ship = ships.iter().find(|ship| ship.record.release.as_ref().is_some_and(|r| r.digest == digest));
    if let Some((record, release)) = ship.and_then(|ship| Some((&ship.record, ship.record.release.as_ref()?)))
    {
        let mut release = release.clone();
        if let Some(tag) = tag.filter(|tag| !release.tags.contains(tag)) {
            release.tags.push(tag);
        }
        return Ok(Described {
            release: Release { name: place.name(), ..release },
            document,
            commit: record.commit.clone(),
            model: record.model.clone(),
            gates: record.gates.clone(),
            shipped: Some(record.time.clone()),
        });
    }
    let labels = labels(place.store.as_ref(), &document).await.unwrap_or_default();
    Ok(Described {
        release: Release {
            name: place.name(),
            version: version(tag.as_deref(), &labels, &digest),
            digest,
            tags: tag.into_iter().collect(),
        },
        document,
        commit: labels.get("org.opencontainers.image.revision").map(|sha| Commit {
            sha: sha.clone(),
            git_ref: None,
            dirty: false,
            source: labels.get("org.opencontainers.image.source").cloned(),
        }),
        model: labels.get("dev.wharf.model.sha256").and_then(|hex| {
            let path = labels.get("dev.wharf.model.path").cloned().unwrap_or_else(|| "model".into());
            Some(Model { path, digest: format!("sha256:{hex}").parse().ok()? })
        }),
        gates: Vec::new(),
        shipped: None,
    })
}

/// A tag that looks like a version, else the label, else the tag, else the digest's first digits.
fn version(tag: Option<&str>, labels: &BTreeMap<String, String>, digest: &Digest) -> String {
    let is_version = |tag: &&str| {
        tag.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit()) && tag.contains('.')
    };
    let label = labels.get("org.opencontainers.image.version").map(String::as_str);
    let version = tag.filter(is_version).or(label).or(tag);
    version.map_or_else(|| digest::short(digest, 12).to_owned(), str::to_owned)
}

/// The labels of an image, of one of an index's for this machine or else its first.
async fn labels(store: &dyn Store, document: &Document) -> Option<BTreeMap<String, String>> {
    Some(config(store, document).await?.config.labels)
}

/// The config of an image, of one of an index's for this machine or else its first.
pub(crate) async fn config(store: &dyn Store, document: &Document) -> Option<ImageConfig> {
    let manifest = manifest(store, document).await?;
    serde_json::from_slice(&small_blob(store, &manifest.config).await?).ok()
}

/// The manifest of an image, of one of an index's for this machine or else its first.
pub(crate) async fn manifest(store: &dyn Store, document: &Document) -> Option<wharf_oci::Manifest> {
    match document.parse().ok()? {
        Parsed::Manifest(manifest) => Some(manifest),
        Parsed::Index(index) => {
            let child = index.for_platform(&Platform::host()).or(index.manifests.first())?.clone();
            let found = store.manifest(Name::Digest(&child.digest)).await.ok()??;
            match found.parse().ok()? {
                Parsed::Manifest(manifest) => Some(manifest),
                Parsed::Index(_) => None,
            }
        }
    }
}

/// A small blob, verified.
pub(crate) async fn small_blob(store: &dyn Store, blob: &Descriptor) -> Option<Vec<u8>> {
    if blob.size > CONFIG_MAX {
        return None;
    }
    let mut stream = store.blob(blob).open(0).await.ok()?;
    let mut bytes = Vec::new();
    while let Some(piece) = futures_util::StreamExt::next(&mut stream).await {
        bytes.extend_from_slice(&piece.ok()?);
        if bytes.len() as u64 > CONFIG_MAX {
            return None;
        }
    }
    digest::matches(&blob.digest, &bytes).then_some(bytes)
}
