//! The client: connections, credentials and limits shared by all work on all registries.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use wharf_oci::{Digest, Reference};

use crate::endpoint::Endpoint;
use crate::transfer::Patience;
use crate::{Error, Progress, Repository, Result, Settings, SettingsError, Task};

/// Speaks to registries. Cheap to clone; clones share connections, tokens and limits.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    http: reqwest::Client,
    mirrors: HashMap<String, Vec<Arc<Endpoint>>>,
    origins: Mutex<HashMap<String, Arc<Endpoint>>>,
    /// For a registry and a digest, a repository there that has the blob.
    whereabouts: Mutex<HashMap<(String, Digest), String>>,
    /// For a registry and a digest, whose turn it is to bring the blob there.
    turns: Mutex<HashMap<(String, Digest), Weak<Turn>>>,
}

/// Held by whoever brings a blob to a registry.
type Turn = tokio::sync::Mutex<()>;

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

impl Client {
    /// A client that behaves as `settings` say. Nothing is connected yet.
    ///
    /// Fails when a mirror, a proxy or a certificate in the settings makes no sense.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let http = crate::http_client::build(&settings)?;
        let mut mirrors = HashMap::new();
        for (registry, urls) in &settings.mirrors {
            let endpoints: Result<Vec<_>, _> =
                urls.iter().map(|url| Endpoint::mirror(url, &settings, &http).map(Arc::new)).collect();
            mirrors.insert(registry.clone(), endpoints?);
        }
        for host in settings.locations.keys() {
            // One that makes no sense is an error here, not when it is first needed.
            Endpoint::origin(host, &settings, &http)?;
        }
        let (origins, whereabouts, turns) = Default::default();
        Ok(Self { shared: Arc::new(Shared { settings, http, mirrors, origins, whereabouts, turns }) })
    }

    /// The repository of `reference` at its own registry, for writing and for reads that must not be stale.
    pub fn repository(&self, reference: &Reference) -> Result<Repository> {
        Ok(Repository::new(self, reference, vec![self.origin(reference)?]))
    }

    /// The repository of `reference` for reading: its registry's mirrors in order, then the registry.
    pub fn mirrored(&self, reference: &Reference) -> Result<Repository> {
        let mut endpoints = self.shared.mirrors.get(reference.registry()).cloned().unwrap_or_default();
        endpoints.push(self.origin(reference)?);
        Ok(Repository::new(self, reference, endpoints))
    }

    fn origin(&self, reference: &Reference) -> Result<Arc<Endpoint>> {
        let host = reference.registry();
        let mut origins = lock(&self.shared.origins);
        if let Some(endpoint) = origins.get(host) {
            return Ok(endpoint.clone());
        }
        let endpoint = Endpoint::origin(host, &self.shared.settings, &self.shared.http).map_err(|error| {
            let task = Task::new("addressing", "registry", host);
            Error::new(task, crate::Cause::Protocol(error.to_string()))
        })?;
        let endpoint = Arc::new(endpoint);
        origins.insert(host.into(), endpoint.clone());
        Ok(endpoint)
    }

    /// Notes that the repository of `reference` has the blob, so that a push to another repository of that
    /// registry can have it mounted. Pulls and pushes of this client are noted by themselves.
    pub fn note_blob(&self, reference: &Reference, digest: &Digest) {
        let key = (reference.registry().to_owned(), digest.clone());
        lock(&self.shared.whereabouts).insert(key, reference.repository().into());
    }

    /// Another repository of `reference`'s registry that has the blob.
    pub(crate) fn elsewhere(&self, reference: &Reference, digest: &Digest) -> Option<String> {
        let key = (reference.registry().to_owned(), digest.clone());
        let repository = lock(&self.shared.whereabouts).get(&key).cloned();
        repository.filter(|repository| repository != reference.repository())
    }

    /// What has to be locked while the blob is brought to `reference`'s registry, so that it goes there once: whoever
    /// waited, for that repository or another one, finds it there or has it mounted.
    pub(crate) fn turn(&self, reference: &Reference, digest: &Digest) -> Arc<Turn> {
        let mut turns = lock(&self.shared.turns);
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = turns.entry((reference.registry().to_owned(), digest.clone())).or_default();
        turn.upgrade().unwrap_or_else(|| {
            let new = Arc::default();
            *turn = Arc::downgrade(&new);
            new
        })
    }

    /// A repository of any registry that has the blob.
    pub(crate) fn whereabouts(&self, digest: &Digest) -> Option<Reference> {
        let whereabouts = lock(&self.shared.whereabouts);
        let found = whereabouts.iter().find(|((_, known), _)| known == digest);
        found.and_then(|((registry, _), repository)| format!("{registry}/{repository}").parse().ok())
    }

    /// The connections, for requests that are no registry's.
    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.shared.http
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// How many blobs travel at once, but for registries that have a limit of their own.
    pub fn parallelism(&self) -> usize {
        self.shared.settings.parallelism.max(1)
    }

    pub(crate) fn patience(&self) -> Patience {
        Patience { retries: self.shared.settings.retries, backoff: self.shared.settings.backoff }
    }

    /// Runs `work` within the time allowed for a push or pull.
    pub(crate) async fn within_deadline<T>(
        &self,
        task: impl FnOnce() -> Task,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let Some(allowed) = self.shared.settings.deadline else { return work.await };
        match tokio::time::timeout(allowed, work).await {
            Ok(result) => result,
            Err(_) => Err(Error::new(task(), crate::Cause::Deadline { allowed })),
        }
    }

    /// Passes on what the registries had to say.
    pub(crate) fn tell_warnings(&self, progress: Progress<'_>) {
        let origins: Vec<Arc<Endpoint>> = lock(&self.shared.origins).values().cloned().collect();
        for endpoint in origins.iter().chain(self.shared.mirrors.values().flatten()) {
            for text in endpoint.take_warnings() {
                progress(crate::Event::Warning { registry: endpoint.host.clone(), text });
            }
        }
    }
}

/// What the lock guards is whole between any two statements, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
