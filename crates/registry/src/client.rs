//! The client: connections, credentials and limits shared by all work on all registries.

use std::sync::Arc;

use wharf_oci::{Descriptor, Digest, Reference};

use crate::store::{Condition, Document, Name, Pending, Source, Store};
use crate::{Settings, SettingsError};

/// Speaks to registries. Cheap to clone; clones share connections, tokens and limits.
#[derive(Debug, Clone)]
pub struct Client {
    #[expect(dead_code, reason = "the transport comes next")]
    settings: Arc<Settings>,
}

impl Client {
    /// A client that behaves as `settings` say.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        Ok(Self { settings: Arc::new(settings) })
    }

    /// The repository of `reference` at its own registry, for writing and for reads that must not be stale.
    pub fn repository(&self, reference: &Reference) -> Repository {
        Repository { reference: reference.clone() }
    }

    /// The repository of `reference` for reading: mirrors first.
    pub fn mirrored(&self, reference: &Reference) -> Repository {
        Repository { reference: reference.clone() }
    }
}

/// One repository of one registry.
#[derive(Debug, Clone)]
pub struct Repository {
    reference: Reference,
}

impl Store for Repository {
    fn place(&self) -> String {
        self.reference.name()
    }

    fn manifest<'a>(&'a self, _: Name<'a>) -> Pending<'a, Option<Document>> {
        unreachable!()
    }

    fn head<'a>(&'a self, _: Name<'a>) -> Pending<'a, Option<Descriptor>> {
        unreachable!()
    }

    fn put_manifest<'a>(&'a self, _: Name<'a>, _: &'a Document, _: Condition) -> Pending<'a, ()> {
        unreachable!()
    }

    fn tags(&self) -> Pending<'_, Vec<String>> {
        unreachable!()
    }

    fn delete<'a>(&'a self, _: Name<'a>) -> Pending<'a, bool> {
        unreachable!()
    }

    fn has_blob<'a>(&'a self, _: &'a Digest) -> Pending<'a, bool> {
        unreachable!()
    }

    fn blob(&self, _: &Descriptor) -> Arc<dyn Source> {
        unreachable!()
    }

    fn put_blob<'a>(&'a self, _: &'a Descriptor, _: &'a dyn Source) -> Pending<'a, ()> {
        unreachable!()
    }

    fn referrers<'a>(&'a self, _: &'a Digest, _: Option<&'a str>) -> Pending<'a, Vec<Descriptor>> {
        unreachable!()
    }
}
