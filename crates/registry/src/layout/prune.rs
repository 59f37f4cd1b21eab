//! What is still needed, and removing the rest.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::time::Duration;

use serde::Deserialize;
use wharf_oci::{Descriptor, Digest, media};

use super::{Doing, Layout, LayoutError};

/// What [`Layout::prune`] removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// How many blobs.
    pub blobs: u64,
    /// How many bytes they had.
    pub bytes: u64,
}

/// The members of a manifest or an index that lead to other content.
#[derive(Deserialize)]
struct Links {
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
}

impl Layout {
    /// The digests of everything that `roots` lead to, themselves included. Content that is not here, or is
    /// no document, leads nowhere.
    pub fn reachable<'a>(
        &self,
        roots: impl IntoIterator<Item = &'a Descriptor>,
    ) -> Result<HashSet<Digest>, LayoutError> {
        let mut found = HashSet::new();
        let mut pending: Vec<Descriptor> = roots.into_iter().cloned().collect();
        while let Some(descriptor) = pending.pop() {
            if !found.insert(descriptor.digest.clone()) || !leads_on(&descriptor) {
                continue;
            }
            let bytes = match self.read(&descriptor.digest) {
                Ok(bytes) => bytes,
                Err(LayoutError::Missing { .. }) => continue,
                Err(error) => return Err(error),
            };
            if let Ok(links) = serde_json::from_slice::<Links>(&bytes) {
                pending.extend(links.config);
                pending.extend(links.layers.into_iter().flatten());
                pending.extend(links.manifests.into_iter().flatten());
            }
        }
        Ok(found)
    }

    /// The blobs here and their sizes.
    pub fn blobs(&self) -> Result<HashMap<Digest, u64>, LayoutError> {
        let mut blobs = HashMap::new();
        for algorithm in ["sha256", "sha512"] {
            let directory = self.root.join("blobs").join(algorithm);
            if !directory.exists() {
                continue;
            }
            for entry in fs::read_dir(&directory).doing("listing", &directory)?.flatten() {
                let digest = format!("{algorithm}:{}", entry.file_name().to_string_lossy()).parse::<Digest>();
                if let (Ok(digest), Ok(metadata)) = (digest, entry.metadata()) {
                    blobs.insert(digest, metadata.len());
                }
            }
        }
        Ok(blobs)
    }

    /// Removes every blob that the index does not lead to and that `keep` does not hold, except those
    /// written or [touched](Self::touch) within `grace`: they may belong to work that has not been named yet.
    ///
    /// Names cannot change meanwhile, so nothing that gets a name in time is lost.
    pub fn prune(&self, keep: &HashSet<Digest>, grace: Duration) -> Result<Pruned, LayoutError> {
        self.update(|index| {
            let mut pruned = Pruned::default();
            for (digest, size) in self.needless_in(&index.manifests, keep)? {
                // Looked at last of all: it may have come anew, or been touched, a moment ago.
                if self.is_older(&digest, grace) && self.remove(&digest)? {
                    pruned.blobs += 1;
                    pruned.bytes += size;
                }
            }
            Ok(pruned)
        })?
    }

    /// What [`prune`](Self::prune) would remove now.
    pub fn needless(&self, keep: &HashSet<Digest>, grace: Duration) -> Result<Pruned, LayoutError> {
        let mut needless = self.needless_in(&self.index()?.manifests, keep)?;
        needless.retain(|(digest, _)| self.is_older(digest, grace));
        let bytes = needless.iter().map(|(_, size)| size).sum();
        Ok(Pruned { blobs: needless.len() as u64, bytes })
    }

    fn needless_in(
        &self,
        roots: &[Descriptor],
        keep: &HashSet<Digest>,
    ) -> Result<Vec<(Digest, u64)>, LayoutError> {
        let reachable = self.reachable(roots)?;
        let mut blobs: Vec<_> = self.blobs()?.into_iter().collect();
        blobs.retain(|(digest, _)| !reachable.contains(digest) && !keep.contains(digest));
        Ok(blobs)
    }

    fn is_older(&self, digest: &Digest, grace: Duration) -> bool {
        let modified = fs::metadata(self.path(digest)).and_then(|metadata| metadata.modified());
        modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age >= grace))
    }
}

/// Whether the content leads to more: layers, configs and attachments do not.
fn leads_on(descriptor: &Descriptor) -> bool {
    media::is_index(&descriptor.media_type) || media::is_manifest(&descriptor.media_type)
}
