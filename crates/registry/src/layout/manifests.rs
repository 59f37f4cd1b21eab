//! A layout as a repository: manifests by digest or tag, with the rules that registries keep.
//!
//! The difference to [`Layout::tag`] and [`Layout::untag`]: here a manifest that loses its tag stays, without
//! a name, until somebody deletes it by its digest; and what a manifest points at must be there.

use wharf_oci::{Descriptor, Digest, Index};

use super::{Layout, LayoutError, index};
use crate::store::{Condition, Document, Name, Parsed};

/// The annotation in `index.json` that notes a manifest's subject, so that referrers are found without reading
/// every manifest.
const SUBJECT: &str = "dev.wharf.subject";

impl Layout {
    /// The manifest or index under `name`. Only what was stored as one is found, not just any blob.
    pub fn manifest(&self, name: Name<'_>) -> Result<Option<Document>, LayoutError> {
        let Some(descriptor) = self.manifest_descriptor(name)? else { return Ok(None) };
        let bytes = match self.read(&descriptor.digest) {
            Err(LayoutError::Missing { .. }) => return Ok(None),
            bytes => bytes?,
        };
        Ok(Some(Document { descriptor, bytes: bytes.into() }))
    }

    /// Media type, digest and size of the manifest or index under `name`.
    pub fn manifest_descriptor(&self, name: Name<'_>) -> Result<Option<Descriptor>, LayoutError> {
        let index = self.index()?;
        let found = index.manifests.iter().find(|entry| match name {
            Name::Tag(tag) => index::name_of(entry) == Some(tag),
            Name::Digest(digest) => entry.digest == *digest,
        });
        Ok(found.map(|entry| Descriptor::new(entry.media_type.clone(), entry.digest.clone(), entry.size)))
    }

    /// Stores a manifest or index under `name`, atomically with respect to every other process.
    ///
    /// Fails with [`LayoutError::Corrupt`] when the digest of `name` is not that of the bytes, with
    /// [`LayoutError::Invalid`] when they are no manifest, with [`LayoutError::Missing`] when something it
    /// points at is absent, and with [`LayoutError::Taken`] when `condition` forbids it.
    pub fn put_manifest(
        &self,
        name: Name<'_>,
        document: &Document,
        condition: Condition,
    ) -> Result<(), LayoutError> {
        let parsed = document
            .parse()
            .map_err(|source| LayoutError::Invalid { digest: document.descriptor.digest.clone(), source })?;
        let mut entry = document.descriptor.clone();
        if let Name::Digest(digest) = name {
            entry.digest = digest.clone();
        }
        if let Some(subject) = subject(&parsed) {
            entry.annotations.insert(SUBJECT.into(), subject.digest.to_string());
        }
        self.update(|index| {
            // Inside the lock, so that no pruning comes between the bytes, or the look, and the entry.
            self.put_as(&entry.digest, &document.bytes)?;
            self.check_children(&parsed)?;
            match name {
                Name::Tag(tag) => set_tag(index, tag, entry, condition)
                    .map_err(|()| LayoutError::Taken { name: tag.into(), root: self.root.clone() }),
                Name::Digest(_) => {
                    keep_unnamed(index, entry);
                    Ok(())
                }
            }
        })?
    }

    fn check_children(&self, parsed: &Parsed) -> Result<(), LayoutError> {
        // A layer with URLs is one that may not be distributed: it is fetched from there, not from here.
        let missing =
            parsed.children().into_iter().find(|child| child.urls.is_empty() && !self.has(&child.digest));
        match missing {
            None => Ok(()),
            Some(child) => {
                Err(LayoutError::Missing { digest: child.digest.clone(), root: self.root.clone() })
            }
        }
    }

    /// Removes a tag, leaving the manifest, or a manifest with all its tags. Returns whether it was there.
    pub fn delete_manifest(&self, name: Name<'_>) -> Result<bool, LayoutError> {
        self.update(|index| match name {
            Name::Tag(tag) => match take_tag(index, tag) {
                Some(entry) => {
                    keep_unnamed(index, entry);
                    true
                }
                None => false,
            },
            Name::Digest(digest) => {
                let before = index.manifests.len();
                index.manifests.retain(|entry| entry.digest != *digest);
                index.manifests.len() < before
            }
        })
    }

    /// Removes a manifest that no tag names, decided atomically; returns whether it was there.
    ///
    /// Fails with [`LayoutError::Taken`] when a tag names it.
    pub fn delete_untagged(&self, digest: &Digest) -> Result<bool, LayoutError> {
        self.update(|index| {
            let mut entries = index.manifests.iter().filter(|entry| entry.digest == *digest);
            if let Some(name) = entries.find_map(index::name_of) {
                return Err(LayoutError::Taken { name: name.into(), root: self.root.clone() });
            }
            let before = index.manifests.len();
            index.manifests.retain(|entry| entry.digest != *digest);
            Ok(index.manifests.len() < before)
        })?
    }

    /// Descriptors of the manifests whose subject is `subject`, with their artifact types and annotations, as
    /// the referrers API gives them.
    pub fn manifest_referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, LayoutError> {
        let index = self.index()?;
        let mut referrers: Vec<Descriptor> = Vec::new();
        for entry in &index.manifests {
            let about = subject_of(entry) == Some(subject.as_ref());
            if !about || referrers.iter().any(|known| known.digest == entry.digest) {
                continue;
            }
            if let Some(document) = self.manifest(Name::Digest(&entry.digest))? {
                referrers.push(referrer(&document));
            }
        }
        Ok(referrers)
    }

    /// The tags, sorted.
    pub fn manifest_tags(&self) -> Result<Vec<String>, LayoutError> {
        let index = self.index()?;
        let mut tags: Vec<String> =
            index.manifests.iter().filter_map(index::name_of).map(str::to_owned).collect();
        tags.sort_unstable();
        Ok(tags)
    }
}

/// The descriptor of a referring manifest under distribution-spec 1.1, "Listing Referrers".
fn referrer(document: &Document) -> Descriptor {
    let mut descriptor = document.descriptor.clone();
    match document.parse() {
        Ok(Parsed::Manifest(manifest)) => {
            descriptor.artifact_type = manifest.artifact_type.or(Some(manifest.config.media_type));
            descriptor.annotations = manifest.annotations;
        }
        Ok(Parsed::Index(index)) => {
            descriptor.artifact_type = index.artifact_type;
            descriptor.annotations = index.annotations;
        }
        Err(_) => {}
    }
    descriptor
}

/// The digest of the subject of the manifest that an entry of `index.json` stands for.
pub(super) fn subject_of(entry: &Descriptor) -> Option<&str> {
    entry.annotations.get(SUBJECT).map(String::as_str)
}

fn subject(parsed: &Parsed) -> Option<&Descriptor> {
    match parsed {
        Parsed::Manifest(manifest) => manifest.subject.as_ref(),
        Parsed::Index(index) => index.subject.as_ref(),
    }
}

fn set_tag(index: &mut Index, tag: &str, entry: Descriptor, condition: Condition) -> Result<(), ()> {
    let current = index.manifests.iter().find(|known| index::name_of(known) == Some(tag));
    match (condition, current) {
        (Condition::Absent | Condition::Claim, Some(_)) => return Err(()),
        (Condition::Unchanged, Some(current)) if current.digest != entry.digest => return Err(()),
        _ => {}
    }
    let previous = take_tag(index, tag);
    index.manifests.retain(|known| known.digest != entry.digest || index::name_of(known).is_some());
    index::set_name(index, tag, &entry);
    if let Some(previous) = previous {
        keep_unnamed(index, previous);
    }
    Ok(())
}

fn take_tag(index: &mut Index, tag: &str) -> Option<Descriptor> {
    let position = index.manifests.iter().position(|entry| index::name_of(entry) == Some(tag))?;
    Some(index::without_name(&index.manifests.remove(position)))
}

/// Makes sure that a manifest stays in the index even if no tag names it.
fn keep_unnamed(index: &mut Index, entry: Descriptor) {
    if !index.manifests.iter().any(|known| known.digest == entry.digest) {
        index.manifests.push(entry);
    }
}
