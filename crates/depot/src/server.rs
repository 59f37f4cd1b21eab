//! A depot on a socket.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::access::{Access, writes};
use crate::answer::Refusal;
use crate::handlers;
use crate::repositories::Repositories;
use crate::route::Route;
use crate::uploads::Uploads;

/// How a depot behaves.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Who may use it.
    pub access: Access,
    /// Nothing can be changed.
    pub read_only: bool,
    /// A tag that exists never names anything else.
    pub immutable_tags: bool,
}

/// An embedded registry on a data directory.
#[derive(Debug, Clone)]
pub struct Depot {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) repositories: Repositories,
    pub(crate) uploads: Uploads,
    pub(crate) options: Options,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("repositories", &self.repositories).field("options", &self.options).finish()
    }
}

/// A depot that cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum DepotError {
    /// The data directory cannot be made.
    #[error("preparing the registry's data directory `{}`", path.display())]
    Data {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The address cannot be listened on.
    #[error("listening on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The server broke off.
    #[error("serving the registry")]
    Serve(#[source] std::io::Error),
}

impl Depot {
    /// A depot on `data`, which is made where it is missing.
    ///
    /// # Errors
    /// [`DepotError::Data`].
    pub fn open(data: impl Into<PathBuf>, options: Options) -> Result<Self, DepotError> {
        let path = data.into();
        std::fs::create_dir_all(&path).map_err(|source| DepotError::Data { path: path.clone(), source })?;
        let shared = Shared { repositories: Repositories::new(path), uploads: Uploads::default(), options };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Serves until `shutdown` resolves; requests under way are finished first.
    ///
    /// # Errors
    /// [`DepotError::Serve`].
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), DepotError> {
        let server = axum::serve(listener, self.router()).with_graceful_shutdown(shutdown);
        server.await.map_err(DepotError::Serve)
    }

    /// The depot as a service, to put something before it.
    pub fn router(self) -> Router {
        Router::new().fallback(answer).with_state(self)
    }

    /// Listens on `address` (port 0: any free one) and serves on a task of the current runtime.
    ///
    /// # Errors
    /// [`DepotError::Listen`].
    pub async fn start(self, address: SocketAddr) -> Result<Background, DepotError> {
        let listen = |source| DepotError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(self.serve(listener, async move {
            // Stopped, or dropped: either way it is over.
            let _ = stopped.await;
        }));
        Ok(Background { address, _stop: stop })
    }
}

/// A depot that serves until this is dropped.
#[derive(Debug)]
pub struct Background {
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Background {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Every request: who is it, may it, what is it about.
async fn answer(State(depot): State<Depot>, request: Request) -> Response {
    let head = request.method() == Method::HEAD;
    let mut response = match dispatch(&depot, request).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    };
    if head {
        *response.body_mut() = axum::body::Body::empty();
    }
    let version = HeaderValue::from_static("registry/2.0");
    response.headers_mut().insert("docker-distribution-api-version", version);
    response
}

async fn dispatch(depot: &Depot, request: Request) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let options = &depot.shared.options;
    if !matches!(options.access, Access::Open) {
        let (access, headers) = (options.access.clone(), head.headers.clone());
        // A bcrypt check takes milliseconds of processor time.
        handlers::blocking(move || access.check(&headers)).await?;
    }
    if options.read_only && writes(&head.method) {
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "DENIED", "this registry is read-only"));
    }
    match Route::read(head.uri.path())? {
        Route::Root => Ok(StatusCode::OK.into_response()),
        Route::Blob { repository, digest } => handlers::blobs::one(depot, &head, &repository, &digest).await,
        Route::Uploads { repository } => handlers::uploads::begin(depot, &head, body, &repository).await,
        Route::Upload { repository, session } => {
            handlers::uploads::one(depot, &head, body, &repository, &session).await
        }
        Route::Manifest { repository, reference } => {
            handlers::manifests::one(depot, &head, body, &repository, &reference).await
        }
        Route::Tags { repository } => handlers::lists::tags(depot, &head, &repository).await,
        Route::Referrers { repository, digest } => {
            handlers::lists::referrers(depot, &head, &repository, &digest).await
        }
        Route::Catalog => handlers::lists::catalog(depot, &head).await,
    }
}
