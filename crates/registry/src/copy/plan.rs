//! What has to be where before what.

use std::collections::HashSet;

use wharf_oci::{Descriptor, Digest};

use super::origin::{Origin, described};
use crate::store::{Document, Parsed};
use crate::{Cause, Error, Result, Task};

/// An index in an index in an index is nobody's image.
const DEPTH_MAX: usize = 8;

/// An image or an index with everything that it leads to, each once.
pub(crate) struct Plan {
    /// Configs and layers.
    pub(crate) blobs: Vec<Descriptor>,
    /// Those that are pointed at before those that point at them; the image itself is the last.
    pub(crate) manifests: Vec<Document>,
    seen: HashSet<Digest>,
}

impl Plan {
    /// Reads what `root` leads to.
    pub(crate) async fn of(origin: &dyn Origin, root: Document) -> Result<Self> {
        let mut plan = Self { blobs: Vec::new(), manifests: Vec::new(), seen: HashSet::new() };
        plan.add(origin, root).await?;
        Ok(plan)
    }

    /// What has been looked at goes onto a pile with its depth, and comes off it once its children are known.
    async fn add(&mut self, origin: &dyn Origin, root: Document) -> Result<()> {
        self.seen.insert(root.descriptor.digest.clone());
        let mut pending = vec![(described(root.descriptor, root.bytes), 0, false)];
        while let Some((document, depth, done)) = pending.pop() {
            if done {
                self.manifests.push(document);
                continue;
            }
            let parsed = document.parse().map_err(|error| wrong(&document, error.to_string()))?;
            pending.push((document, depth, true));
            match &parsed {
                Parsed::Manifest(_) => self.add_blobs(&parsed),
                Parsed::Index(index) => {
                    for child in index.manifests.iter().rev() {
                        if !self.seen.insert(child.digest.clone()) {
                            continue;
                        }
                        let child = origin.document(child).await?;
                        if depth >= DEPTH_MAX {
                            return Err(wrong(&child, "it is an index in an index in an index".into()));
                        }
                        pending.push((child, depth + 1, false));
                    }
                }
            }
        }
        Ok(())
    }

    /// A layer with URLs is one that may not be distributed: whoever wants it fetches it from there.
    fn add_blobs(&mut self, manifest: &Parsed) {
        for blob in manifest.children().into_iter().filter(|child| child.urls.is_empty()) {
            if self.seen.insert(blob.digest.clone()) {
                self.blobs.push(blob.clone());
            }
        }
    }

    /// The image or index itself.
    pub(crate) fn root(&self) -> &Document {
        &self.manifests[self.manifests.len() - 1]
    }
}

fn wrong(document: &Document, why: String) -> Error {
    let task = Task::new("reading", format!("manifest {}", document.descriptor.digest), "to copy it");
    Error::new(task, Cause::Protocol(why))
}
