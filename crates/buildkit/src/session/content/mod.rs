//! Blobs of this machine for the builder, and from it: containerd's content service (`containerd.services.content.v1`)
//! over the stores that a build names. Local caches, OCI layouts as contexts, and finished images go this way: what
//! the receiving side has already does not travel.

mod proto;
mod write;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use http::{Request, Response as HttpResponse};
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::server::{Grpc, ServerStreamingService, StreamingService, UnaryService};
use tonic::{Response, Status, Streaming};
use tonic_prost::ProstCodec;

use super::stream::{self, Outgoing};
use super::tunnel;
use proto::{
    AbortRequest, Empty, Info, InfoRequest, InfoResponse, ListStatusesRequest, ListStatusesResponse,
    ReadContentRequest, ReadContentResponse, StatusRequest, UpdateRequest, WriteContentRequest,
    WriteContentResponse,
};

pub(super) const METHODS: [&str; 9] = [
    "/containerd.services.content.v1.Content/Info",
    "/containerd.services.content.v1.Content/Update",
    "/containerd.services.content.v1.Content/List",
    "/containerd.services.content.v1.Content/Delete",
    "/containerd.services.content.v1.Content/Read",
    "/containerd.services.content.v1.Content/Status",
    "/containerd.services.content.v1.Content/ListStatuses",
    "/containerd.services.content.v1.Content/Write",
    "/containerd.services.content.v1.Content/Abort",
];

/// Which store is meant (moby/buildkit, `session/content`).
const STORE: &str = "buildkit-attachable-store-id";

/// How much goes into one message.
const PIECE: usize = 256 << 10;

/// A blob that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blob {
    /// Its size in bytes.
    pub size: u64,
}

/// Reads a blob from a place on.
pub type BlobSource = Box<dyn io::Read + Send>;

/// Takes a new blob.
pub trait BlobSink: io::Write + Send {
    /// Ends the blob: it is kept if its digest is `expected`, and gone otherwise.
    ///
    /// # Errors
    /// If it cannot be kept, or is not what was expected.
    fn commit(self: Box<Self>, expected: &str) -> io::Result<()>;
}

/// A place where blobs are kept by digest, `sha256:…`. Called on threads that may block.
pub trait Blobs: Send + Sync {
    /// The blob, if it is there.
    ///
    /// # Errors
    /// If the digest is none, or the place cannot be read.
    fn find(&self, digest: &str) -> io::Result<Option<Blob>>;

    /// Reads the blob from `offset` on.
    ///
    /// # Errors
    /// If it is not there or cannot be read.
    fn read(&self, digest: &str, offset: u64) -> io::Result<BlobSource>;

    /// Begins a new blob.
    ///
    /// # Errors
    /// If nothing can be written there.
    fn begin(&self) -> io::Result<Box<dyn BlobSink>>;
}

type Store = Arc<dyn Blobs>;

/// The service.
#[derive(Clone)]
pub(super) struct ContentService {
    stores: Arc<BTreeMap<String, Store>>,
}

impl ContentService {
    pub(super) fn new(stores: BTreeMap<String, Store>) -> Self {
        Self { stores: Arc::new(stores) }
    }

    fn store(&self, metadata: &MetadataMap) -> Result<Store, Status> {
        let id = metadata.get(STORE).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let id = id.ok_or_else(|| Status::invalid_argument(format!("request lacks metadata {STORE:?}")))?;
        self.stores.get(&id).cloned().ok_or_else(|| Status::not_found(format!("unknown store {id}")))
    }

    async fn info(self, request: tonic::Request<InfoRequest>) -> Result<Response<InfoResponse>, Status> {
        let store = self.store(request.metadata())?;
        let info = find(store, request.into_inner().digest).await?;
        Ok(Response::new(InfoResponse { info: Some(info) }))
    }

    /// Labels are containerd's business; what they are put on is there.
    async fn update(self, request: tonic::Request<UpdateRequest>) -> Result<Response<InfoResponse>, Status> {
        let store = self.store(request.metadata())?;
        let asked = request.into_inner().info.unwrap_or_default();
        let info = find(store, asked.digest).await?;
        Ok(Response::new(InfoResponse { info: Some(Info { labels: asked.labels, ..info }) }))
    }

    async fn read(
        self,
        request: tonic::Request<ReadContentRequest>,
    ) -> Result<Response<Outgoing<ReadContentResponse>>, Status> {
        let store = self.store(request.metadata())?;
        let ReadContentRequest { digest, offset, size } = request.into_inner();
        let info = find(store.clone(), digest.clone()).await?;
        let out_of_range = || Status::out_of_range("there is no such part of the blob");
        let offset = u64::try_from(offset).map_err(|_| out_of_range())?;
        let total = u64::try_from(info.size).unwrap_or_default();
        let rest = total.checked_sub(offset).ok_or_else(out_of_range)?;
        // Some ask for a round number of bytes, and take what there is.
        let size = match u64::try_from(size) {
            Ok(0) => rest,
            Ok(size) => size.min(rest),
            Err(_) => return Err(out_of_range()),
        };
        let (sender, outgoing) = stream::channel();
        tokio::task::spawn_blocking(move || {
            let failed = |error: io::Error| Status::unknown(error.to_string());
            let mut at = offset;
            let mut source = match store.read(&digest, offset) {
                Ok(source) => io::Read::take(source, size),
                Err(error) => return drop(sender.blocking_send(Err(failed(error)))),
            };
            loop {
                let mut data = Vec::new();
                let piece = io::Read::read_to_end(&mut io::Read::take(&mut source, PIECE as u64), &mut data);
                match piece {
                    Ok(0) => return,
                    Ok(count) => {
                        let message =
                            ReadContentResponse { offset: i64::try_from(at).unwrap_or_default(), data };
                        at += count as u64;
                        if sender.blocking_send(Ok(message)).is_err() {
                            return;
                        }
                    }
                    Err(error) => return drop(sender.blocking_send(Err(failed(error)))),
                }
            }
        });
        Ok(Response::new(outgoing))
    }

    async fn write(
        self,
        request: tonic::Request<Streaming<WriteContentRequest>>,
    ) -> Result<Response<Outgoing<WriteContentResponse>>, Status> {
        let store = self.store(request.metadata())?;
        let (sender, outgoing) = stream::channel();
        tokio::spawn(write::write(store, request.into_inner(), sender));
        Ok(Response::new(outgoing))
    }
}

async fn find(store: Store, digest: String) -> Result<Info, Status> {
    let found = {
        let digest = digest.clone();
        tokio::task::spawn_blocking(move || store.find(&digest)).await
    };
    let found = found.map_err(|error| Status::unknown(error.to_string()))?;
    let blob = found.map_err(|error| Status::unknown(error.to_string()))?;
    let blob = blob.ok_or_else(|| Status::not_found(format!("content {digest}: not found")))?;
    let now = Some(prost_types::Timestamp::from(SystemTime::now()));
    let size = i64::try_from(blob.size).unwrap_or(i64::MAX);
    Ok(Info { digest, size, created_at: now, updated_at: now, labels: Default::default() })
}

type Pending<T> = Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send>>;

/// One method as tonic wants it: a service of one request.
macro_rules! method {
    ($kind:ident, $name:ident, $request:ty, $response:ty, $call:expr) => {
        struct $name(ContentService);
        impl $kind<$request> for $name {
            type Response = $response;
            type Future = Pending<$response>;
            fn call(&mut self, request: tonic::Request<$request>) -> Self::Future {
                Box::pin($call(self.0.clone(), request))
            }
        }
    };
}

method!(UnaryService, InfoMethod, InfoRequest, InfoResponse, ContentService::info);
method!(UnaryService, UpdateMethod, UpdateRequest, InfoResponse, ContentService::update);
method!(
    UnaryService,
    StatusMethod,
    StatusRequest,
    Empty,
    |_, request: tonic::Request<StatusRequest>| async move {
        // A blob is written in one go or not at all, so none is ever half there.
        Err(Status::not_found(format!("status for {}: not found", request.into_inner().r#ref)))
    }
);
method!(UnaryService, ListStatusesMethod, ListStatusesRequest, ListStatusesResponse, |_, _| async move {
    Ok(Response::new(ListStatusesResponse {}))
});
method!(UnaryService, AbortMethod, AbortRequest, Empty, |_, _| async move { Ok(Response::new(Empty {})) });

struct ReadMethod(ContentService);

impl ServerStreamingService<ReadContentRequest> for ReadMethod {
    type Response = ReadContentResponse;
    type ResponseStream = Outgoing<ReadContentResponse>;
    type Future = Pending<Self::ResponseStream>;
    fn call(&mut self, request: tonic::Request<ReadContentRequest>) -> Self::Future {
        Box::pin(self.0.clone().read(request))
    }
}

struct WriteMethod(ContentService);

impl StreamingService<WriteContentRequest> for WriteMethod {
    type Response = WriteContentResponse;
    type ResponseStream = Outgoing<WriteContentResponse>;
    type Future = Pending<Self::ResponseStream>;
    fn call(&mut self, request: tonic::Request<Streaming<WriteContentRequest>>) -> Self::Future {
        Box::pin(self.0.clone().write(request))
    }
}

impl tower_service::Service<Request<Body>> for ContentService {
    type Response = HttpResponse<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        macro_rules! grpc {
            () => {
                Grpc::new(ProstCodec::default()).max_decoding_message_size(tunnel::LONGEST_MESSAGE)
            };
        }
        let service = self.clone();
        Box::pin(async move {
            let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
            Ok(match method.as_str() {
                "Info" => grpc!().unary(InfoMethod(service), request).await,
                "Update" => grpc!().unary(UpdateMethod(service), request).await,
                "Status" => grpc!().unary(StatusMethod(service), request).await,
                "ListStatuses" => grpc!().unary(ListStatusesMethod(service), request).await,
                "Abort" => grpc!().unary(AbortMethod(service), request).await,
                "Read" => grpc!().server_streaming(ReadMethod(service), request).await,
                "Write" => grpc!().streaming(WriteMethod(service), request).await,
                // A builder has no business to list or remove what is here.
                other => Status::permission_denied(format!("{other} is not offered")).into_http(),
            })
        })
    }
}
