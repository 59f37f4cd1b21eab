//! The session: what the builder may ask of this machine while a build runs.
//!
//! It is a gRPC server that lives inside a stream of the builder's own gRPC server (`Control.Session`): the bytes of
//! its HTTP/2 connection travel as messages of that stream. Which methods it has is said in the stream's metadata
//! (moby/buildkit, `session/session.go`), and nothing is there that the build does not need.

mod auth;
mod content;
mod files;
mod health;
mod received;
mod router;
mod secrets;
mod ssh;
mod stream;
mod tunnel;
mod upload;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bollard_buildkit_proto::moby;
use moby::buildkit::v1::control_client::ControlClient;
use tonic::transport::Channel;

pub use auth::{Authority, Keyring, Login, TokenRequest, TokenResponse};
pub use content::{Blob, BlobSink, BlobSource, Blobs};
pub use files::Files;
pub use received::Target;
pub use secrets::Secret;

use crate::error::Error;
use router::Router;

/// What a session offers.
#[derive(Default)]
pub struct Offer {
    /// Two sessions with one key are of one project: the builder compares files with what it kept of the last.
    pub shared_key: String,
    /// Files, by the name that the frontend knows them by.
    pub files: BTreeMap<String, Files>,
    /// `--secret`, by id.
    pub secrets: BTreeMap<String, Secret>,
    /// `--ssh`: the sockets of agents, by id.
    pub agents: BTreeMap<String, PathBuf>,
    /// Who knows the logins of registries.
    pub keyring: Option<Arc<dyn Keyring>>,
    /// Stores of blobs, by the name that caches, layouts and exporters know them by.
    pub stores: BTreeMap<String, Arc<dyn Blobs>>,
    /// Tar archives that are contexts, by the name in their URL.
    pub uploads: BTreeMap<String, PathBuf>,
    /// Where what the exporter sends is written to.
    pub target: Option<Target>,
}

impl std::fmt::Debug for Offer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Offer")
            .field("files", &self.files)
            .field("secrets", &self.secrets)
            .field("agents", &self.agents)
            .field("stores", &self.stores.keys())
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

/// A session under way. Dropping it ends it.
#[derive(Debug)]
pub struct Session {
    id: String,
    task: tokio::task::JoinHandle<()>,
}

impl Session {
    /// Opens a session at the builder behind `channel`.
    ///
    /// # Errors
    /// If the builder does not take it.
    pub async fn open(channel: &Channel, offer: Offer) -> Result<Self, Error> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let shared_key = offer.shared_key.clone();
        let router = Router::new(offer);
        let mut client =
            ControlClient::new(channel.clone()).max_decoding_message_size(tunnel::LONGEST_MESSAGE);
        let (near, outgoing) = tunnel::open();
        let mut request = tonic::Request::new(outgoing);
        let metadata = request.metadata_mut();
        let mut say = |key: &'static str, value: &str| {
            value.parse().map(|value| metadata.append(key, value)).map_err(|_| Error::Metadata(key))
        };
        say("x-docker-expose-session-uuid", &id)?;
        say("x-docker-expose-session-name", "wharf")?;
        say("x-docker-expose-session-sharedkey", &shared_key)?;
        for method in router.methods() {
            say("x-docker-expose-session-grpc-method", method)?;
        }
        let incoming =
            client.session(request).await.map_err(|status| Error::Session(status.into()))?.into_inner();
        Ok(Self { id, task: tokio::spawn(tunnel::serve(near, incoming, router)) })
    }

    /// What a build names the session by.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// How what fails on this machine is said to the builder, which then says it as the reason why the build failed.
pub(crate) const HERE: &str = "on the client: ";

/// A failure of this machine is said as such, so that nobody looks for a full disk at the builder.
fn failed_here(error: std::io::Error) -> tonic::Status {
    let said = format!("{HERE}{error}");
    match error.kind() {
        std::io::ErrorKind::StorageFull => tonic::Status::resource_exhausted(said),
        _ => tonic::Status::unknown(said),
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}
