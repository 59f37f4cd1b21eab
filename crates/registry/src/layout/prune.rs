//! What is still needed, and removing the rest.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::time::Duration;

use serde::Deserialize;
use wharf_oci::{Descriptor, Digest, media};

use super::{Doing, Layout, LayoutError, index, manifests};

/// How long it is known what a tag led to that nobody asks for any more.
const SEEN_KEPT: Duration = Duration::from_secs(90 * 24 * 3600);

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
        self.forget_seen(SEEN_KEPT);
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
        Ok(self.count(self.needless_in(&self.index()?.manifests, keep)?, grace))
    }

    fn count(&self, mut needless: Vec<(Digest, u64)>, grace: Duration) -> Pruned {
        needless.retain(|(digest, _)| self.is_older(digest, grace));
        let bytes = needless.iter().map(|(_, size)| size).sum();
        Pruned { blobs: needless.len() as u64, bytes }
    }

    /// Forgets every manifest that has nothing to do with a tag and was put or [touched](Self::touch) longer than
    /// `grace` ago, and removes what nothing leads to then.
    ///
    /// What stays with a tag: the manifests that its index lists, those that are about something that stays
    /// (signatures and the like), and what one that stays is about.
    pub fn prune_untagged(&self, grace: Duration) -> Result<Pruned, LayoutError> {
        // First the entries, then the content: killed in between, nothing is missing from what is listed.
        self.update(|index| {
            let kept = self.with_tags(&index.manifests, grace)?;
            index.manifests.retain(|entry| kept.contains(&entry.digest));
            Ok(())
        })??;
        self.prune(&HashSet::new(), grace)
    }

    /// What [`prune_untagged`](Self::prune_untagged) would remove now.
    pub fn needless_untagged(&self, grace: Duration) -> Result<Pruned, LayoutError> {
        let mut entries = self.index()?.manifests.clone();
        let kept = self.with_tags(&entries, grace)?;
        entries.retain(|entry| kept.contains(&entry.digest));
        Ok(self.count(self.needless_in(&entries, &HashSet::new())?, grace))
    }

    /// The digests of all that has to do with a tag, and of what is too young to have one.
    fn with_tags(&self, entries: &[Descriptor], grace: Duration) -> Result<HashSet<Digest>, LayoutError> {
        let mut kept = HashSet::new();
        let mut found: Vec<&Descriptor> = entries
            .iter()
            .filter(|entry| index::name_of(entry).is_some() || !self.is_older(&entry.digest, grace))
            .collect();
        while !found.is_empty() {
            kept.extend(self.reachable(found)?);
            let subjects: HashSet<&str> = entries
                .iter()
                .filter(|entry| kept.contains(&entry.digest))
                .filter_map(manifests::subject_of)
                .collect();
            found = entries
                .iter()
                .filter(|entry| !kept.contains(&entry.digest))
                .filter(|entry| {
                    let about = manifests::subject_of(entry).and_then(|text| text.parse().ok());
                    subjects.contains(entry.digest.as_ref())
                        || about.is_some_and(|about: Digest| kept.contains(&about))
                })
                .collect();
        }
        Ok(kept)
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
