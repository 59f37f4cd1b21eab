//! Writing an archive as one stream: every blob once, then the indexes.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use bytes::Bytes;
use tar::{Builder, EntryType, Header};
use tokio::sync::mpsc;
use wharf_oci::{Descriptor, Digest, Index, Reference};

use super::{ArchiveError, DOCKER_FILE, INDEX_FILE, LAYOUT_FILE, blob_path, docker};
use crate::copy::{Copied, IMAGE_NAME, Origin, Plan};
use crate::layout::{LAYOUT_VERSION, REF_NAME};
use crate::store::{Document, Parsed};
use crate::transfer::{Patience, pour};
use crate::{Cause, Error, Event, Outcome, Progress, Result, Task};

/// An image archive that is being written: an OCI layout in a tar, with docker's index beside it, so that
/// `docker load`, OCI tools and wharf read the same file.
#[derive(Debug)]
pub struct ArchiveWriter {
    path: PathBuf,
    members: mpsc::Sender<Member>,
    thread: tokio::task::JoinHandle<io::Result<()>>,
    written: HashSet<Digest>,
    index: Vec<Descriptor>,
    docker: Vec<docker::Entry>,
}

/// A file of the tar, whose bytes come as they come.
struct Member {
    path: String,
    size: u64,
    content: Content,
}

impl ArchiveWriter {
    /// An archive that goes to `out`. `path` is for errors. Must be called within a runtime.
    pub fn new(out: impl Write + Send + 'static, path: impl Into<PathBuf>) -> Self {
        let (members, queue) = mpsc::channel(1);
        let thread = tokio::task::spawn_blocking(move || write_all(out, queue));
        let (written, index, docker) = (HashSet::new(), Vec::new(), Vec::new());
        Self { path: path.into(), members, thread, written, index, docker }
    }

    /// Adds an image or index under names, full references or mere tags; a blob that is in the archive already
    /// is not written again. Blobs are verified on the way, and a break of their source is gone over.
    pub async fn add(
        &mut self,
        origin: &dyn Origin,
        image: Document,
        names: &[String],
        progress: Progress<'_>,
    ) -> Result<Copied> {
        let plan = Plan::of(origin, image).await?;
        let mut content = Vec::new();
        for blob in &plan.blobs {
            let outcome = self.add_blob(origin, blob, progress).await?;
            content.push((blob.digest.clone(), blob.size, outcome));
        }
        for document in &plan.manifests {
            let Descriptor { digest, size, .. } = &document.descriptor;
            if self.written.insert(digest.clone()) {
                self.add_bytes(&blob_path(digest), document.bytes.clone()).await?;
                content.push((digest.clone(), *size, Outcome::Transferred));
            }
        }
        self.list(plan.root(), names);
        Ok(Copied { digest: plan.root().descriptor.digest.clone(), content })
    }

    async fn add_blob(
        &mut self,
        origin: &dyn Origin,
        blob: &Descriptor,
        progress: Progress<'_>,
    ) -> Result<Outcome> {
        if !self.written.insert(blob.digest.clone()) {
            return Ok(Outcome::Existing);
        }
        let sender = self.begin(&blob_path(&blob.digest), blob.size).await?;
        let source = origin.content(blob);
        pour(source.as_ref(), blob, &Patience::default(), sender, progress).await?;
        let (digest, total) = (blob.digest.clone(), blob.size);
        progress(Event::Finished { digest, total, outcome: Outcome::Transferred });
        Ok(Outcome::Transferred)
    }

    async fn add_bytes(&mut self, path: &str, bytes: Bytes) -> Result<()> {
        let sender = self.begin(path, bytes.len() as u64).await?;
        // A thread that has ended takes nothing; its reason is asked for at the end.
        let _ = sender.send(bytes).await;
        Ok(())
    }

    async fn begin(&mut self, path: &str, size: u64) -> Result<mpsc::Sender<Bytes>> {
        let (sender, pieces) = mpsc::channel(4);
        let member = Member { path: path.into(), size, content: Content { pieces, rest: Bytes::new() } };
        match self.members.send(member).await {
            Ok(()) => Ok(sender),
            Err(_) => Err(self.failure().await),
        }
    }

    /// Why the thread has ended.
    async fn failure(&mut self) -> Error {
        let ended = joined((&mut self.thread).await);
        let source = ended.err().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into());
        self.failed(source)
    }

    fn failed(&self, source: io::Error) -> Error {
        let place = format!("to `{}`", self.path.display());
        let cause = ArchiveError::Io { action: "writing", path: self.path.clone(), source };
        Error::new(Task::new("writing", "the archive", place), Cause::Archive(cause))
    }

    /// Notes the image for both indexes.
    fn list(&mut self, image: &Document, names: &[String]) {
        let entry = |name: Option<&String>| {
            let mut entry = Descriptor { platform: None, ..image.descriptor.clone() };
            if let Some(name) = name {
                let reference = name.contains(':').then(|| name.parse::<Reference>().ok()).flatten();
                let tag = reference.as_ref().and_then(|reference| reference.tag()).unwrap_or(name);
                entry.annotations.insert(REF_NAME.into(), tag.into());
                let full = reference.as_ref().map(|reference| (IMAGE_NAME.into(), reference.canonical()));
                entry.annotations.extend(full);
            }
            entry
        };
        match names {
            [] => self.index.push(entry(None)),
            names => self.index.extend(names.iter().map(|name| entry(Some(name)))),
        }
        // Docker's own index has a place for images only; an index of several is for those who read OCI.
        if let Ok(Parsed::Manifest(manifest)) = image.parse() {
            let references = names.iter().filter(|name| name.contains(':'));
            let familiar = references.filter_map(|name| Some(name.parse::<Reference>().ok()?.to_string()));
            let repo_tags = familiar.collect();
            let layers = manifest.layers.iter().map(|layer| blob_path(&layer.digest)).collect();
            self.docker.push(docker::Entry { config: blob_path(&manifest.config.digest), repo_tags, layers });
        }
    }

    /// Writes the indexes and ends the archive. Without this it is none.
    pub async fn finish(mut self) -> Result<()> {
        let index = Document::of_index(&Index::new(std::mem::take(&mut self.index)));
        self.add_bytes(INDEX_FILE, index.bytes).await?;
        if !self.docker.is_empty() {
            let text =
                serde_json::to_vec(&self.docker).map_err(|error| self.failed(io::Error::other(error)))?;
            self.add_bytes(DOCKER_FILE, text.into()).await?;
        }
        self.add_bytes(LAYOUT_FILE, Bytes::from_static(LAYOUT_VERSION.as_bytes())).await?;
        let Self { path, members, thread, .. } = self;
        drop(members);
        joined(thread.await).map_err(|source| {
            let place = format!("to `{}`", path.display());
            let cause = ArchiveError::Io { action: "writing", path, source };
            Error::new(Task::new("writing", "the archive", place), Cause::Archive(cause))
        })
    }
}

fn joined<T>(result: Result<T, tokio::task::JoinError>) -> T {
    result.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

fn write_all(out: impl Write, mut queue: mpsc::Receiver<Member>) -> io::Result<()> {
    let mut tar = Builder::new(io::BufWriter::with_capacity(1 << 20, out));
    for directory in ["blobs/", "blobs/sha256/"] {
        tar.append_data(&mut header(EntryType::Directory, 0o755, 0), directory, io::empty())?;
    }
    while let Some(mut member) = queue.blocking_recv() {
        let mut header = header(EntryType::Regular, 0o644, member.size);
        let mut content = Exactly { left: member.size, inner: &mut member.content };
        tar.append_data(&mut header, &member.path, &mut content)?;
        if content.left > 0 {
            // Whoever was to send the rest knows why it did not.
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("`{}` is incomplete", member.path),
            ));
        }
    }
    tar.into_inner()?.flush()
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header
}

/// Counts what is still to come.
struct Exactly<'a> {
    left: u64,
    inner: &'a mut Content,
}

impl Read for Exactly<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.inner.read(&mut buffer[..length])?;
        self.left -= count as u64;
        Ok(count)
    }
}

/// Bytes that arrive in pieces.
struct Content {
    pieces: mpsc::Receiver<Bytes>,
    rest: Bytes,
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.rest = piece,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.rest.len());
        buffer[..count].copy_from_slice(&self.rest.split_to(count));
        Ok(count)
    }
}
