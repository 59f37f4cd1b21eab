//! Where a copy comes from: anything that can hand out documents and blobs by their digest.

use std::sync::Arc;

use futures_util::FutureExt;
use wharf_oci::{Descriptor, Digest, Reference};

use crate::store::{Document, Name, Pending, Source, Store};
use crate::{Cause, Error, Layout, Repository, Task, media_type};

/// A place that content is copied from.
pub trait Origin: Send + Sync {
    /// The manifest or index of `descriptor`, verified. Absence is an error: something points at it.
    fn document<'a>(&'a self, descriptor: &'a Descriptor) -> Pending<'a, Document>;

    /// The blob as a source of bytes, which are verified by whoever takes them.
    fn content(&self, descriptor: &Descriptor) -> Arc<dyn Source>;

    /// Whether the origin is known not to have a blob that its manifests name.
    fn lacks(&self, _digest: &Digest) -> bool {
        false
    }

    /// The repository of a registry that this is, so that blobs are mounted from it where the other side is a
    /// repository of the same registry.
    fn repository(&self) -> Option<&Reference> {
        None
    }
}

impl Origin for Layout {
    fn document<'a>(&'a self, descriptor: &'a Descriptor) -> Pending<'a, Document> {
        let (layout, descriptor) = (self.clone(), descriptor.clone());
        async move {
            let task = Task::new(
                "reading",
                format!("manifest {}", descriptor.digest),
                format!("in `{}`", layout.root().display()),
            );
            let digest = descriptor.digest.clone();
            let read = tokio::task::spawn_blocking(move || layout.read(&digest)).await;
            let read = read.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
            Ok(described(descriptor, read.map_err(|error| Error::new(task, error))?.into()))
        }
        .boxed()
    }

    fn content(&self, descriptor: &Descriptor) -> Arc<dyn Source> {
        self.blob(descriptor)
    }

    fn lacks(&self, digest: &Digest) -> bool {
        !self.has(digest)
    }
}

impl Origin for Repository {
    fn document<'a>(&'a self, descriptor: &'a Descriptor) -> Pending<'a, Document> {
        async move {
            match self.manifest(Name::Digest(&descriptor.digest)).await? {
                Some(found) => Ok(Document { descriptor: descriptor.clone(), ..found }),
                None => {
                    let task = Task::new(
                        "pulling",
                        format!("manifest {}", descriptor.digest),
                        format!("from {}", self.place()),
                    );
                    Err(Error::new(task, Cause::NotFound { message: String::new() }))
                }
            }
            .map(|document| described(document.descriptor, document.bytes))
        }
        .boxed()
    }

    fn content(&self, descriptor: &Descriptor) -> Arc<dyn Source> {
        self.blob(descriptor)
    }

    fn repository(&self) -> Option<&Reference> {
        Some(self.reference())
    }
}

/// The document of a descriptor that may not say what it is: who stores it wants to know.
pub(crate) fn described(mut descriptor: Descriptor, bytes: bytes::Bytes) -> Document {
    let declared = &descriptor.media_type;
    if !wharf_oci::media::is_index(declared) && !wharf_oci::media::is_manifest(declared) {
        descriptor.media_type = media_type::of_document(&bytes);
    }
    Document { descriptor, bytes }
}
