//! The registry as a value: open it, hand it requests, serve it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::HeaderName;
use http::{HeaderValue, Method, Request, StatusCode};
use wharf_registry::{Layout, LayoutError, Pruned};

use crate::access::Access;
use crate::problem::{Code, Problem};
use crate::repositories::Repositories;
use crate::route::Route;
use crate::tls::Tls;
use crate::uploads::{Hashes, Uploads};
use crate::upstream::Upstream;
use crate::{blobs, lists, manifests};

/// What a depot allows.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who may come in.
    pub access: Access,
    /// Nothing may be written.
    pub read_only: bool,
    /// A tag that exists never names anything else. Decided atomically, across processes.
    pub immutable_tags: bool,
    /// Manifests, tags and blobs may be deleted.
    pub allow_delete: bool,
    /// Serve with TLS, by this certificate.
    pub tls: Option<Tls>,
    /// Be a cache of this registry. Nothing may be pushed then.
    pub upstream: Option<Upstream>,
}

impl Default for Options {
    /// Open to everybody, everything allowed: right for loopback only.
    fn default() -> Self {
        Self {
            access: Access::Open,
            read_only: false,
            immutable_tags: false,
            allow_delete: true,
            tls: None,
            upstream: None,
        }
    }
}

/// What keeps content from being [pruned](Depot::prune).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needed {
    /// Any manifest that was put and not deleted, whether a tag names it or not.
    ByManifests,
    /// Only those that have to do with a tag: named by it, listed in its index, about it, or what it is about.
    ByTags,
}

/// A depot that cannot be opened or served.
#[derive(Debug, thiserror::Error)]
pub enum DepotError {
    /// The data directory cannot be used.
    #[error("opening the registry's data failed")]
    Data(#[from] LayoutError),
    /// The socket failed.
    #[error("serving the registry on {address} failed")]
    Serve {
        /// Which address.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// A registry over a directory of OCI layouts. Cheap to clone; any number of them, in any number of processes,
/// may serve one directory.
#[derive(Debug, Clone)]
pub struct Depot {
    pub(crate) repositories: Repositories,
    pub(crate) options: Arc<Options>,
    hashes: Hashes,
}

const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

impl Depot {
    /// A depot with its data under `root`, which is created if it is missing.
    pub fn open(root: impl AsRef<Path>, options: Options) -> Result<Self, DepotError> {
        let root = root.as_ref();
        std::fs::create_dir_all(root).map_err(|source| LayoutError::Io {
            action: "creating directory",
            path: root.into(),
            source,
        })?;
        Ok(Self {
            repositories: Repositories::new(root),
            options: Arc::new(options),
            hashes: Arc::new(HashMap::new().into()),
        })
    }

    /// The layout of `repository`, made if there is none: to fill a depot without a network.
    pub fn layout(&self, repository: &str) -> Result<Layout, DepotError> {
        Ok(self.repositories.create(repository)?)
    }

    /// Removes what is not [`Needed`] and nobody has sent, mounted or looked for within `grace`. What a push that is
    /// under way has been told to be here is younger than that, so it may be served meanwhile.
    pub fn prune(&self, needed: Needed, grace: Duration) -> Result<Pruned, DepotError> {
        self.of_each(|layout| match needed {
            Needed::ByManifests => layout.prune(&Default::default(), grace),
            Needed::ByTags => layout.prune_untagged(grace),
        })
    }

    /// What [`prune`](Self::prune) would remove now.
    pub fn needless(&self, needed: Needed, grace: Duration) -> Result<Pruned, DepotError> {
        self.of_each(|layout| match needed {
            Needed::ByManifests => layout.needless(&Default::default(), grace),
            Needed::ByTags => layout.needless_untagged(grace),
        })
    }

    fn of_each(&self, work: impl Fn(&Layout) -> Result<Pruned, LayoutError>) -> Result<Pruned, DepotError> {
        let mut all = Pruned::default();
        for name in self.repositories.names() {
            if let Some(layout) = self.repositories.get(&name)? {
                let part = work(&layout)?;
                all.blobs += part.blobs;
                all.bytes += part.bytes;
            }
        }
        Ok(all)
    }

    /// Answers a request.
    pub async fn handle(&self, request: Request<Body>) -> Response {
        let mut response = match self.route(request.map(crate::unread::read_to_its_end)).await {
            Ok(response) => response,
            Err(problem) => problem.into_response(),
        };
        response.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
        response
    }

    async fn route(&self, request: Request<Body>) -> Result<Response, Problem> {
        let (request, body) = request.into_parts();
        let (options, headers) = (self.options.clone(), request.headers.clone());
        blocking(move || options.access.check(&headers)).await?;
        let route = Route::parse(request.uri.path())?;
        self.check_allowed(&request.method, &route)?;
        match (request.method.as_str(), route) {
            ("GET" | "HEAD", Route::Base) => Ok(base()),
            ("GET", Route::Catalog) => lists::catalog(self, &request).await,
            ("GET", Route::Tags(name)) => lists::tags(self, name, &request).await,
            ("GET", Route::Referrers(name, digest)) => lists::referrers(self, name, digest, &request).await,
            ("GET" | "HEAD", Route::Manifest(name, wanted)) => {
                manifests::get(self, name, wanted, &request).await
            }
            ("PUT", Route::Manifest(name, wanted)) => {
                manifests::put(self, name, wanted, &request, body).await
            }
            ("DELETE", Route::Manifest(name, wanted)) => manifests::delete(self, name, wanted).await,
            ("GET" | "HEAD", Route::Blob(name, digest)) => blobs::get(self, name, digest, &request).await,
            ("DELETE", Route::Blob(name, digest)) => blobs::delete(self, name, digest).await,
            ("POST", Route::Uploads(name)) => blobs::start(self, name, &request, body).await,
            ("GET" | "HEAD", Route::Upload(name, id)) => blobs::status(self, name, id).await,
            ("PATCH", Route::Upload(name, id)) => blobs::append(self, name, id, &request, body).await,
            ("PUT", Route::Upload(name, id)) => blobs::finish(self, name, id, &request, body).await,
            ("DELETE", Route::Upload(name, id)) => blobs::cancel(self, name, id).await,
            (method, _) => Err(Problem::new(Code::Unsupported, format!("{method} is not possible here"))),
        }
    }

    fn check_allowed(&self, method: &Method, route: &Route) -> Result<(), Problem> {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        if self.options.read_only && !reads {
            return Err(Problem::new(Code::Unsupported, "this registry is read-only"));
        }
        if let Some(upstream) = self.options.upstream.as_ref().filter(|_| !reads && *method != Method::DELETE)
        {
            let message = format!("this registry is a cache of {}; push there", upstream.registry());
            return Err(Problem::new(Code::Unsupported, message));
        }
        let deletes = *method == Method::DELETE && !matches!(route, Route::Upload(..));
        if deletes && !self.options.allow_delete {
            return Err(Problem::new(Code::Unsupported, "nothing may be deleted here"));
        }
        Ok(())
    }

    pub(crate) fn uploads(&self, layout: Layout) -> Uploads {
        Uploads::of(layout, self.hashes.clone())
    }
}

fn base() -> Response {
    let mut response = Response::new(Body::from("{}"));
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *response.status_mut() = StatusCode::OK;
    response
}

/// Runs work on files where blocking is allowed.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(Problem::new(Code::Unknown, "the request was not completed")),
    }
}
