//! What a repository of images can do, wherever it is.
//!
//! Implemented by [`Repository`](crate::Repository) (a registry) and by [`Layout`](crate::Layout) (a
//! directory), so that copying and the ledger are written once and tested on both.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use wharf_oci::{Descriptor, Digest, Index, Manifest, MediaType, digest};

use crate::{Result, media_type};

/// A pending answer; boxed, so that a store can be chosen at run time.
pub type Pending<'a, T> = BoxFuture<'a, Result<T>>;

/// The bytes of a blob as they arrive.
pub type BlobStream = BoxStream<'static, Result<Bytes>>;

/// How a manifest is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name<'a> {
    /// By a tag, which may move.
    Tag(&'a str),
    /// By its digest, which says what the bytes are.
    Digest(&'a Digest),
}

impl std::fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => write!(f, "{digest}"),
        }
    }
}

/// When a manifest may be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Whatever was there before.
    Always,
    /// Only if the tag does not exist. A layout and wharf's own registry decide this atomically; another
    /// registry may know nothing of conditions and overwrite, so read the tag back.
    Absent,
    /// Like [`Absent`](Self::Absent), and the registry alone decides: nothing is looked up beforehand, so that
    /// what comes back is the registry's own answer.
    Claim,
    /// Only if the tag does not exist, or names this very manifest already.
    Unchanged,
}

/// A manifest or an index as the exact bytes that its digest covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Media type, digest and size.
    pub descriptor: Descriptor,
    /// The bytes; moved as they are, never written anew.
    pub bytes: Bytes,
}

/// A [`Document`], parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "few exist at a time, and none in a collection")]
pub enum Parsed {
    /// One image or artifact.
    Manifest(Manifest),
    /// A list of them.
    Index(Index),
}

impl Document {
    /// The document of `bytes`, whose type is `media_type`.
    pub fn new(media_type: impl Into<MediaType>, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { descriptor: Descriptor::of(media_type, &bytes), bytes }
    }

    /// A new document with the contents of `manifest`.
    pub fn of_manifest(manifest: &Manifest) -> Self {
        let media_type = manifest.media_type.clone().unwrap_or(MediaType::ImageManifest);
        Self::new(media_type, to_json(manifest))
    }

    /// A new document with the contents of `index`.
    pub fn of_index(index: &Index) -> Self {
        let media_type = index.media_type.clone().unwrap_or(MediaType::ImageIndex);
        Self::new(media_type, to_json(index))
    }

    /// What the bytes say. Fails when they are neither manifest nor index.
    pub fn parse(&self) -> Result<Parsed, serde_json::Error> {
        if media_type::is_index(&self.descriptor.media_type, &self.bytes) {
            serde_json::from_slice(&self.bytes).map(Parsed::Index)
        } else {
            serde_json::from_slice(&self.bytes).map(Parsed::Manifest)
        }
    }

    /// Whether the bytes are those of the descriptor.
    pub fn is_intact(&self) -> bool {
        self.bytes.len() as u64 == self.descriptor.size
            && digest::matches(&self.descriptor.digest, &self.bytes)
    }
}

impl Parsed {
    /// Everything the document points at: the config and layers, or the manifests.
    pub fn children(&self) -> Vec<&Descriptor> {
        match self {
            Self::Manifest(manifest) => std::iter::once(&manifest.config).chain(&manifest.layers).collect(),
            Self::Index(index) => index.manifests.iter().collect(),
        }
    }
}

fn to_json(value: &impl serde::Serialize) -> Vec<u8> {
    match serde_json::to_vec(value) {
        Ok(bytes) => bytes,
        // Maps with text keys, text and numbers: there is nothing in them that JSON cannot say.
        Err(error) => unreachable!("a manifest is always JSON: {error}"),
    }
}

/// Something that can hand out the bytes of one blob, again and from anywhere, so that a broken transfer goes
/// on where it stopped.
pub trait Source: Send + Sync {
    /// The bytes from `offset` on.
    fn open(&self, offset: u64) -> Pending<'_, BlobStream>;

    /// Says that the bytes were not what they should be. A source with several origins goes on to the next.
    fn distrust(&self) {}
}

/// A repository of manifests and blobs.
///
/// Absence is an answer (`None`, `false`), not an error.
pub trait Store: Send + Sync {
    /// How this store is called in messages: registry and repository, or a path.
    fn place(&self) -> String;

    /// The manifest or index under `name`, verified when asked for by digest.
    fn manifest<'a>(&'a self, name: Name<'a>) -> Pending<'a, Option<Document>>;

    /// Media type, digest and size of the manifest under `name`.
    fn head<'a>(&'a self, name: Name<'a>) -> Pending<'a, Option<Descriptor>>;

    /// Stores a manifest under `name`; what it points at must be stored already.
    ///
    /// Fails with [`Cause::Immutable`](crate::Cause::Immutable) when the store or `condition` forbids it.
    fn put_manifest<'a>(
        &'a self,
        name: Name<'a>,
        document: &'a Document,
        condition: Condition,
    ) -> Pending<'a, ()>;

    /// The tags, sorted.
    fn tags(&self) -> Pending<'_, Vec<String>>;

    /// Removes a tag, or a manifest with all its tags; returns whether it was there.
    fn delete<'a>(&'a self, name: Name<'a>) -> Pending<'a, bool>;

    /// Whether the blob is there.
    fn has_blob<'a>(&'a self, digest: &'a Digest) -> Pending<'a, bool>;

    /// The blob as a source of bytes. They are verified by whoever takes them; opening it fails when it is absent.
    fn blob(&self, descriptor: &Descriptor) -> Arc<dyn Source>;

    /// Stores the blob of `descriptor` from `source`, verified. It is cheap if the blob is there already.
    fn put_blob<'a>(&'a self, descriptor: &'a Descriptor, source: &'a dyn Source) -> Pending<'a, ()>;

    /// The manifests that have `subject` as their subject, of one artifact type or of all.
    fn referrers<'a>(
        &'a self,
        subject: &'a Digest,
        artifact_type: Option<&'a str>,
    ) -> Pending<'a, Vec<Descriptor>>;
}

/// Bytes in memory are a source too: configs and records.
impl Source for Bytes {
    fn open(&self, offset: u64) -> Pending<'_, BlobStream> {
        let rest = self.slice(self.len().min(usize::try_from(offset).unwrap_or(usize::MAX))..);
        Box::pin(
            async move { Ok(Box::pin(futures_util::stream::once(async move { Ok(rest) })) as BlobStream) },
        )
    }
}
