//! A layout behind the same trait as a registry.
//!
//! Files are small and local or large and streamed: the small work is done on the runtime's blocking threads
//! too, because the index lock may have to be waited for.

use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use wharf_oci::{Descriptor, Digest};

use super::{Layout, LayoutError};
use crate::store::{BlobStream, Condition, Document, Name, Pending, Source, Store};
use crate::transfer::{self, Patience};
use crate::{Cause, Error, Result, Task};

/// How much is read from a blob at once.
const PIECE: usize = 256 << 10;

impl Layout {
    /// Runs `work` where blocking is allowed.
    async fn blocking<T: Send + 'static>(
        &self,
        task: Task,
        work: impl FnOnce(Layout) -> Result<T, LayoutError> + Send + 'static,
    ) -> Result<T> {
        let layout = self.clone();
        match tokio::task::spawn_blocking(move || work(layout)).await {
            Ok(result) => result.map_err(|error| Error::new(task, error)),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    fn task(&self, action: &'static str, object: impl Into<String>) -> Task {
        Task::new(action, object, format!("in `{}`", self.root().display()))
    }
}

/// A name that outlives the call, for work on another thread.
enum Owned {
    Tag(String),
    Digest(Digest),
}

impl Owned {
    fn of(name: Name<'_>) -> Self {
        match name {
            Name::Tag(tag) => Self::Tag(tag.into()),
            Name::Digest(digest) => Self::Digest(digest.clone()),
        }
    }

    fn name(&self) -> Name<'_> {
        match self {
            Self::Tag(tag) => Name::Tag(tag),
            Self::Digest(digest) => Name::Digest(digest),
        }
    }
}

impl Store for Layout {
    fn place(&self) -> String {
        self.root().display().to_string()
    }

    fn manifest<'a>(&'a self, name: Name<'a>) -> Pending<'a, Option<Document>> {
        let (task, owned) = (self.task("reading", format!("manifest {name}")), Owned::of(name));
        self.blocking(task, move |layout| layout.manifest(owned.name())).boxed()
    }

    fn head<'a>(&'a self, name: Name<'a>) -> Pending<'a, Option<Descriptor>> {
        let (task, owned) = (self.task("looking up", format!("manifest {name}")), Owned::of(name));
        self.blocking(task, move |layout| layout.manifest_descriptor(owned.name())).boxed()
    }

    fn put_manifest<'a>(
        &'a self,
        name: Name<'a>,
        document: &'a Document,
        condition: Condition,
    ) -> Pending<'a, ()> {
        let (task, owned) = (self.task("storing", format!("manifest {name}")), Owned::of(name));
        let document = document.clone();
        self.blocking(task, move |layout| layout.put_manifest(owned.name(), &document, condition)).boxed()
    }

    fn tags(&self) -> Pending<'_, Vec<String>> {
        self.blocking(self.task("listing", "tags"), |layout| layout.manifest_tags()).boxed()
    }

    fn delete<'a>(&'a self, name: Name<'a>) -> Pending<'a, bool> {
        let (task, owned) = (self.task("deleting", format!("manifest {name}")), Owned::of(name));
        self.blocking(task, move |layout| layout.delete_manifest(owned.name())).boxed()
    }

    fn has_blob<'a>(&'a self, digest: &'a Digest) -> Pending<'a, bool> {
        std::future::ready(Ok(self.has(digest))).boxed()
    }

    fn blob(&self, descriptor: &Descriptor) -> Arc<dyn Source> {
        Arc::new(BlobFile { layout: self.clone(), descriptor: descriptor.clone() })
    }

    fn put_blob<'a>(&'a self, descriptor: &'a Descriptor, source: &'a dyn Source) -> Pending<'a, ()> {
        async move {
            transfer::receive(self, descriptor, source, &Patience::default(), &|_| {}).await.map(drop)
        }
        .boxed()
    }

    fn referrers<'a>(
        &'a self,
        subject: &'a Digest,
        artifact_type: Option<&'a str>,
    ) -> Pending<'a, Vec<Descriptor>> {
        let (task, digest) = (self.task("listing", format!("referrers of {subject}")), subject.clone());
        let wanted = artifact_type.map(str::to_owned);
        async move {
            let mut found = self.blocking(task, move |layout| layout.manifest_referrers(&digest)).await?;
            found.retain(|entry| match (&wanted, &entry.artifact_type) {
                (None, _) => true,
                (Some(wanted), Some(found)) => wanted == found.as_ref(),
                (Some(_), None) => false,
            });
            Ok(found)
        }
        .boxed()
    }
}

/// A blob of a layout as a source of bytes.
struct BlobFile {
    layout: Layout,
    descriptor: Descriptor,
}

impl Source for BlobFile {
    fn open(&self, offset: u64) -> Pending<'_, BlobStream> {
        async move {
            let task =
                Task::blob("reading", &self.descriptor, format!("in `{}`", self.layout.root().display()));
            let digest = self.descriptor.digest.clone();
            let open = move |layout: Layout| {
                let mut file = layout.open_blob(&digest)?;
                super::Doing::doing(file.seek(SeekFrom::Start(offset)), "reading", &layout.path(&digest))?;
                Ok(file)
            };
            let file = self.layout.blocking(task.clone(), open).await?;
            let path = self.layout.path(&self.descriptor.digest);
            Ok(read_ahead(file)
                .map(move |piece| {
                    piece.map_err(|source| {
                        Error::new(
                            task.clone(),
                            Cause::Layout(LayoutError::Io { action: "reading", path: path.clone(), source }),
                        )
                    })
                })
                .boxed())
        }
        .boxed()
    }
}

/// The rest of `file` in pieces, read on a blocking thread, one piece ahead of whoever takes them.
pub(crate) fn read_ahead(
    mut file: impl Read + Send + 'static,
) -> impl futures_util::Stream<Item = std::io::Result<Bytes>> {
    let (sender, receiver) = tokio::sync::mpsc::channel(2);
    tokio::task::spawn_blocking(move || {
        loop {
            let mut piece = Vec::with_capacity(PIECE);
            let piece = match file.by_ref().take(PIECE as u64).read_to_end(&mut piece) {
                Ok(0) => return,
                Ok(_) => Ok(Bytes::from(piece)),
                Err(error) => Err(error),
            };
            let failed = piece.is_err();
            // The receiver goes away when the transfer breaks off.
            if sender.blocking_send(piece).is_err() || failed {
                return;
            }
        }
    });
    stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) })
}
