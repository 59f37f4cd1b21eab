//! One repository of one registry, read from mirrors first where that was asked for (distribution-spec 1.1).

mod manifests;
mod paging;
mod remote_blob;
mod unfinished;
mod upload;

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::Method;
use wharf_oci::{Descriptor, Digest, Reference};

use crate::auth::{Access, Scopes};
use crate::endpoint::{Ask, Endpoint};
use crate::store::{Condition, Document, Name, Pending, Source, Store};
use crate::transfer::Patience;
use crate::{Cause, Client, Error, Outcome, Progress, Result, Task};
pub(crate) use manifests::Reading;
use remote_blob::RemoteBlob;

/// A repository of a registry.
#[derive(Debug, Clone)]
pub struct Repository {
    client: Client,
    reference: Reference,
    /// Where to read, in order; the registry itself is the last, and the only one to be written to.
    endpoints: Vec<Arc<Endpoint>>,
    /// What a token for reading is asked for.
    reading: &'static [&'static str],
}

const PULL: &[&str] = &["pull"];
const PUSH: &[&str] = &["pull", "push"];

impl Repository {
    pub(crate) fn new(client: &Client, reference: &Reference, endpoints: Vec<Arc<Endpoint>>) -> Self {
        Self { client: client.clone(), reference: reference.clone(), endpoints, reading: PULL }
    }

    /// The same for somebody who looks before writing: what is asked is asked with the token that writing takes, so that
    /// one serves for all.
    #[must_use]
    pub fn for_writing(self) -> Self {
        Self { reading: PUSH, ..self }
    }

    /// Which repository this is.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    pub(crate) fn origin(&self) -> &Arc<Endpoint> {
        // There is always at least the registry itself.
        &self.endpoints[self.endpoints.len() - 1]
    }

    fn from(&self, action: &'static str, object: impl Into<String>) -> Task {
        Task::new(action, object, format!("from {}", self.reference.name()))
    }

    fn to(&self, action: &'static str, object: impl Into<String>) -> Task {
        Task::new(action, object, format!("to {}", self.reference.name()))
    }

    fn at<'a>(&'a self, endpoint: &'a Arc<Endpoint>, actions: &[&str]) -> Place<'a> {
        let path = endpoint.path_of(self.reference.repository());
        Place { endpoint, scopes: Scopes::repository(&path, actions), path }
    }

    /// Does `work`, again and again as long as it may help.
    async fn persistently<'a, T>(
        &self,
        endpoint: &Endpoint,
        task: impl FnOnce() -> Task,
        work: impl Fn() -> BoxFuture<'a, Result<T, Cause>>,
    ) -> Result<T> {
        let mut tries = self.client.patience().start();
        loop {
            let cause = match work().await {
                Ok(value) => return Ok(value),
                Err(cause) => cause,
            };
            // A registry that has never answered is probably not there, and somebody waits to hear that.
            let hopeless = tries.failed() > 0 && !endpoint.has_answered();
            match tries.after(&cause).filter(|_| !hopeless) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(Error::new(task(), cause)),
            }
        }
    }

    /// Does `work` at the registry.
    async fn at_origin<'a, T>(
        &'a self,
        task: Task,
        actions: &'static [&'static str],
        work: impl Fn(Place<'a>) -> BoxFuture<'a, Result<T, Cause>>,
    ) -> Result<T> {
        let endpoint = self.origin();
        self.persistently(endpoint, || task, || work(self.at(endpoint, actions))).await
    }

    /// Asks one place after the other until one knows; a mirror that fails is passed over.
    async fn anywhere<'a, T>(
        &'a self,
        task: impl Fn() -> Task,
        work: impl Fn(Place<'a>) -> BoxFuture<'a, Result<Option<T>, Cause>>,
    ) -> Result<Option<T>> {
        let (mirrors, origin) = self.endpoints.split_at(self.endpoints.len() - 1);
        for mirror in mirrors {
            let found = self.persistently(mirror, &task, || work(self.at(mirror, self.reading))).await;
            if let Ok(Some(value)) = found {
                return Ok(Some(value));
            }
        }
        let [origin] = origin else { return Ok(None) };
        self.persistently(origin, &task, || work(self.at(origin, self.reading))).await
    }

    pub(crate) fn patience(&self) -> Patience {
        self.client.patience()
    }

    /// Notes that the blob is here.
    pub(crate) fn note_blob(&self, digest: &Digest) {
        self.client.note_blob(&self.reference, digest);
    }

    /// Whether the blob is here.
    async fn has(&self, digest: &Digest) -> Result<bool> {
        let task =
            || Task::new("looking for", format!("blob {digest}"), format!("in {}", self.reference.name()));
        let found = self.anywhere(task, |place| {
            async move {
                let ask = place.ask(Method::HEAD, &format!("blobs/{digest}")).await?;
                Ok(place.endpoint.send_if_found(ask, place.access()).await?.map(drop))
            }
            .boxed()
        });
        Ok(found.await?.is_some())
    }

    /// Where else the client knows a blob to be.
    pub(crate) fn whereabouts(&self, digest: &Digest) -> Option<Result<Self>> {
        let reference = self.client.whereabouts(digest)?;
        Some(self.client.mirrored(&reference))
    }

    /// The size of a blob, if it is here.
    pub async fn blob_size(&self, digest: &Digest) -> Result<Option<u64>> {
        let task =
            || Task::new("looking for", format!("blob {digest}"), format!("in {}", self.reference.name()));
        let found = self.anywhere(task, |place| {
            async move {
                let ask = place.ask(Method::HEAD, &format!("blobs/{digest}")).await?;
                let Some(response) = place.endpoint.send_if_found(ask, place.access()).await? else {
                    return Ok(None);
                };
                let silent = || Cause::Protocol("it does not say how large the blob is".into());
                content_length(&response).map(Some).ok_or_else(silent)
            }
            .boxed()
        });
        found.await
    }

    /// Brings a blob here: it is looked for first, then mounted where the client knows another repository of
    /// the registry that has it, then sent. Of several who bring it to one registry at once, one sends it.
    pub(crate) async fn push_blob(
        &self,
        blob: &Descriptor,
        source: &dyn Source,
        progress: Progress<'_>,
    ) -> Result<Outcome> {
        let turn = self.client.turn(&self.reference, &blob.digest);
        let _turn = turn.lock().await;
        let outcome = match self.has(&blob.digest).await? {
            true => Outcome::Existing,
            false => upload::upload(self, blob, source, progress).await?,
        };
        self.note_blob(&blob.digest);
        progress(crate::Event::Finished { digest: blob.digest.clone(), total: blob.size, outcome });
        Ok(outcome)
    }
}

/// A repository at one endpoint, and what is to be done there.
struct Place<'a> {
    endpoint: &'a Arc<Endpoint>,
    /// The repository's name there.
    path: String,
    scopes: Scopes,
}

impl Place<'_> {
    fn access(&self) -> Access<'_> {
        Access { repository: &self.path, scopes: &self.scopes }
    }

    /// A request for `what`, such as `tags/list`.
    async fn ask(&self, method: Method, what: &str) -> Result<Ask, Cause> {
        Ok(Ask::new(method, self.endpoint.url(&format!("{}/{what}", self.path)).await?))
    }
}

fn content_length(response: &reqwest::Response) -> Option<u64> {
    response.headers().get(http::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

impl Store for Repository {
    fn place(&self) -> String {
        self.reference.name()
    }

    fn manifest<'a>(&'a self, name: Name<'a>) -> Pending<'a, Option<Document>> {
        self.read_manifest(name).boxed()
    }

    fn head<'a>(&'a self, name: Name<'a>) -> Pending<'a, Option<Descriptor>> {
        self.look_up_manifest(name).boxed()
    }

    fn put_manifest<'a>(
        &'a self,
        name: Name<'a>,
        document: &'a Document,
        condition: Condition,
    ) -> Pending<'a, ()> {
        self.store_manifest(name, document, condition).boxed()
    }

    fn tags(&self) -> Pending<'_, Vec<String>> {
        self.list_tags().boxed()
    }

    fn delete<'a>(&'a self, name: Name<'a>) -> Pending<'a, bool> {
        self.delete_manifest(name).boxed()
    }

    fn has_blob<'a>(&'a self, digest: &'a Digest) -> Pending<'a, bool> {
        self.has(digest).boxed()
    }

    fn blob(&self, descriptor: &Descriptor) -> Arc<dyn Source> {
        Arc::new(RemoteBlob::new(self.clone(), descriptor.clone()))
    }

    fn put_blob<'a>(&'a self, descriptor: &'a Descriptor, source: &'a dyn Source) -> Pending<'a, ()> {
        async move { self.clone().for_writing().push_blob(descriptor, source, &|_| {}).await.map(drop) }
            .boxed()
    }

    fn referrers<'a>(
        &'a self,
        subject: &'a Digest,
        artifact_type: Option<&'a str>,
    ) -> Pending<'a, Vec<Descriptor>> {
        self.list_referrers(subject, artifact_type).boxed()
    }
}
