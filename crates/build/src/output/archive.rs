//! Images as archives: an OCI layout in a tar, with docker's own index beside it where it is to read it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use serde_json::json;
use tar::{Builder, EntryType, Header};
use wharf_oci::{Descriptor, Digest, Hashing, Index, Manifest};
use wharf_registry::{Layout, REF_NAME};

use super::Job;
use crate::bases::store_name;
use crate::error::{Cause, StepError};
use crate::snapshot::copy_blob;

/// Where containerd and docker keep the full name of an image in an index.
const IMAGE_NAME: &str = "io.containerd.image.name";
const CREATED: &str = "org.opencontainers.image.created";
const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// Who is to read an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// OCI tools.
    Oci,
    /// `docker load`, too.
    Docker,
}

/// Writes the image as a tar archive. Blobs are verified on the way.
pub(super) fn write(file: File, job: &Job<'_>, format: Format) -> Result<(), StepError> {
    let mut archive = Archive { tar: Builder::new(io::BufWriter::new(file)), store: &job.engine.store };
    archive.directory("blobs/")?;
    archive.directory("blobs/sha256/")?;
    for blob in blobs(job)? {
        archive.blob(&blob)?;
    }
    archive.text("index.json", &index(job))?;
    if format == Format::Docker {
        archive.text("manifest.json", &docker_manifest(job))?;
    }
    archive.bytes("oci-layout", LAYOUT.as_bytes())?;
    let fail = |error: io::Error| Cause::file("writing", Path::new("the archive"))(error);
    archive.tar.into_inner().map_err(fail)?.flush().map_err(fail)
}

/// Adds the image to the layout in a directory.
pub(super) fn write_directory(path: &Path, job: &Job<'_>) -> Result<(), StepError> {
    let layout = Layout::open(path)?;
    for blob in blobs(job)? {
        if layout.size(&blob.digest) != Some(blob.size) {
            copy_blob(&job.engine.store, &layout, &blob)?;
        }
    }
    let mut entries = entries(job);
    if job.tags.is_empty() {
        // As BuildKit does, so that the layout can be named without a digest.
        entries.iter_mut().for_each(|entry| drop(entry.annotations.insert(REF_NAME.into(), "latest".into())));
    }
    layout.update(|index| {
        for entry in entries {
            index.manifests.retain(|before| !has_the_name_of(before, &entry));
            index.manifests.push(entry);
        }
    })?;
    Ok(())
}

/// Whether `before` has to go when `entry` comes: it has the same full name, or none and the same tag.
fn has_the_name_of(before: &Descriptor, entry: &Descriptor) -> bool {
    let one = |name| (before.annotations.get(name), entry.annotations.get(name));
    match one(IMAGE_NAME) {
        (Some(before), Some(new)) => before == new,
        (Some(_), None) => false,
        (None, _) => matches!(one(REF_NAME), (Some(before), Some(new)) if before == new),
    }
}

struct Archive<'a> {
    tar: Builder<io::BufWriter<File>>,
    store: &'a Layout,
}

impl Archive<'_> {
    fn directory(&mut self, path: &str) -> Result<(), StepError> {
        let mut header = header(EntryType::Directory, 0o755, 0);
        self.append(&mut header, path, io::empty())
    }

    fn text(&mut self, path: &str, document: &serde_json::Value) -> Result<(), StepError> {
        self.bytes(path, document.to_string().as_bytes())
    }

    fn bytes(&mut self, path: &str, bytes: &[u8]) -> Result<(), StepError> {
        let mut header = header(EntryType::Regular, 0o644, bytes.len() as u64);
        self.append(&mut header, path, bytes)
    }

    fn blob(&mut self, blob: &Descriptor) -> Result<(), StepError> {
        let path = format!("blobs/{}/{}", blob.digest.algorithm(), blob.digest.digest());
        let damaged = || Cause::Damaged { digest: blob.digest.clone() };
        let file = self.store.open_blob(&blob.digest)?;
        if self.store.size(&blob.digest) != Some(blob.size) {
            return Err(damaged().into());
        }
        let mut source = Hashing::new(file);
        let mut header = header(EntryType::Regular, 0o644, blob.size);
        self.append(&mut header, &path, &mut source)?;
        if source.digest() == blob.digest { Ok(()) } else { Err(damaged().into()) }
    }

    fn append(&mut self, header: &mut Header, path: &str, content: impl io::Read) -> Result<(), StepError> {
        self.tar
            .append_data(header, path, content)
            .map_err(Cause::file("writing to the archive", Path::new(path)))
    }
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header
}

/// Everything the image consists of, each blob once.
fn blobs(job: &Job<'_>) -> Result<Vec<Descriptor>, StepError> {
    let mut seen = BTreeSet::new();
    let parts = job.images.iter().flat_map(|image| {
        let layers = image.manifest.layers.iter();
        layers.chain([&image.manifest.config, &image.descriptor])
    });
    let mut blobs: Vec<Descriptor> = parts.chain([job.top]).cloned().collect();
    for manifest in job.attestations {
        let bytes = job.engine.store.read(&manifest.digest)?;
        if let Ok(parsed) = serde_json::from_slice::<Manifest>(&bytes) {
            blobs.extend(parsed.layers);
            blobs.push(parsed.config);
        }
        blobs.push(manifest.clone());
    }
    blobs.retain(|blob| seen.insert(blob.digest.to_string()));
    Ok(blobs)
}

fn index(job: &Job<'_>) -> serde_json::Value {
    json!(Index::new(entries(job)))
}

/// The image under each of its names, or once where it has none.
fn entries(job: &Job<'_>) -> Vec<Descriptor> {
    let named = |tag| {
        let mut entry = entry(job);
        let name = store_name(tag);
        let tag = name.rsplit_once(':').map_or("latest", |(_, tag)| tag).to_owned();
        entry.annotations.insert(REF_NAME.to_owned(), tag);
        entry.annotations.insert(IMAGE_NAME.to_owned(), name);
        entry
    };
    match job.tags {
        [] => vec![entry(job)],
        tags => tags.iter().map(named).collect(),
    }
}

/// The image as an index names it.
fn entry(job: &Job<'_>) -> Descriptor {
    let mut entry = job.top.clone();
    entry.annotations.extend(job.annotations.clone());
    if let Some(created) = job.images.first().and_then(|image| image.config.created.as_deref()) {
        entry.annotations.insert(CREATED.to_owned(), whole_seconds(created));
    }
    if let [only] = job.images
        && only.descriptor.digest == entry.digest
    {
        entry.platform = Some(only.platform.clone());
    }
    entry
}

/// `2026-01-02T03:04:05.678Z` without the fraction.
fn whole_seconds(time: &str) -> String {
    match time.split_once('.') {
        Some((seconds, fraction)) => {
            format!("{seconds}{}", fraction.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        None => time.to_owned(),
    }
}

/// The index that `docker load` has always read.
fn docker_manifest(job: &Job<'_>) -> serde_json::Value {
    let path = |digest: &Digest| format!("blobs/{}/{}", digest.algorithm(), digest.digest());
    let tags: Vec<String> = job
        .tags
        .iter()
        .map(|tag| format!("{}:{}", tag.familiar_name(), tag.tag_or_latest().unwrap_or("latest")))
        .collect();
    let images = job.images.iter().map(|image| {
        let layers: Vec<String> = image.manifest.layers.iter().map(|layer| path(&layer.digest)).collect();
        let names = if tags.is_empty() { serde_json::Value::Null } else { json!(tags) };
        json!({ "Config": path(&image.config_digest), "RepoTags": names, "Layers": layers })
    });
    images.collect()
}
