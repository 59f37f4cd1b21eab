//! Images where they are kept: registries that speak the distribution protocol, and OCI layouts on disk.
//!
//! - [`Layout`] is a directory; synchronous, shared by any number of processes.
//! - [`Client`] speaks to registries and [`Repository`] is one place there.
//! - Both are a [`Store`], so that what is decided on top of them is written and tested once.
//! - [`download`] brings a plain file from a URL into a layout.
//! - [`Archive`] and [`ArchiveWriter`] are images in a tar file, in docker's format and in OCI's.
//! - [`resolve`], [`fetch_blob`], [`pull`], [`push_blob`] and [`push`] move images between the two, and
//!   [`copy_to_registry`] and [`copy_to_layout`] from any [`Origin`].
//!
//! Invariants:
//! - content is verified while it streams and gets its name only when size and digest are right;
//! - memory does not depend on the size of a blob;
//! - credentials never appear in `Debug`, errors or events, and never follow a redirect to another host;
//! - nothing here reads the environment (except the trust store's own `SSL_CERT_FILE`) or prints.

mod answer;
mod archive;
mod auth;
mod client;
mod copy;
mod dialect;
mod download;
mod endpoint;
mod error;
mod hasher;
mod http_client;
mod layout;
mod media_type;
mod progress;
mod pull;
mod push;
mod repository;
mod settings;
mod store;
mod transfer;

pub use archive::{Archive, ArchiveError, ArchiveWriter};
pub use auth::{
    AwsKeys, AwsProfiles, AwsQuestion, Challenge, Credentials, CredentialsError, DockerConfig, Login,
    Surroundings, forget_with_helper, keep_with_helper,
};
pub use client::Client;
pub use copy::{Copied, Listed, Origin, choose, copy_to_layout};
pub use download::{Download, Validators, download};
pub use error::{Cause, Error, Result, Task};
pub use http_client::{build as http_client, build_for as http_client_for};
pub use layout::{BlobWriter, Claim, Content, DOCUMENT_MAX, Layout, LayoutError, Partial, Pruned, REF_NAME};
pub use progress::{Event, Outcome, Progress};
pub use pull::{Pulled, fetch_blob, pull, resolve};
pub use push::{copy_to_registry, push, push_blob};
pub use repository::Repository;
pub use settings::{HostTls, Proxies, Settings, SettingsError};
pub use store::{BlobStream, Condition, Document, Name, Parsed, Pending, Source, Store};
